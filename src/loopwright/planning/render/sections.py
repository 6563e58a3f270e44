"""Groups changes by when they happen, and folds long lists of the same; for all renderers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from loopwright.planning.change import Action, Change, Obstacle
from loopwright.planning.plan import Plan
from loopwright.planning.render.wording import (
    REFUSALS,
    UNICODE,
    Signs,
    count_words,
    hours_words,
    plural,
)
from loopwright.resources.address import Address

_SCREEN = 40
"""Lines of one section above which the same is folded."""
_SHOWN = 5
"""Members of a folded group that are still shown."""
_NEVER_FOLDED = (Action.DELETE, Action.REPLACE, Action.PROMOTE)


@dataclass(frozen=True, slots=True)
class Section:
    """Changes that share their time, or what holds them."""

    title: str
    changes: tuple[Change, ...]
    when: str = ""


@dataclass(frozen=True, slots=True)
class Group:
    """Some changes that are shown, and how many like them are not."""

    shown: tuple[Change, ...]
    hidden: int = 0
    is_mixed: bool = False
    """Whether those not shown have other reasons."""

    def rest_words(self, signs: Signs = UNICODE) -> str:
        """E.g. `… and 960 more CallImport to create`."""
        like = self.shown[0]
        number, _, words = count_words(like.action, self.hidden).partition(" ")
        why = ", for other reasons" if self.is_mixed else ""
        return f"{signs.ellipsis} and {number} more {like.address.kind} {words}{why}"


def sections(plan: Plan, signs: Signs = UNICODE) -> list[Section]:
    """Stages in order, then what a gate decides, what waits, what is refused. No-ops are left out.

    What cannot be done in any stage of this plan is in none of them.
    """
    stages: dict[int, list[Change]] = {}
    gated, waiting, refused = [], [], []
    for change in plan.pending:
        if change.obstacle in REFUSALS:
            refused.append(change)
        elif change.action is Action.GATED or change.obstacle is Obstacle.DECISION:
            gated.append(change)
        elif change.action is Action.WAIT or change.obstacle is not Obstacle.NONE:
            waiting.append(change)
        else:
            stages.setdefault(change.stage, []).append(change)
    found = _stages(stages, signs)
    rest = (
        ("Gates", "decided when the results are in", gated),
        ("Waiting", "nothing is started for these", waiting),
        ("Refused", "not done unless you change something", refused),
    )
    return found + [Section(title, tuple(held), when) for title, when, held in rest if held]


def _stages(stages: dict[int, list[Change]], signs: Signs) -> list[Section]:
    found: list[Section] = []
    earlier: set[Address] = set()
    elapsed = 0.0
    for number, changes in sorted(stages.items()):
        awaited = sorted({need for change in changes for need in change.after} & earlier)
        when = "now"
        if found:
            when = _after(awaited, found[-1].title) + _in(elapsed, signs)
        found.append(Section(f"Stage {number}", tuple(changes), when))
        earlier.update(change.address for change in changes)
        elapsed += max(map(_hours, changes))
    return found


def _after(awaited: Sequence[Address], stage: str) -> str:
    """What a stage waits for: by name where that is one or two, else all that comes before."""
    names = ", ".join(map(str, awaited)) if 1 <= len(awaited) <= 2 else stage.lower()
    return f"after {names}"


def _in(hours: float, signs: Signs) -> str:
    return f" ({signs.about}{hours_words(hours)})" if hours else ""


def _hours(change: Change) -> float:
    estimate = change.estimate
    if change.action is not Action.RUN or estimate is None or estimate.hours is None:
        return 0
    return estimate.hours.likely


def fold(changes: Sequence[Change], *, limit: int = _SCREEN) -> list[Group]:
    """Groups of the same action, kind and reason, folded only where the list is too long.

    Where reasons differ so much that it stays long, they are folded over as well. Deletes,
    replaces and promotions always have their line.
    """
    if len(changes) <= limit:
        return [Group(tuple(changes))]
    folded = _fold(changes, by_reason=True)
    lines = sum(len(group.shown) for group in folded)
    return folded if lines <= limit else _fold(changes, by_reason=False)


def _fold(changes: Iterable[Change], *, by_reason: bool) -> list[Group]:
    alike: dict[object, list[Change]] = {}
    for change in changes:
        key: object = change.address
        if change.action not in _NEVER_FOLDED:
            reason = change.reason if by_reason else ""
            key = (change.action, change.obstacle, change.address.kind, reason)
        alike.setdefault(key, []).append(change)
    return [_group(held) for held in alike.values()]


def _group(alike: Sequence[Change]) -> Group:
    if len(alike) <= _SHOWN + 1:
        return Group(tuple(alike))
    is_mixed = any(change.reason != alike[0].reason for change in alike)
    return Group(tuple(alike[:_SHOWN]), len(alike) - _SHOWN, is_mixed)


def names_words(changes: Sequence[Change], *, most: int = 8) -> str:
    """The names of a few, or how many there are of each kind."""
    if len(changes) <= most:
        return ", ".join(str(change.address) for change in changes)
    kinds: dict[str, int] = {}
    for change in changes:
        kinds[change.address.kind] = kinds.get(change.address.kind, 0) + 1
    return ", ".join(plural(number, kind) for kind, number in kinds.items())
