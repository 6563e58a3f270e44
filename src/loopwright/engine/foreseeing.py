"""Numbers for runs of later stages: what their inputs are expected to be, from the same plan."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from loopwright.graph import Graph
from loopwright.planning.change import Action
from loopwright.planning.outlook import makers_of
from loopwright.planning.plan import Plan
from loopwright.planning.situation import Situation
from loopwright.providers.base import Estimate, Range, Resolved, Target
from loopwright.resources.address import Address
from loopwright.resources.base import Nature
from loopwright.resources.markers import Edge

_NUMBERS = ("rows", "tokens", "steps", "hours", "cost")
_SLACK = 0.1
"""How far off a sample may come out at least: what is left out and held out is drawn."""


def to_estimate_later(situation: Situation, plan: Plan) -> Iterator[Address]:
    """Runs of later stages that nobody has counted yet, in causal order."""
    for change in plan.changes:
        able = situation.capabilities.get(change.address)
        if change.action is not Action.RUN or not change.after or able is None:
            continue
        if not able.estimates_early:
            yield change.address


def planned_makers(plan: Plan, graph: Graph, address: Address) -> set[Address]:
    """What makes a new version for it in this plan, directly or for a suite that it names."""
    found = set()
    for link in graph.links(address):
        if link.edge is not Edge.NEEDS or not (link.is_input or link.is_feeder):
            continue
        maker = plan.change(link.target)
        if graph.resources[link.target].nature is Nature.CONFIG:
            found |= planned_makers(plan, graph, link.target)
        elif maker and maker.action is Action.RUN:
            found.add(link.target)
    return found


def foreseen(estimate: Estimate) -> Estimate:
    """Numbers that rest on what is not there yet: never exact, and no reason to wait."""
    ranges: dict[str, Any] = {name: _wider(getattr(estimate, name)) for name in _NUMBERS}
    return replace(estimate, waiting="", **ranges)


def counted_later(estimate: Estimate, makers: Iterable[Address]) -> Estimate:
    """No numbers, as nobody can tell yet what these come to; what else is to be said stays."""
    named = sorted(map(str, makers))
    words = f"counted once {' and '.join(named)} {'is' if len(named) == 1 else 'are'} there"
    return Estimate(notes=(words, *estimate.notes))


def _wider(found: Range | None) -> Range | None:
    if found is None:
        return None
    low, high = found.likely * (1 - _SLACK), found.likely * (1 + _SLACK)
    return Range(found.likely, min(found.low, low), max(found.high, high))


def with_planned(target: Target, graph: Graph, planned: Mapping[Address, Estimate]) -> Target:
    """The target, whose inputs know what they are expected to come to, as they are declared."""
    makers = {
        link.path: maker
        for link in graph.links(target.address)
        for maker in (makers_of(graph, link) if link.is_input else ())
        if maker in planned
    }

    def foreseen(path: str, one: Resolved) -> Resolved:
        maker = makers.get(path, one.address)
        if maker not in planned:
            return one
        return replace(one, planned=planned[maker], spec=graph.resources[maker].desired())

    inputs = {path: foreseen(path, one) for path, one in target.inputs.items()}
    return replace(target, inputs=inputs) if planned else target
