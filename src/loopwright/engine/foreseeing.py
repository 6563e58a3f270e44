"""Numbers for runs of later stages: what their inputs are expected to be, from the same plan."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from loopwright.graph import Graph
from loopwright.planning.change import Action
from loopwright.planning.outlook import makers_of
from loopwright.planning.plan import Plan
from loopwright.planning.situation import Situation
from loopwright.providers.base import Estimate, Resolved, Target
from loopwright.resources.address import Address
from loopwright.resources.markers import Edge


def to_estimate_later(situation: Situation, plan: Plan) -> Iterator[Address]:
    """Runs of later stages whose adapter can go by what is planned, in causal order."""
    for change in plan.changes:
        able = situation.capabilities.get(change.address)
        if change.action is not Action.RUN or not change.after or able is None:
            continue
        if able.estimates_planned and not able.estimates_early:
            yield change.address


def planned_makers(plan: Plan, graph: Graph, address: Address) -> set[Address]:
    """What makes a new version for it in this plan, directly."""
    found = set()
    for link in graph.links(address):
        maker = plan.change(link.target) if link.edge is Edge.NEEDS else None
        if maker and maker.action is Action.RUN and (link.is_input or link.is_feeder):
            found.add(link.target)
    return found


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
