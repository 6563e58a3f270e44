"""Specs against specs: which fields there are, which differ, which may change in place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from loopwright.providers.base import Capabilities, FieldChange
from loopwright.resources.base import marked_paths
from loopwright.resources.registry import resource_class


@dataclass(frozen=True, slots=True)
class Fields:
    """The fields of a kind's spec: top-level names, and dotted paths by what marks them."""

    names: frozenset[str]
    immutable: frozenset[str]
    write_only: frozenset[str]
    local: frozenset[str]
    """Of loopwright alone: never sent to a provider."""


@cache
def fields_of(kind: str) -> Fields:
    """Raises KeyError when there is no such kind."""
    spec: Any = resource_class(kind).model_fields["spec"].annotation
    return Fields(
        names=frozenset(field.alias or name for name, field in spec.model_fields.items()),
        immutable=marked_paths(spec, "immutable"),
        write_only=marked_paths(spec, "write-only"),
        local=marked_paths(spec, "policy") | {"provider"},
    )


def leaves(spec: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted path and value of every leaf. Nothing, an empty list and an empty object are none."""
    for name, value in spec.items():
        if isinstance(value, Mapping):
            yield from leaves(value, f"{prefix}{name}.")
        elif value not in (None, [], ()):
            yield f"{prefix}{name}", value


def covered(path: str, paths: frozenset[str]) -> bool:
    """Whether a path, or one it lies below, is among `paths`."""
    parts = path.split(".")
    return any(".".join(parts[:count]) in paths for count in range(1, len(parts) + 1))


def differences(
    declared: Mapping[str, Any], told: Mapping[str, Any], *, besides: frozenset[str]
) -> list[str]:
    """What is told back otherwise than declared, each as a sentence. `besides` is left out."""
    heard = dict(leaves(told))
    return [
        f"{path} was declared as {value!r} and is told back as {heard.get(path)!r}"
        for path, value in leaves(declared)
        if path.partition(".")[0] in told
        and not covered(path, besides)
        and heard.get(path) != value
    ]


def in_place(
    kind: str, capabilities: Capabilities, before: Mapping[str, Any], after: Mapping[str, Any]
) -> list[FieldChange]:
    """The differences that the kind and the provider let happen in place and then tell back."""
    fields, old, new = fields_of(kind), dict(leaves(before)), dict(leaves(after))
    unfit = fields.immutable | fields.local | fields.write_only | capabilities.write_only
    updatable = fields.names if capabilities.updatable is None else capabilities.updatable
    return [
        FieldChange(path, old.get(path), new.get(path))
        for path in sorted(old.keys() | new.keys())
        if old.get(path) != new.get(path) and covered(path, updatable) and not covered(path, unfit)
    ]
