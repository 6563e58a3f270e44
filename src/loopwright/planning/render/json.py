"""A plan as a versioned JSON document, and back: what programs read and saved plans are made of.

The document says everything the plan holds, plus a `summary` for readers that only count.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from functools import cache
from typing import Any

from pydantic import TypeAdapter, ValidationError

from loopwright.errors import PlanError
from loopwright.planning.change import Action, Unknown
from loopwright.planning.plan import FORMAT_VERSION, Envelope, Plan
from loopwright.planning.render.json_schema import plan_schema
from loopwright.planning.render.wording import exit_words
from loopwright.providers.base import Range
from loopwright.resources.address import Address

FORMAT = "loopwright.plan"
_UNKNOWN = "$unknown"
_REAL: Mapping[type, tuple[str, ...]] = {
    Range: ("likely", "low", "high"),
    Envelope: ("cost", "hours"),
}
"""Written as floating-point numbers, so that a plan read and written again is the same bytes."""


def to_document(plan: Plan) -> dict[str, Any]:
    """JSON values in a stable order; the same plan gives the same document."""
    body = _encoded(plan)
    version = body.pop("format_version")
    return {"format": FORMAT, "format_version": version, "summary": _summary(plan), **body}


def from_document(document: Mapping[str, Any]) -> Plan:
    """The plan that `to_document` was given. Raises PlanError for anything else."""
    if document.get("format") != FORMAT:
        raise PlanError(
            f"this is not a saved plan: `format` is {document.get('format')!r}, not {FORMAT!r}",
            hint="make one with `loopwright plan --out FILE`",
        )
    version = document.get("format_version")
    if version != FORMAT_VERSION:
        raise PlanError(
            f"the plan has format version {version!r}; this loopwright reads {FORMAT_VERSION}",
            hint="plan again with this version of loopwright",
        )
    try:
        return _adapter().validate_python(_decoded_plan(document))
    except (ValidationError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise PlanError(
            f"the saved plan is damaged: {_first_problem(error)}",
            hint="plan again; a saved plan is never edited",
        ) from error


def schema() -> dict[str, Any]:
    """The JSON Schema (Draft 2020-12) of these documents."""
    return plan_schema(FORMAT, FORMAT_VERSION)


def _summary(plan: Plan) -> dict[str, Any]:
    counts = plan.counts()
    code = plan.exit_code(detailed=True)
    return {
        "pending": len(plan.pending),
        "unchanged": plan.unchanged,
        "actions": {action.value: counts.get(action, 0) for action in Action},
        "exit_code": int(code),
        "exit_words": exit_words(code),
    }


def _encoded(value: Any) -> Any:
    if value is None or isinstance(value, str | int | float):
        return value
    if isinstance(value, Address):
        return str(value)
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Unknown):
        return {_UNKNOWN: {"by": value.by, "note": value.note}}
    if isinstance(value, Mapping):
        return {_escaped(name): _encoded(held) for name, held in value.items()}
    if isinstance(value, list | tuple):
        return [_encoded(held) for held in value]
    held = {name: getattr(value, name) for name in _names(value)}
    for name in _REAL.get(type(value), ()):
        held[name] = None if held[name] is None else float(held[name])
    return {name: _encoded(part) for name, part in held.items()}


def _names(value: Any) -> Iterable[str]:
    """Field names of a dataclass; `dataclasses.fields` filters anew on every call."""
    names: Iterable[str] = value.__dataclass_fields__
    return names


def _escaped(name: str) -> str:
    """A spec's own `$unknown` is not taken for ours."""
    return f"${name}" if name.startswith("$") else name


def _decoded(value: Any) -> Any:
    """A value of a spec."""
    if isinstance(value, Mapping):
        if value.keys() == {_UNKNOWN}:
            return Unknown(**value[_UNKNOWN])
        return {_unescaped(name): _decoded(held) for name, held in value.items()}
    if isinstance(value, list):
        return [_decoded(held) for held in value]
    return value


def _unescaped(name: str) -> str:
    return name[1:] if name.startswith("$") else name


@cache
def _adapter() -> TypeAdapter[Plan]:
    return TypeAdapter(Plan)


def _decoded_plan(document: Mapping[str, Any]) -> dict[str, Any]:
    """The document with addresses and unknowns as values; pydantic checks and builds the rest."""
    body = {name: held for name, held in document.items() if name not in ("format", "summary")}
    return body | {
        "changes": [_decoded_change(change) for change in document["changes"]],
        "drift": [
            _with(drift, address=Address.parse, before=_decoded, after=_decoded)
            for drift in document["drift"]
        ],
        "quiet": [_with(quiet, address=Address.parse) for quiet in document["quiet"]],
        "variables": _decoded(document["variables"]),
        "world": _decoded(document["world"]),
    }


def _decoded_change(change: Mapping[str, Any]) -> dict[str, Any]:
    return _with(
        change,
        address=Address.parse,
        fields=lambda held: [_with(field, before=_decoded, after=_decoded) for field in held],
        after=lambda held: [Address.parse(text) for text in held],
        desired=_decoded,
        moved_from=lambda text: None if text is None else Address.parse(text),
        estimate=_decoded_estimate,
    )


def _decoded_estimate(estimate: Mapping[str, Any] | None) -> dict[str, Any] | None:
    return None if estimate is None else _with(estimate, dropped=_decoded)


def _with(data: Mapping[str, Any], **decoders: Callable[[Any], Any]) -> dict[str, Any]:
    return {name: decoders[name](held) if name in decoders else held for name, held in data.items()}


def _first_problem(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
    if isinstance(error, KeyError):
        return f"{error.args[0]} is missing"
    return str(error)
