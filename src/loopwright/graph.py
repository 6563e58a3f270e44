"""The graph of addresses: `needs` orders an apply and is acyclic, `reads` may close the loop."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from graphlib import CycleError, TopologicalSorter
from itertools import chain, groupby, pairwise
from operator import attrgetter

from loopwright.reads import links_through
from loopwright.resources.address import Address, Pointer
from loopwright.resources.base import Resource
from loopwright.resources.markers import Edge
from loopwright.resources.references import Found


@dataclass(frozen=True, slots=True)
class Link:
    """One edge: `source` refers to `target` at a field path."""

    source: Address
    target: Address
    edge: Edge
    path: str
    pointer: Pointer
    is_input: bool = False
    is_feeder: bool = False
    """Not written at the path, but adds to what is."""
    is_through: bool = False
    """Not referred to by itself, but by what it reads."""
    compares: str = ""
    """Path of the input that what is found here is only compared with."""


@dataclass(frozen=True, slots=True)
class Problem:
    """A reference that cannot stand, at a field of a resource."""

    address: Address
    path: tuple[str | int, ...]
    message: str
    allowed: tuple[str, ...] = ()
    target: Address | None = None
    """Of a reference: what it names."""


class Graph:
    """Resources and their links, in a causal order that does not depend on manifest order."""

    def __init__(self, resources: Mapping[Address, Resource], links: Iterable[Link]) -> None:
        self.resources = resources
        self._out: dict[Address, list[Link]] = {address: [] for address in resources}
        self._in: dict[Address, list[Address]] = {address: [] for address in resources}
        for link in links:
            self._out[link.source].append(link)
            if link.edge is Edge.NEEDS:
                self._in[link.target].append(link.source)
        self.order: tuple[Address, ...] = self._sorted()

    def links(self, address: Address) -> tuple[Link, ...]:
        """What an address refers to, needs and reads, in field order."""
        return tuple(self._out.get(address, ()))

    def needs(self, address: Address) -> tuple[Address, ...]:
        """What must be in place before it, without repeats, sorted."""
        found = {link.target for link in self._out.get(address, ()) if link.edge is Edge.NEEDS}
        return tuple(sorted(found))

    def dependants(self, address: Address) -> tuple[Address, ...]:
        """What needs it directly, sorted."""
        return tuple(sorted(set(self._in.get(address, ()))))

    def attached(self, address: Address) -> tuple[Address, ...]:
        """What comes with it: the resources whose kind is handed to its creation."""
        return self._attachments.get(address, ())

    @cached_property
    def _attachments(self) -> Mapping[Address, tuple[Address, ...]]:
        found: dict[Address, tuple[Address, ...]] = {}
        for address in self.order:
            field = self.resources[address].attaches_to
            for link in self._out[address] if field else ():
                if link.path == field:
                    found[link.target] = (*found.get(link.target, ()), address)
        return found

    def closure(self, addresses: Iterable[Address], *, downstream: bool = False) -> set[Address]:
        """The addresses and all they need, or all that needs them."""
        step = self.dependants if downstream else self.needs
        found: set[Address] = set()
        todo = [address for address in addresses if address in self._out]
        while todo:
            address = todo.pop()
            if address not in found:
                found.add(address)
                todo.extend(step(address))
        return found

    def _sorted(self) -> tuple[Address, ...]:
        sorter = TopologicalSorter({address: self.needs(address) for address in self._out})
        sorter.prepare()
        order: list[Address] = []
        while sorter.is_active():
            ready = sorted(sorter.get_ready())
            order.extend(ready)
            sorter.done(*ready)
        return tuple(order)


def build(
    resources: Mapping[Address, Resource], *, recorded: Collection[Address] = ()
) -> tuple[Graph, list[Problem]]:
    """The graph, and every reference that does not resolve and every cycle, with its path.

    `recorded` is what state knows beside the resources; some references may point there. What
    does not resolve, and one link of each cycle, is left out of the graph, so that all problems
    of a run can be told together.
    """
    problems: list[Problem] = []
    links = list(_links(resources, recorded, problems))
    while True:
        try:
            Graph(resources, links)
        except CycleError as error:
            cycle = _cycle(error.args[1], links)
            problems.append(_cycle_problem(cycle))
            links = [link for link in links if link is not cycle[0]]
        else:
            return Graph(resources, [*links, *links_through(resources, links)]), problems


def _links(
    resources: Mapping[Address, Resource],
    recorded: Collection[Address],
    problems: list[Problem],
) -> Iterator[Link]:
    feeders = _feeders(resources)
    makers = _makers(resources)
    by_kind = {kind: tuple(of) for kind, of in groupby(sorted(resources), key=attrgetter("kind"))}
    for address in sorted(resources):
        resource = resources[address]
        for found in chain(resource.references(), resource.implied(by_kind)):
            target, ref = makers.get(found.pointer.address), found.ref
            if target is None:
                known = recorded if ref.recorded else ()
                if not ref.elsewhere and found.pointer.address not in known:
                    problems.append(_unresolved(address, found, {*makers, *known}))
                continue
            path = ".".join(str(part) for part in found.path[1:])
            yield Link(
                address,
                target,
                ref.edge,
                path,
                found.pointer,
                ref.is_input,
                compares=ref.compares,
            )
            if ref.feeders:
                for feeder in feeders.get(target, ()):
                    if feeder != address:
                        yield Link(
                            address, feeder, Edge.NEEDS, path, Pointer(feeder), is_feeder=True
                        )


def _makers(resources: Mapping[Address, Resource]) -> dict[Address, Address]:
    """What may be referred to, and the resource that makes it: mostly itself."""
    found: dict[Address, Address] = {}
    for address in sorted(resources):
        for provided in resources[address].provides():
            found.setdefault(provided, address)
    return found | {address: address for address in resources}


def _feeders(resources: Mapping[Address, Resource]) -> dict[Address, list[Address]]:
    found: dict[Address, list[Address]] = {}
    for address in sorted(resources):
        fed = resources[address].feeds()
        if fed is not None:
            found.setdefault(fed, []).append(address)
    return found


def _unresolved(address: Address, found: Found, known: Iterable[Address]) -> Problem:
    wanted, ref = found.pointer.address, found.ref
    allowed = tuple(sorted(str(other) for other in known if other.kind in ref.kinds))
    missing = "neither declared nor in the state" if ref.recorded else "not declared"
    return Problem(address, found.path, f"{wanted} is {missing}", allowed, wanted)


def _cycle(nodes: list[Address], links: list[Link]) -> list[Link]:
    """The links along a cycle, each followed by the link of its target, least source first."""
    by_pair = {(link.source, link.target): link for link in links if link.edge is Edge.NEEDS}
    # graphlib lists each node before the one that needs it.
    found = [by_pair[later, earlier] for earlier, later in pairwise(nodes)][::-1]
    first = min(range(len(found)), key=lambda index: found[index].source)
    return found[first:] + found[:first]


def _cycle_problem(cycle: list[Link]) -> Problem:
    first = cycle[0]
    path = " -> ".join(str(link.source) for link in (*cycle, first))
    parts = (int(part) if part.isdigit() else part for part in first.path.split("."))
    return Problem(first.source, ("spec", *parts), f"references go in a circle: {path}")
