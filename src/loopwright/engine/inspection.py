"""Answers about one resource: why it is as it is, and what its run has written. Reads only."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from itertools import islice

from loopwright.engine.ledger import operation_from_json
from loopwright.engine.looking import progress_now
from loopwright.engine.pool import ProviderPool
from loopwright.engine.reconcile import Reconciler
from loopwright.engine.targets import Targets
from loopwright.engine.workspace import Declared, Workspace
from loopwright.errors import LoopwrightError
from loopwright.graph import Graph
from loopwright.manifests.diagnostics import nearest
from loopwright.manifests.project import Project
from loopwright.planning.change import Action, Change, Obstacle
from loopwright.planning.decisions import decision_lines
from loopwright.planning.plan import Plan, Selection
from loopwright.providers.base import Operation, Progress, SupportsLogs
from loopwright.resources.address import Address
from loopwright.state.records import Record

_DECISIONS = 5
"""So many decisions on candidates are told, the newest; `describe` tells all that is kept."""


def why(workspace: Workspace, declared: Declared, address: Address) -> Iterator[str]:
    """Lines: wanted by what, needed by whom, what would be done and why, what blocks it."""
    state = workspace.state()
    record = state.record(address)
    if address not in declared.resources and record is None:
        known = [str(found) for found in (*declared.resources, *state.records())]
        near = nearest(str(address), known)
        raise LoopwrightError(
            f"{address} is neither declared nor recorded",
            hint=f"did you mean {near}?" if near else "`loopwright get` lists what there is",
        )
    if address in declared.resources:
        yield f"{address} is wanted by {declared.origins.get(address, 'the manifests')}"
    else:
        last = record.origin if record else ""
        yield f"{address} is not in the manifests{f' (last in {last})' if last else ''}"
    yield from _neighbours(declared.graph, address)
    plan = Reconciler(workspace, declared).plan(Selection(), state)
    change = plan.change(address)
    if change is None:
        yield "nothing is planned for it: it is retained"
        return
    yield from _planned(plan, change)
    yield from _recorded(record)


def _neighbours(graph: Graph, address: Address) -> Iterator[str]:
    for link in graph.links(address):
        yield f"  it {link.edge.value} {link.target} ({link.path})"
    for user in graph.dependants(address):
        yield f"  {user} needs it"


def _planned(plan: Plan, change: Change) -> Iterator[str]:
    if change.action is Action.NOOP:
        yield f"it is left alone: {change.reason}" if change.reason else "it is as it is to be"
        return
    if change.action.writes:
        when = "now" if change.stage == 1 else f"in stage {change.stage}"
        yield f"an apply would {change.action.value} it {when}, because {change.reason}"
    else:
        yield f"it waits: {change.reason}"
    for other in change.after:
        before = plan.change(other)
        reason = f" ({before.action.value}: {before.reason})" if before else ""
        yield f"  after {other}{reason}"
    if change.action.writes and change.obstacle is not Obstacle.NONE:
        yield f"  blocked: {change.obstacle.value}"
    for step in change.manual_steps:
        yield f"  by hand: {step}"


def _recorded(record: Record | None) -> Iterator[str]:
    if record is None:
        return
    if record.last_error:
        yield f"its last attempt failed: {record.last_error} ({record.failures} in a row)"
    if record.pending and record.pending.promotes:
        yield "it takes over step by step; `loopwright reject` takes it back"
    if record.pending:
        yield f"{record.pending.action} has been under way since {record.pending.since[:19]} UTC"
    if record.hold:
        yield (
            f"rolled back by {record.hold.by} on {record.hold.since[:10]}: {record.hold.reason}; "
            "it stays so until the manifest asks for something else"
        )
    if "value" in record.promoted:
        value, verdict = record.promoted["value"], record.promoted.get("verdict")
        yield f"promoted to {', '.join(map(str, value.values()))}: {verdict}"
    for told in islice(decision_lines(record), _DECISIONS):
        yield f"  {told}"


def progress_of(
    workspace: Workspace, records: Iterable[Record], *, project: Callable[[], Project]
) -> dict[Address, Progress]:
    """How far what is under way is now, as its provider tells, or told the last pass.

    Best effort. A provider is only ever looked at: what brings things on is for passes, which
    know what is declared. `project` is asked for only if something is under way.
    """
    begun = [record for record in records if record.pending]
    if not begun:
        return {}
    state = workspace.state()
    everything = state.records()
    said = Project()
    with suppress(LoopwrightError):
        said = project()
    pool = ProviderPool(workspace, {}, everything, project=said)
    targets = Targets(Graph({}, ()), everything, state.lineage)
    told = {record.address: progress_now(record, pool, targets) for record in begun}
    return {address: progress for address, progress in told.items() if progress}


def logs_of(workspace: Workspace, address: Address) -> Iterable[str] | None:
    """Lines of the newest run; None when its provider keeps none.

    Raises LoopwrightError when nothing is recorded.
    """
    state = workspace.state()
    records = state.records()
    record = records.get(address)
    if record is None:
        raise LoopwrightError(f"{address} is not recorded", hint="see `loopwright get`")
    pool = ProviderPool(workspace, {}, records)
    adapter = pool.adapter(record.provider, address.kind)
    if not isinstance(adapter, SupportsLogs):
        return None
    target = Targets(Graph({}, ()), records, state.lineage).recorded(record)
    if record.pending and record.pending.operation:
        operation = operation_from_json(record.pending.operation)
    else:
        operation = Operation("", external_id=record.external_id, outputs=record.outputs)
    return list(adapter.logs(target, operation))
