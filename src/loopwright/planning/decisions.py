"""The record of what was decided on candidates of a promoted resource, with the numbers. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from loopwright.state.records import Record

_KEPT = 50
"""So many decisions stay in the record; the journal keeps them all."""

_SAME = ("decision", "candidate", "incumbent", "suite", "evalRevision", "facts")
"""What two decisions have in common that are one: the same verdict on the same digests."""


def decisions(record: Record) -> Sequence[Mapping[str, Any]]:
    """Oldest first. Each says `decision` (promoted, refused by its gate, rejected by a person or
    a canary, approved, rolled back), `at`, `by`, the digests it is about and the numbers that
    decided it."""
    found: Sequence[Mapping[str, Any]] = record.promoted.get("decisions", ())
    return found


def with_decision(promoted: Mapping[str, Any], decided: Mapping[str, Any]) -> dict[str, Any]:
    """A promoted pointer that remembers one decision more."""
    told = [*promoted.get("decisions", ()), dict(decided)]
    return {**promoted, "decisions": told[-_KEPT:]}


def is_known(record: Record, decided: Mapping[str, Any]) -> bool:
    """Whether the newest decision on this candidate says the same already."""
    of_it = [one for one in decisions(record) if one.get("candidate") == decided["candidate"]]
    return bool(of_it) and all(of_it[-1].get(key) == decided.get(key) for key in _SAME)


def why_rejected(record: Record, candidate: str) -> str:
    """In words, why a candidate is kept out; empty: nobody said."""
    for one in reversed(decisions(record)):
        if one.get("candidate") == candidate and one["decision"] == "rejected":
            return str(one.get("reason", ""))
    return ""


def who_approved(record: Record, candidate: str) -> str:
    """Who let a candidate take over; empty: nobody is on record."""
    for one in reversed(decisions(record)):
        if one.get("candidate") == candidate and one["decision"] == "approved":
            return str(one.get("by", ""))
    return ""


def decision_lines(record: Record) -> Iterator[str]:
    """For people, newest first: when, what, which revision, the numbers, whose word."""
    for one in reversed(decisions(record)):
        when = f"{str(one.get('at', ''))[:19].replace('T', ' ')} UTC"
        yield f"{when}  {decision_words(one)}"


def decision_words(one: Mapping[str, Any]) -> str:
    """Which revision, what was decided, by whom, and the numbers."""
    facts = "; ".join(filter(None, (str(one.get("reason", "")), *one.get("facts", ()))))
    run = f" ({one['evalRun']} v{one['evalRevision']})" if one.get("evalRun") else ""
    whose = one.get("by") or one.get("approvedBy")
    by = f", by {whose}" if one.get("by") else f", approved by {whose}" if whose else ""
    told = f": {facts}" if facts else ""
    return f"v{one.get('revision', '?')} {one['decision']}{by}{told}{run}"
