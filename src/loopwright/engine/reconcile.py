"""One level-based pass: resolve what was begun, refresh, plan, apply. Passes make `--wait`.

What only an apply needs is imported there, so that `plan` starts faster.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from loopwright.clock import to_text
from loopwright.engine.applied import Applied
from loopwright.engine.events import Event, EventType, Listener, silent
from loopwright.engine.pool import ProviderPool
from loopwright.engine.refresh import Refresher
from loopwright.engine.workspace import Declared, Workspace
from loopwright.errors import ExitCode, StalePlanError
from loopwright.planning.change import Action
from loopwright.planning.plan import Plan, Selection
from loopwright.planning.planner import Planner
from loopwright.resources.address import Address
from loopwright.state.store import StateReader, StateSession

if TYPE_CHECKING:
    from loopwright.engine.ledger import Ledger
    from loopwright.engine.operations import Operator
    from loopwright.engine.saved import SavedPlan
    from loopwright.engine.spending import Spending

_MOST_PASSES = 100


@dataclass
class Outcome:
    """What a reconcile ended with."""

    plan: Plan
    applied: Applied = field(default_factory=Applied)
    approved: bool = True
    passes: int = 0

    @property
    def exit_code(self) -> ExitCode:
        return self.applied.exit_code


class Reconciler:
    """Brings the world to what is declared, one pass after another."""

    def __init__(
        self,
        workspace: Workspace,
        declared: Declared,
        *,
        listener: Listener = silent,
        stop: threading.Event | None = None,
        parallelism: int | None = None,
    ) -> None:
        self.workspace, self.declared = workspace, declared
        self.listener, self.stop = listener, stop or threading.Event()
        self.parallelism = parallelism or declared.project.parallelism

    def plan(self, selection: Selection, reader: StateReader | None = None) -> Plan:
        """The plan of now. Writes nothing, anywhere."""
        with self._refresher(reader or self.workspace.state()) as (refresher, state):
            return refresher.plan(state, selection)[1]

    def apply(
        self,
        session: StateSession,
        selection: Selection,
        *,
        approve: Callable[[Plan], bool],
        waits: bool,
        saved: SavedPlan | None = None,
        resumes: bool = False,
    ) -> Outcome:
        """Passes until nothing can be started (with `waits`: or is running).

        `approve` sees the first plan; later passes go on by themselves with what it listed.
        """
        from loopwright.engine.saved import check_fresh, plan_id
        from loopwright.engine.spending import Spending

        with self._refresher(session) as (refresher, _):
            if saved is not None:
                self._refuse_stale(refresher, session, saved, resumes=resumes)
            left = self._resume(session, refresher, run=saved.id if saved else "")
            planner, plan = refresher.plan(session, selection, applies=True)
            if saved is not None:
                plan = replace(
                    check_fresh(saved, plan, session, resumes=resumes or bool(left)),
                    envelope=saved.plan.envelope,
                )
            outcome = Outcome(plan, approved=plan.is_empty or approve(plan))
            if not outcome.approved:
                return outcome
            listed = {change.address for change in plan.pending}
            run = saved.id if saved else plan_id(plan)
            spending = Spending(plan.envelope)  # one for all passes: the approval is one
            held: dict[Address, str] = {}
            while True:
                outcome.passes += 1
                applied = self._pass(
                    session,
                    refresher,
                    planner,
                    plan,
                    run=run,
                    waits=waits,
                    spending=spending,
                    held=held,
                )
                outcome.applied = outcome.applied.then(applied)
                if not waits or outcome.passes >= _MOST_PASSES or not _goes_on(applied):
                    return outcome
                again = replace(selection, replaces=())
                planner, plan = refresher.plan(session, again, applies=True)
                listed |= {change.address for change in plan.pending if change.after}
                held = _ran_once(plan, outcome.applied)
                plan = _only(plan, listed, outcome.applied)
                if plan.is_empty:
                    self._note_refusals(self._operator(session, refresher, run).ledger, plan)
                    outcome.applied = outcome.applied.then(Applied())
                    return outcome

    @contextmanager
    def _refresher(self, reader: StateReader) -> Iterator[tuple[Refresher, StateReader]]:
        providers = {
            address: record
            for address in reader.addresses()
            if address.kind == "Provider" and (record := reader.record(address))
        }
        pool = ProviderPool(
            self.workspace,
            self.declared.resources,
            providers,
            project=self.declared.project,
            variables=self.declared.variables,
        )
        try:
            yield (
                Refresher(
                    self.declared,
                    pool,
                    self.workspace.clock,
                    self.workspace.environment,
                    self.parallelism,
                ),
                reader,
            )
        finally:
            pool.close()

    def _refuse_stale(
        self, refresher: Refresher, session: StateSession, saved: SavedPlan, *, resumes: bool
    ) -> None:
        """Before the first write: an approval of something else must not even resume work."""
        from loopwright.engine.saved import check_fresh

        if saved.plan.header.manifests != self.declared.digest:
            raise StalePlanError(
                "the saved plan is stale: the manifests changed since", hint="plan again"
            )
        _, plan = refresher.plan(session, saved.plan.selection, applies=True)
        check_fresh(saved, plan, session, resumes=resumes)

    def _operator(self, session: StateSession, refresher: Refresher, run: str) -> Operator:
        from loopwright.engine.ledger import Ledger
        from loopwright.engine.operations import Operator

        return Operator(
            Ledger(session, self.workspace.clock, run),
            refresher.pool,
            self.declared.graph,
            origins=dict(self.declared.origins),
            listener=self.listener,
        )

    def _resume(self, session: StateSession, refresher: Refresher, *, run: str) -> list[Address]:
        """Resolve intents without a verdict, so that the plan starts from what is true."""
        from loopwright.engine.verdicts import Result

        operator = self._operator(session, refresher, run)
        resumed = []
        for address, record in sorted(session.records().items()):
            if record.pending and not self.stop.is_set():
                outcome = operator.resume(record)
                resumed.append(address)
                if outcome.result is Result.DONE:
                    self._tell(EventType.RESUMED, run, str(address), outcome.message)
                elif outcome.result is Result.REFUSED:
                    self._tell(EventType.REFUSED, run, str(address), outcome.message)
        return resumed

    def _pass(
        self,
        session: StateSession,
        refresher: Refresher,
        planner: Planner,
        plan: Plan,
        *,
        run: str,
        waits: bool,
        spending: Spending,
        held: Mapping[Address, str],
    ) -> Applied:
        from loopwright.engine.apply import Applier

        operator = self._operator(session, refresher, run)
        applier = Applier(
            plan,
            planner,
            operator,
            estimate=refresher.estimate,
            listener=self.listener,
            parallelism=self.parallelism,
            stop=self.stop,
            spending=spending,
            held=held,
        )
        leaving = {
            change.address
            for change in plan.changes
            if change.action in (Action.DELETE, Action.FORGET)
        }
        applier.adopt_running(
            record
            for record in operator.ledger.records.values()
            if record.pending
            and (record.address not in leaving or record.pending.action == Action.DELETE.value)
        )
        self._note_refusals(operator.ledger, plan)
        writes = any(change.action.writes for change in plan.changes)
        if writes:
            operator.ledger.note("started", data={"changes": len(plan.pending)})
        self._tell(EventType.PASS_STARTED, run)
        applied = applier.run(waits=waits)
        if writes:
            operator.ledger.note(
                "finished", data={"done": len(applied.done), "failed": len(applied.failed)}
            )
        self._tell(EventType.PASS_FINISHED, run)
        if applied.bugs:
            raise applied.bugs[0]
        return applied

    def _note_refusals(self, ledger: Ledger, plan: Plan) -> None:
        """Write down, once, what a gate refused and by which numbers."""
        from loopwright.engine.promoting import refused_now

        for change in plan.changes:
            record = ledger.records.get(change.address)
            judged = change.evidence and change.action in (Action.NOOP, Action.UPDATE)
            if not judged or record is None:
                continue
            after = refused_now(record, change, now=ledger.now())
            if after is not None:
                told = {"revision": change.evidence.get("revision"), "reason": change.reason}
                data = {**told, "evidence": dict(change.evidence)}
                ledger.write("refused", after, address=change.address, data=data)

    def _tell(self, event_type: EventType, run: str, address: str = "", message: str = "") -> None:
        at = to_text(self.workspace.clock.now())
        self.listener(Event(event_type, at, run, address, message=message))


def _goes_on(applied: Applied) -> bool:
    return bool(applied.done or applied.rejected) and not applied.interrupted


def _ran_once(plan: Plan, applied: Applied) -> dict[Address, str]:
    """Runs that would come again, since what decides them changed meanwhile; why they do not."""
    ran = {change.address for change in applied.done if change.action is Action.RUN}
    return {
        change.address: f"it ran once, and would run again ({change.reason}): apply again"
        for change in plan.changes
        if change.action is Action.RUN and change.address in ran
    }


def _only(plan: Plan, listed: set[Address], applied: Applied) -> Plan:
    """What was shown in the first plan, has not failed since, and has not had its one run."""
    ran = _ran_once(plan, applied)
    return replace(
        plan,
        changes=tuple(
            change
            for change in plan.changes
            if not change.action.is_pending
            or (
                change.address in listed
                and change.address not in applied.failed
                and change.address not in ran
            )
        ),
    )
