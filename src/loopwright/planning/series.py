"""Which number a run's result will have: several resources may add versions to one series."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from loopwright.planning.change import Action, Change
from loopwright.planning.outlook import version_of
from loopwright.resources.address import Address
from loopwright.resources.base import Resource
from loopwright.state.records import Record, RunStatus


class AllSeries:
    """Who adds to which series; the resource that began one bears its name."""

    def __init__(self, resources: Iterable[Resource]) -> None:
        self._begun_by: dict[Address, Address] = {}
        self._members: dict[Address, set[Address]] = {}
        for resource in resources:
            fed = resource.feeds()
            if fed is not None and fed.kind == resource.kind:
                self._begun_by[resource.address] = fed
                self._members.setdefault(fed, {fed}).add(resource.address)

    def next_version(
        self,
        address: Address,
        record_of: Callable[[Address], Record | None],
        planned: Mapping[Address, Change],
    ) -> int:
        """One more than the newest; `planned` is what has been decided before.

        A series of one resource goes by its own revisions, failed ones included.
        """
        members = self._members.get(self._begun_by.get(address, address))
        if members is None:
            record = record_of(address)
            return 1 + (record.newest.number if record and record.newest else 0)
        made = _made(filter(None, map(record_of, members)))
        return 1 + max([0, *made, *_to_be_made(members - {address}, planned)])


def _made(records: Iterable[Record]) -> Iterator[int]:
    for record in records:
        for revision in record.revisions:
            if revision.status is RunStatus.SUCCEEDED:
                yield version_of(revision)


def _to_be_made(members: Iterable[Address], planned: Mapping[Address, Change]) -> Iterator[int]:
    for member in members:
        change = planned.get(member)
        if change and change.action is Action.RUN and change.revision:
            yield int(change.revision.removeprefix("v"))
