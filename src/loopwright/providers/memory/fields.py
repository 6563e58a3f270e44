"""Dotted paths into specs: leaving fields out, and taking named fields over."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any


def without(spec: Mapping[str, Any], paths: Collection[str]) -> Mapping[str, Any]:
    """The spec less these fields. The same object when none of them is there."""
    found = [keys for path, keys in nodes(spec) if path in paths] if paths else []
    return _edited(spec, [(keys, None) for keys in found]) if found else spec


def changed(
    spec: Mapping[str, Any], desired: Mapping[str, Any], paths: Collection[str]
) -> Mapping[str, Any]:
    """The spec with these fields as desired, and taken away where they are not desired."""
    places = dict(nodes(spec)) | dict(nodes(desired))
    return _edited(
        spec, [(places[path], at(desired, places[path])) for path in paths if path in places]
    )


def nodes(
    spec: Mapping[str, Any], prefix: str = "", keys: tuple[str, ...] = ()
) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Every field, nested ones too: its dotted path, and the keys that lead to it."""
    for name, value in spec.items():
        yield f"{prefix}{name}", (*keys, name)
        if isinstance(value, Mapping):
            yield from nodes(value, f"{prefix}{name}.", (*keys, name))


def at(spec: Mapping[str, Any], keys: tuple[str, ...]) -> Any:
    """The value that these keys lead to; None where there is none."""
    value: Any = spec
    for key in keys:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def _edited(
    spec: Mapping[str, Any], edits: Collection[tuple[tuple[str, ...], Any]]
) -> dict[str, Any]:
    result = dict(spec)
    for keys, value in edits:
        level = result
        for key in keys[:-1]:
            level[key] = dict(level[key]) if isinstance(level.get(key), Mapping) else {}
            level = level[key]
        if value is None:
            level.pop(keys[-1], None)
        else:
            level[keys[-1]] = value
    return result
