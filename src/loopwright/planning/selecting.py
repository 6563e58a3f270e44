"""Which addresses the selectors of a plan leave."""

from __future__ import annotations

from collections.abc import Iterable

from loopwright.errors import PlanError
from loopwright.manifests.diagnostics import nearest
from loopwright.planning.situation import Situation
from loopwright.resources.address import Address


def chosen(situation: Situation) -> set[Address]:
    """The addresses the selectors leave; targets bring what they need along.

    Raises PlanError for an address that is neither declared nor recorded, or for one that is
    to be run again and never runs.
    """
    selection = situation.selection
    targets = _known(situation, selection.targets)
    excludes = _known(situation, selection.excludes)
    for address in _known(situation, selection.replaces):
        _check_is_run(situation, address)
    chosen = situation.graph.closure(targets) if selection.targets else set(situation.graph.order)
    return chosen - situation.graph.closure(excludes, downstream=True)


def _known(situation: Situation, texts: Iterable[str]) -> list[Address]:
    found = []
    for text in texts:
        try:
            address = Address.parse(text)
        except ValueError as error:
            raise PlanError(str(error), hint="e.g. --target Dataset/router-sft") from error
        if address not in situation.graph.resources and address not in situation.records:
            known = map(str, (*situation.graph.order, *situation.records))
            near = nearest(text, known)
            hint = f"did you mean {near}?" if near else "`loopwright get` lists what there is"
            raise PlanError(
                f"{address} is neither declared nor in the state",
                hint=hint,
            )
        found.append(address)
    return found


def _check_is_run(situation: Situation, address: Address) -> None:
    resource = situation.graph.resources.get(address)
    if resource is not None and not resource.nature.is_run:
        raise PlanError(
            f"--replace runs something again, and {address} is not run",
            hint="edit it, or remove it from the manifests and declare it anew",
        )
