"""The opened form of a change: its fields before and after, and what else is known of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from loopwright.planning.change import Action, Change, Obstacle
from loopwright.planning.render.wording import value_words
from loopwright.providers.base import FieldChange

OPEN = (Action.REPLACE, Action.DELETE, Action.PROMOTE)
"""Always open: what is lost, or takes over, has to be seen."""
_REFERENCE = frozenset({"env", "file"})


def field_words(field: FieldChange) -> str:
    """E.g. `type: custom -> preset  (forces replacement)`."""
    forced = "  (forces replacement)" if field.forces_replace else ""
    return f"{field.path}: {value_words(field.before)} -> {value_words(field.after)}{forced}"


def declared(spec: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Path and value of every leaf that says something; a secret reference is one leaf."""
    for name, value in spec.items():
        path = f"{prefix}{name}"
        if isinstance(value, Mapping) and value and not value.keys() <= _REFERENCE:
            yield from declared(value, f"{path}.")
        elif value not in (None, [], {}, ()):
            yield path, value


def stated_fields(change: Change) -> list[str]:
    """What a create, a first run or a delete says of its object, as `path: value`."""
    is_first = change.action is Action.RUN and not change.fields
    if is_first or change.action in (Action.CREATE, Action.DELETE):
        return [f"{path}: {value_words(value)}" for path, value in declared(change.desired)]
    return []


def unchanged_fields(change: Change) -> list[str]:
    """Declared fields that an update, a replace or a new revision leaves as they are."""
    is_edited_run = change.action is Action.RUN and bool(change.fields)
    edits = (Action.UPDATE, Action.REPLACE, Action.PROMOTE, Action.ADOPT)
    if not is_edited_run and change.action not in edits:
        return []
    changed = tuple(field.path for field in change.fields)
    return [
        f"{path}: {value_words(value)}"
        for path, value in declared(change.desired)
        if not any(path == done or path.startswith(f"{done}.") for done in changed)
    ]


def fate(change: Change) -> str:
    """What becomes of the object that is deleted, replaced or forgotten."""
    named = f"the object {change.external_id}" if change.external_id else "the object"
    protected = change.obstacle is Obstacle.PROTECTED
    if change.action is Action.REPLACE:
        if protected:
            return f"{named} would be replaced"
        kept = "stays beside the new one" if change.keeps_remote else "is deleted"
        return f"{named} {kept}"
    if change.action is Action.DELETE and change.external_id:
        where = f" on {change.provider}" if change.provider else ""
        return f"{named}{where} {'would be' if protected else 'is'} deleted"
    return ""


def background(change: Change) -> list[str]:
    """Where it comes from and what it hangs on."""
    found = []
    if change.origin and change.action not in (Action.DELETE, Action.FORGET):
        found.append(f"wanted by {change.origin}")
    if change.after:
        found.append(f"after {', '.join(map(str, change.after))}")
    if change.provider and "provider" not in change.desired:
        found.append(f"on {change.provider}")
    if change.external_id and change.action not in OPEN:
        found.append(f"id {change.external_id}")
    return found
