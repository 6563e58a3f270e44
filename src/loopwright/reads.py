"""What a resource reads may itself be drawn from runs, and those decide too: the links to them.

Each is a need where that makes no circle, so that it comes first; where it would, it is read as
it stands. No kinds here, and no records.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import groupby
from operator import attrgetter
from typing import TYPE_CHECKING

from loopwright.resources.address import Address
from loopwright.resources.base import Resource
from loopwright.resources.markers import Edge

if TYPE_CHECKING:
    from loopwright.graph import Link


def links_through(resources: Mapping[Address, Resource], links: Iterable[Link]) -> Iterator[Link]:
    """From whatever reads a resource to all that decides it, in an order of addresses and paths.

    What is drawn from the reader's own series is left out. `links` must be free of circles.
    """
    by_source: dict[Address, list[Link]] = defaultdict(list)
    needs: dict[Address, set[Address]] = defaultdict(set)
    for link in links:
        by_source[link.source].append(link)
        if link.edge is Edge.NEEDS:
            needs[link.source].add(link.target)
    for source in sorted(by_source):
        for read in by_source[source]:
            if read.edge is not Edge.READS or not read.is_input:
                continue
            drawn = [
                one
                for one in by_source[read.target]
                if (one.is_input or one.is_feeder) and resources[one.target].nature.is_run
            ]
            for path, group in groupby(sorted(drawn, key=attrgetter("path")), attrgetter("path")):
                found = [one for one in group if one.target != source]
                if any(_series(resources, one.target) == _series(resources, source)
                       for one in found if one.is_input) or not found:  # fmt: skip
                    continue
                circular = any(_reaches(needs, one.target, source) for one in found)
                edge = Edge.READS if circular else Edge.NEEDS
                for one in found:
                    if not circular:
                        needs[source].add(one.target)
                    yield replace(
                        one,
                        source=source,
                        edge=edge,
                        path=f"{read.path}.{path}",
                        is_through=True,
                    )


def _series(resources: Mapping[Address, Resource], address: Address) -> Address:
    """Whatever its runs are counted with."""
    return resources[address].feeds() or address


def _reaches(needs: Mapping[Address, set[Address]], start: Address, goal: Address) -> bool:
    seen, todo = {start}, [start]
    while todo:
        address = todo.pop()
        if address == goal:
            return True
        fresh = needs.get(address, set()) - seen
        seen |= fresh
        todo.extend(fresh)
    return False
