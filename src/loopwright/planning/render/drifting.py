"""What the world does differently, class by class, and what the plan does about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from loopwright.planning.change import Action, Change, Drift, DriftClass, Obstacle
from loopwright.planning.plan import Plan
from loopwright.planning.render.wording import value_words

_ORDER = tuple(DriftClass)
_MOST = 20
_CALM = {
    DriftClass.SETTLING: "not taken for absent yet",
    DriftClass.ACCEPTED: "left as it is",
    DriftClass.IGNORED: "lifecycle.ignoreChanges",
    DriftClass.DEFAULT: "not declared",
}


@dataclass(frozen=True, slots=True)
class Difference:
    """One line of the drift block."""

    drift: Drift
    what: str
    reaction: str

    @property
    def is_alarming(self) -> bool:
        return self.drift.drift_class in (DriftClass.OUTSIDE, DriftClass.GONE, DriftClass.STATUS)


def differences(plan: Plan, *, with_quiet: bool = False) -> list[Difference]:
    """All drift that is told, by class, then in the order in which it was found."""
    told = [item for item in plan.drift if with_quiet or not item.drift_class.is_quiet]
    if not told:
        return []
    changes = {change.address: change for change in plan.changes}
    told.sort(key=lambda item: _ORDER.index(item.drift_class))
    return [
        Difference(item, _what(item), _reaction(item, changes.get(item.address))) for item in told
    ]


def shortened(found: Sequence[Difference]) -> tuple[Sequence[Difference], int]:
    """The first of a long list, and how many more there are."""
    if len(found) <= _MOST + 1:
        return found, 0
    return found[:_MOST], len(found) - _MOST


def _what(drift: Drift) -> str:
    if drift.drift_class is DriftClass.GONE:
        return value_words(drift.before) if drift.before else ""
    if not drift.path:
        return drift.note
    if drift.drift_class is DriftClass.DEFAULT:
        return f"{drift.path}: {value_words(drift.after)}"
    return f"{drift.path}: {value_words(drift.before)} -> {value_words(drift.after)}"


def _reaction(drift: Drift, change: Change | None) -> str:
    calm = _CALM.get(drift.drift_class)
    if calm:
        return f"{calm} {drift.note}".rstrip() if drift.path else calm
    if drift.drift_class is DriftClass.STATUS:
        return "no change is planned for it" if _is_idle(change) else ""
    if change is None or _is_idle(change):
        return "left as it is"
    if drift.drift_class is DriftClass.GONE:
        return "is made again" if change.action in (Action.CREATE, Action.RUN) else ""
    return _setting(drift, change)


def _setting(drift: Drift, change: Change) -> str:
    """What becomes of a field that was changed outside."""
    field = next((field for field in change.fields if field.path == drift.path), None)
    if field is None:
        return ""
    if field.after == drift.before:
        return f"set back to {value_words(field.after)}; accept-drift would keep it"
    return f"becomes {value_words(field.after)}"


def _is_idle(change: Change | None) -> bool:
    return change is None or not change.action.writes or change.obstacle is not Obstacle.NONE
