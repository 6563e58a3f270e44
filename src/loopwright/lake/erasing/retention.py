"""How long a lake keeps its calls: text past its time is rewritten away, then the calls themselves.

Days are the unit: a day's rows go when the whole day is past its time. Feedback keeps to the same
times, counted from the day it was given.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import groupby

from loopwright.lake.erasing.clearing import clear
from loopwright.lake.erasing.rewriting import Treatment, rewrite
from loopwright.lake.files import Head, LakeFile
from loopwright.lake.partitions import CALLS
from loopwright.lake.settings import Retention
from loopwright.lake.store import Lake

_WHY = "expired"


@dataclass(frozen=True, slots=True)
class Enforced:
    """What a retention did: rows whose text went, calls and feedback that went altogether."""

    text_gone: int
    calls_gone: int
    feedback_gone: int


def enforce(
    lake: Lake,
    *,
    text: timedelta | None,
    metadata: timedelta | None,
    now: datetime,
) -> Enforced:
    """Let go what is kept longer than `text` and `metadata` say; None keeps it for good.

    Rewrites one day after the other, each in one commit, so an interrupted run is finished by the
    next. Raises LakeError and LakeIntegrityError; the days before stay done.
    """
    done: list[Enforced] = []
    kept = Retention(text, metadata)
    while True:
        with lake.writing() as head:
            due = _next_due(head, kept, now)
            if not due:
                clear(lake, head)  # of what a run before this one died over
                return _summed(done)
            rewrite(lake, head, due, why=_WHY)
        done.append(_told(head, due))


def overdue(lake: Lake, *, now: datetime) -> bool:
    """Whether the lake holds what is past the times that it is to keep."""
    return bool(_next_due(lake.manifest.head(), lake.retention, now))


def _next_due(head: Head, kept: Retention, now: datetime) -> dict[str, Treatment]:
    """What is to be done on the first day that has something past its time."""
    for dt, files in groupby(sorted(head.files, key=_day), key=_day):
        due: dict[str, Treatment] = {}
        for file in files:
            if kept.metadata_is_past(dt, now):
                due[file.partition] = Treatment(everything=True)
            elif kept.text and kept.text_is_past(dt, now) and not file.without_text:
                due[file.partition] = Treatment(text_until=date.fromisoformat(dt) + kept.text)
        if due:
            return due
    return {}


def _told(head: Head, due: dict[str, Treatment]) -> Enforced:
    treated = [(file, due[file.partition]) for file in head.files if file.partition in due]
    gone = [file for file, treatment in treated if treatment.everything]
    blanked = [file for file, treatment in treated if not treatment.everything]
    return Enforced(
        text_gone=sum(file.rows for file in blanked if not file.without_text),
        calls_gone=sum(file.rows for file in gone if file.table == CALLS),
        feedback_gone=sum(file.rows for file in gone if file.table != CALLS),
    )


def _summed(done: list[Enforced]) -> Enforced:
    return Enforced(
        text_gone=sum(one.text_gone for one in done),
        calls_gone=sum(one.calls_gone for one in done),
        feedback_gone=sum(one.feedback_gone for one in done),
    )


def _day(file: LakeFile) -> str:
    return file.dt
