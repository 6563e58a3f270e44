"""Follows the place of a pydantic error through the model's annotations.

Answers, for one place: its path in the YAML, which field it is, what may stand there.
"""

from __future__ import annotations

import re
import types
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

Path = tuple[str | int, ...]
Model = type[BaseModel]


@dataclass(frozen=True, slots=True)
class UnionPoint:
    """A place where several types may stand, and the one that an error speaks of."""

    path: Path
    label: str
    choices: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Place:
    """Where an error is: `choices` are the types that may stand there, unions flattened.

    `owner` and `field` are set when the place is a field of a model.
    """

    path: Path = ()
    choices: tuple[Any, ...] = ()
    owner: Model | None = None
    field: FieldInfo | None = None
    unions: tuple[UnionPoint, ...] = ()
    is_key: bool = False

    @property
    def model(self) -> Model | None:
        """The model that stands at this place, when exactly one may."""
        models = [choice for choice in self.choices if is_model(choice)]
        return models[0] if len(models) == 1 else None


def find_place(model: Model, loc: Collection[str | int]) -> Place:
    """Resolve the `loc` of a pydantic error, which mixes keys with the labels of unions."""
    place, labelled = Place(choices=(model,)), True
    for part in loc:
        if part == "[key]":
            place = replace(place, is_key=True)
        elif not labelled and len(place.choices) > 1:
            point = UnionPoint(place.path, str(part), place.choices)
            place = replace(
                place,
                choices=_narrow(place.choices, str(part)),
                unions=(*place.unions, point),
            )
            labelled = True
        else:
            place, labelled = _step(place, part), False
    return place


def fields_of(model: Model) -> dict[str, FieldInfo]:
    """The fields of a model by the names they have in YAML."""
    return {info.alias or name: info for name, info in model.model_fields.items()}


def is_model(choice: Any) -> bool:
    return isinstance(choice, type) and issubclass(choice, BaseModel)


def values_of(choices: Collection[Any]) -> tuple[str, ...]:
    """Every value that the literals and enums among `choices` allow, as written in YAML."""
    values: list[str] = []
    for choice in choices:
        if get_origin(choice) is Literal:
            values += [_plain(value) for value in get_args(choice)]
        elif isinstance(choice, type) and issubclass(choice, Enum):
            values += [_plain(member.value) for member in choice]
    return tuple(values)


def flatten(annotation: Any) -> tuple[Any, ...]:
    """The types an annotation stands for: no Annotated, no aliases, no unions, no None."""
    return tuple(dict.fromkeys(_flatten(annotation)))


def _flatten(annotation: Any) -> Iterator[Any]:
    origin = get_origin(annotation)
    if origin is Annotated:
        yield from _flatten(get_args(annotation)[0])
    elif origin in (Union, types.UnionType):
        for member in get_args(annotation):
            yield from _flatten(member)
    elif hasattr(annotation, "__value__"):
        yield from _flatten(annotation.__value__)
    elif annotation is not types.NoneType and annotation is not None:
        yield annotation


def _step(place: Place, part: str | int) -> Place:
    path = (*place.path, part)
    for choice in place.choices:
        if is_model(choice):
            if (info := fields_of(choice).get(str(part))) is not None:
                inner = flatten(info.annotation)
                return Place(path, inner, owner=choice, field=info, unions=place.unions)
        elif (inner_type := _item_type(choice, part)) is not None:
            return Place(path, flatten(inner_type), unions=place.unions)
    owner = place.model
    return Place(path, owner=owner, unions=place.unions)


def _item_type(choice: Any, part: str | int) -> Any:
    arguments = get_args(choice)
    origin = get_origin(choice)
    if not arguments or not isinstance(origin, type):
        return None
    if issubclass(origin, Mapping):
        return arguments[1] if isinstance(part, str) else None
    return arguments[0] if isinstance(part, int) and issubclass(origin, Collection) else None


def _narrow(choices: tuple[Any, ...], label: str) -> tuple[Any, ...]:
    by_name = tuple(
        choice
        for choice in choices
        if re.search(rf"\b{re.escape(getattr(choice, '__name__', '?'))}\b", label)
    )
    by_tag = tuple(choice for choice in choices if is_model(choice) and _has_tag(choice, label))
    return by_name or by_tag or choices


def _has_tag(model: Model, tag: str) -> bool:
    return any(tag in values_of(flatten(info.annotation)) for info in model.model_fields.values())


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "null" if value is None else str(value)
