"""Ends a takeover where it happens: an apply that waits for it holds the state."""

from __future__ import annotations

from collections.abc import Callable

from loopwright.engine.ledger import operation_from_json
from loopwright.engine.pool import ProviderPool
from loopwright.engine.targets import Targets
from loopwright.engine.workspace import Workspace
from loopwright.graph import Graph
from loopwright.manifests.project import Project
from loopwright.providers.base import SupportsTakeBack
from loopwright.resources.address import Address


def take_back(
    workspace: Workspace,
    address: Address,
    *,
    by: str,
    reason: str,
    project: Callable[[], Project],
) -> bool:
    """Whether a takeover of this resource was ended now, or had gone back by itself.

    Nothing is written into the state: the pass that waits for it takes note, or the next one.
    Raises ProviderError when its provider cannot be asked, or says who may not.
    """
    state = workspace.state()
    record = state.record(address)
    pending = record.pending if record else None
    if record is None or pending is None or not (pending.promotes and pending.sent):
        return False
    everything = state.records()
    pool = ProviderPool(workspace, {}, everything, project=project())
    adapter = pool.adapter(record.provider, address.kind)
    if not isinstance(adapter, SupportsTakeBack):
        return False
    target = Targets(Graph({}, ()), everything, state.lineage).recorded(record)
    why = f"ended by {by}: {reason}" if reason else f"ended by {by}"
    return bool(adapter.take_back(target, operation_from_json(pending.operation), why).refused)
