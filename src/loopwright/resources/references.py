"""Reads specs by their annotations: which fields there are, and what they refer to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import cache
from typing import Any, NamedTuple

from pydantic import BaseModel
from pydantic_core import PydanticCustomError

from loopwright.resources.address import Pointer
from loopwright.resources.markers import Ref


class Found(NamedTuple):
    """One reference found in a spec: where it stands, what it points at, and its marker."""

    path: tuple[str | int, ...]
    pointer: Pointer
    ref: Ref


@cache
def layout(model: type[BaseModel]) -> tuple[tuple[str, str, tuple[Any, ...]], ...]:
    return tuple(
        (name, field.alias or name, tuple(field.metadata))
        for name, field in model.model_fields.items()
    )


def models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in getattr(annotation, "__args__", ()):
        yield from models_in(argument)


@cache
def _pointing(model: type[BaseModel]) -> tuple[tuple[str, str, Ref | None], ...]:
    """The fields with a reference, and those that hold a model with one (None)."""
    found: list[tuple[str, str, Ref | None]] = []
    for (name, alias, metadata), field in zip(
        layout(model), model.model_fields.values(), strict=True
    ):
        ref = next((mark for mark in metadata if isinstance(mark, Ref)), None)
        if ref or any(_pointing(nested) for nested in models_in(field.annotation)):
            found.append((name, alias, ref))
    return tuple(found)


def find_references(
    value: BaseModel | tuple[BaseModel, ...], path: tuple[str | int, ...]
) -> Iterator[Found]:
    if isinstance(value, tuple):
        for index, item in enumerate(value):
            yield from find_references(item, (*path, index))
        return
    for name, alias, ref in _pointing(type(value)):
        held = getattr(value, name)
        if ref and held is not None:
            yield Found((*path, alias), Pointer.parse(held), ref)
        elif held is not None:
            yield from find_references(held, (*path, alias))


def written_references(
    model: type[BaseModel], data: Any, path: tuple[str | int, ...]
) -> Iterator[Found]:
    """The well-formed references in data that is no valid `model` as a whole."""
    if isinstance(data, list):
        for index, item in enumerate(data):
            yield from written_references(model, item, (*path, index))
    if not isinstance(data, Mapping):
        return
    for (_, alias, metadata), field in zip(layout(model), model.model_fields.values(), strict=True):
        held = data.get(alias)
        ref = next((mark for mark in metadata if isinstance(mark, Ref)), None)
        if ref is None:
            for nested in models_in(field.annotation):
                yield from written_references(nested, held, (*path, alias))
        elif isinstance(held, str):
            with suppress(PydanticCustomError):
                yield Found((*path, alias), Pointer.parse(ref.normalise(held) or held), ref)
