"""What was made of what: everything downstream of runs whose data were erased, and their marks.

State alone tells it: a revision records the digests of what it was made from.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from loopwright.planning.outlook import revision_digest
from loopwright.resources.address import Address
from loopwright.state.records import Record, Revision


@dataclass(frozen=True, slots=True)
class Touched:
    """A revision, or a standing resource, that erased calls went into."""

    address: Address
    revision: int | None
    calls: int | None
    """How many; None where that cannot be told."""
    inside: bool
    """Whether they are in it still; False where its lines were taken out."""


_Found = dict[tuple[Address, int | None], Touched]
_Given = dict[str, int | None]
"""What a touched revision gives to others -> how many of the calls are in it."""


def downstream(
    records: Mapping[Address, Record], roots: Mapping[str, tuple[int | None, bool]]
) -> list[Touched]:
    """The `roots` and all that came of them, in the order of their addresses.

    Roots are named by external id, with how many calls went and whether they are inside still.
    """
    found, given = _rooted(records, roots)
    while grown := list(_made_from(records, given, found)):
        for touched, digest in grown:
            found[touched.address, touched.revision] = touched
            given.setdefault(digest, touched.calls)
    for address, record in records.items():
        if not record.revisions and (sources := given.keys() & set(record.inputs.values())):
            calls = _sum(given[source] for source in sources)
            found[address, None] = Touched(address, None, calls, inside=True)
    return [found[place] for place in sorted(found, key=lambda one: (one[0], one[1] or 0))]


def marked(record: Record, touched: list[Touched], *, erasure: str, at: str) -> Record:
    """The record with a mark on each revision of it that was touched. Safe to repeat."""
    marks = {one.revision: one for one in touched if one.address == record.address}

    def with_mark(revision: Revision) -> Revision:
        one = marks.get(revision.number)
        if one is None:
            return revision
        mark: dict[str, Any] = {"at": at, "calls": one.calls, "inside": one.inside}
        return replace(revision, erased={**revision.erased, erasure: mark})

    return replace(record, revisions=tuple(with_mark(found) for found in record.revisions))


def _rooted(
    records: Mapping[Address, Record], roots: Mapping[str, tuple[int | None, bool]]
) -> tuple[_Found, _Given]:
    found: _Found = {}
    given: _Given = {}
    for address, revision in _revisions(records):
        if revision.external_id in roots:
            calls, inside = roots[revision.external_id]
            found[address, revision.number] = Touched(address, revision.number, calls, inside)
            given[revision_digest(revision)] = calls
    return found, given


def _made_from(
    records: Mapping[Address, Record], given: _Given, found: _Found
) -> Iterator[tuple[Touched, str]]:
    """Revisions not yet found that were made from what was, with what they give to others."""
    for address, revision in _revisions(records):
        sources = given.keys() & set(revision.inputs.values())
        if sources and (address, revision.number) not in found:
            calls = _sum(given[source] for source in sources)
            touched = Touched(address, revision.number, calls, inside=True)
            yield touched, revision_digest(revision)


def _revisions(records: Mapping[Address, Record]) -> Iterator[tuple[Address, Revision]]:
    for address, record in records.items():
        for revision in record.revisions:
            yield address, revision


def _sum(counts: Iterable[int | None]) -> int | None:
    told = list(counts)
    return None if None in told else sum(filter(None, told))
