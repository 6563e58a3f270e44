"""What is wrong or remarkable after a pass, as a level: causes, and the addresses they hold for.

Pure. A cause's text names no number and not the resource itself, so that fifty resources that
fail alike share one cause, and the same failure an hour later is still the same.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from loopwright.clock import from_text
from loopwright.engine.applied import Applied
from loopwright.gitops.declaring import Problem
from loopwright.planning.change import DriftClass, Obstacle
from loopwright.planning.decisions import decisions
from loopwright.planning.plan import Plan
from loopwright.resources.address import Address
from loopwright.state.records import Record

_NUMBER = re.compile(r"(?<![\w-])[\w-]*\d[\w.,:-]*")
_REFUSED = re.compile(r" (not promoted: |was rejected)")
_PROBLEMS = {"manifests": "the manifests are broken", "source": "the source cannot be reached"}
_FROM_OUTSIDE = (DriftClass.OUTSIDE, DriftClass.GONE)


@dataclass(frozen=True, slots=True, order=True)
class Cause:
    """One thing that holds for a while. `event` is one of the project file's event names."""

    event: str
    text: str
    detail: str = field(default="", compare=False)
    """What is told beside the text when it begins; no part of what it is."""


Level = Mapping[Cause, frozenset[str]]


def steady(text: str, address: Address | None = None) -> str:
    """The text without numbers, ids and the address it is about."""
    if address is not None:
        text = text.replace(str(address), "it")
    return _NUMBER.sub("N", text)


def gathered(found: Iterable[tuple[Cause, str]]) -> Level:
    """Causes with all their addresses; the empty address stands for none."""
    level: dict[Cause, set[str]] = {}
    for cause, address in found:
        level.setdefault(cause, set()).update({address} - {""})
    return {cause: frozenset(addresses) for cause, addresses in level.items()}


def of_pass(
    plan: Plan,
    applied: Applied,
    records: Mapping[Address, Record],
    held: Collection[Address],
) -> Iterator[tuple[Cause, str]]:
    """What a pass ended with; `held` are resources it left alone for a while."""
    waiting = {address for address in held if address in records and records[address].failures}
    for address in sorted({*applied.failed, *waiting, *_with(plan, Obstacle.FAILED)}):
        record = records.get(address)
        message = record.last_error if record and record.last_error else ""
        message = message or applied.failed.get(address, "") or "it failed"
        yield Cause("failed", steady(message, address)), str(address)
    over = _with(plan, Obstacle.BUDGET)
    for address, reason in over.items():
        yield Cause("budget", steady(reason, address)), str(address)
    asking = {
        **applied.decisions,
        **_with(plan, Obstacle.DECISION),
        **_with(plan, Obstacle.PROTECTED),
    }
    for address, reason in asking.items():
        yield Cause("decision", steady(reason, address)), str(address)
    for change in plan.changes:
        if _REFUSED.search(change.reason):
            yield Cause("rejected", change.reason), str(change.address)


def of_drift(plan: Plan) -> Iterator[tuple[Cause, str]]:
    """What somebody else changed or removed."""
    for drift in plan.drift:
        if drift.drift_class in _FROM_OUTSIDE:
            where = f": {drift.path}" if drift.path else ""
            text = f"{drift.drift_class.value}{where}"
            yield Cause("drift", text), str(drift.address)


def of_problems(problems: Iterable[Problem]) -> Iterator[tuple[Cause, str]]:
    """Manifests that are broken, a source that cannot be reached."""
    for problem in problems:
        detail = problem.diagnostics[0] if problem.diagnostics else problem.message
        yield Cause("failed", _PROBLEMS[problem.what], detail), ""


def promotions(
    records: Mapping[Address, Record], since: datetime
) -> Iterator[tuple[Address, Mapping[str, Any]]]:
    """What took over at or after a moment, whichever pass saw it through: the decisions."""
    for address, record in records.items():
        for decided in decisions(record):
            if decided["decision"] == "promoted" and from_text(decided["at"]) >= since:
                yield address, decided


def _with(plan: Plan, obstacle: Obstacle) -> dict[Address, str]:
    return {change.address: change.reason for change in plan.changes if change.obstacle is obstacle}
