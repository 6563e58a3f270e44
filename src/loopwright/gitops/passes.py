"""One pass of the watcher: poll what runs, then plan and apply what is due, inside its bounds.

Says how it ended and raises nothing: a watcher outlives its passes. When the next one is due is
not decided here.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

from loopwright.engine.applied import Applied
from loopwright.engine.events import Listener
from loopwright.engine.reconcile import Reconciler
from loopwright.engine.workspace import Declared, Workspace
from loopwright.errors import ExitCode, LoopwrightError, StateLockedError
from loopwright.gitops.breaker import Breaker
from loopwright.gitops.declaring import Good
from loopwright.gitops.schedule import Why, held_back
from loopwright.planning.plan import Plan, Selection
from loopwright.resources.address import Address
from loopwright.state.lease import current_holder
from loopwright.state.records import Record
from loopwright.state.store import StateSession

log = logging.getLogger(__name__)


class Ending(StrEnum):
    """How a pass ended, as metrics and `status` name it."""

    UNCHANGED = "unchanged"
    CHANGED = "changed"
    FAILED = "failed"
    REFUSED = "refused"
    LOCKED = "locked"
    INTERRUPTED = "interrupted"


@dataclass(frozen=True, slots=True)
class Passed:
    """What one pass came to."""

    why: Why
    at: datetime
    ending: Ending
    exit_code: ExitCode
    message: str = ""
    took: float = 0.0
    """Seconds."""
    plan: Plan | None = None
    """None: it came to no plan, or had no reason to make one."""
    applied: Applied = field(default_factory=Applied)
    held: Collection[Address] = ()
    """Left alone for a while, because it failed or others keep changing it back."""
    moved: bool = False
    """Whether state is another now, so that another look may find more to do."""

    @property
    def is_full(self) -> bool:
        """Whether the world was looked at."""
        return self.plan is not None and bool(self.plan.header.refreshed_at)

    @property
    def is_error(self) -> bool:
        """Whether it came to nothing as a whole."""
        return self.ending in (Ending.FAILED, Ending.LOCKED) and self.plan is None


class Passes:
    """Makes passes, one at a time."""

    def __init__(self, workspace: Workspace, *, prune: bool, listener: Listener) -> None:
        self._workspace, self._prune, self._listener = workspace, prune, listener
        self._stop = threading.Event()

    def stop(self) -> None:
        """Let the pass that is on start nothing new."""
        self._stop.set()

    def run(self, good: Good, why: Why, fought: Collection[Address] = ()) -> Passed:
        """One pass. `fought` are resources that others keep changing back: not now again."""
        clock = self._workspace.clock
        began = Passed(why, clock.now(), Ending.FAILED, ExitCode.ERROR)
        try:
            passed = self._reconcile(good, began, fought)
        except StateLockedError as error:
            who = error.message.partition(";")[0]  # what follows changes with each heartbeat
            passed = replace(began, ending=Ending.LOCKED, message=who)
        except LoopwrightError as error:
            hint = f"; {error.hint}" if error.hint else ""
            passed = replace(began, message=f"{error.message}{hint}")
        except Exception as error:  # a bug in a provider must not end the watch
            log.exception("a pass ended in an internal error")
            passed = replace(began, message=f"internal error: {type(error).__name__}")
        return replace(passed, took=(clock.now() - began.at).total_seconds())

    def _reconcile(self, good: Good, began: Passed, fought: Collection[Address]) -> Passed:
        state = self._workspace.state()
        records = state.records()
        if began.why is Why.INTERVAL and not _any_pending(records):
            # Mostly nothing changed: a look needs no lock, so that people are not kept out.
            held = self._held(good, records, fought)
            plan = self._reconciler(good.declared).plan(self._selection(began.why, held), state)
            if not _writes(plan):
                code = plan.exit_code(detailed=True)
                return replace(began, ending=Ending.UNCHANGED, exit_code=code, plan=plan, held=held)
        with self._workspace.session(holder=current_holder(), command="watch") as session:
            return self._under_lease(session, good, began, fought)

    def _under_lease(
        self, session: StateSession, good: Good, began: Passed, fought: Collection[Address]
    ) -> Passed:
        breaker = Breaker.of(good.declared, session, self._workspace.clock.now())
        declared = breaker.bounded(good.declared)
        before = session.serial
        if _any_pending(session.records()):
            self._poll(session, declared)
            if began.why is Why.RUNNING and session.serial == before:
                return replace(began, ending=Ending.UNCHANGED, exit_code=ExitCode.WAITING)
        held = self._held(good, session.records(), fought)
        refusals: list[str] = []

        def approve(plan: Plan) -> bool:
            refusal = breaker.refusal(plan)
            if refusal:
                refusals.append(refusal)
            return not refusal

        selection = self._selection(began.why, held)
        outcome = self._reconciler(declared).apply(session, selection, approve=approve, waits=False)
        told = replace(began, plan=outcome.plan, applied=outcome.applied, held=held)
        if refusals:
            code = ExitCode.REFUSED
            return replace(told, ending=Ending.REFUSED, exit_code=code, message=refusals[0])
        moved = session.serial != before
        ending = _ending(outcome.applied, moved=moved)
        return replace(told, ending=ending, exit_code=outcome.exit_code, moved=moved)

    def _poll(self, session: StateSession, declared: Declared) -> None:
        """Bring running work on, and start nothing: what fails here is to wait before a retry.

        Going on with a plan that starts nothing makes the engine tell how far the work is.
        """
        running = tuple(str(at) for at, record in session.records().items() if record.pending)
        selection = Selection(prune=False, refresh=False, excludes=running)
        self._reconciler(declared).apply(
            session, selection, approve=lambda plan: not _writes(plan), waits=False
        )

    def _reconciler(self, declared: Declared) -> Reconciler:
        return Reconciler(
            self._workspace, declared, listener=self._listener, stop=_OneWay(self._stop)
        )

    def _selection(self, why: Why, held: Collection[Address]) -> Selection:
        return Selection(
            prune=self._prune,
            refresh=not why.is_light,
            excludes=tuple(sorted(str(address) for address in held)),
        )

    def _held(
        self, good: Good, records: Mapping[Address, Record], fought: Collection[Address]
    ) -> set[Address]:
        now = self._workspace.clock.now()
        waiting = held_back(good, records)
        return {address for address, until in waiting.items() if until > now} | set(fought)


class _OneWay(threading.Event):
    """A stop flag for one reconcile: it hears ours, and what it sets of itself stays its own.

    The engine raises it when an error makes going on pointless; that must not end the watch.
    """

    def __init__(self, ours: threading.Event) -> None:
        super().__init__()
        self._ours = ours

    def is_set(self) -> bool:
        return self._ours.is_set() or super().is_set()


def _any_pending(records: Mapping[Address, Record]) -> bool:
    return any(record.pending for record in records.values())


def _writes(plan: Plan) -> bool:
    return any(change.action.writes for change in plan.changes)


def _ending(applied: Applied, *, moved: bool) -> Ending:
    if applied.interrupted:
        return Ending.INTERRUPTED
    if applied.failed:
        return Ending.FAILED
    return Ending.CHANGED if moved else Ending.UNCHANGED
