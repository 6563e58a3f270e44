"""Executes a plan: ready changes in parallel, later ones as their inputs come to be.

One coordinator thread decides; worker threads make the provider calls. Nothing here blocks on
a running remote operation: it is polled when it is due, or left for the next pass.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace

from loopwright.engine.applied import Applied
from loopwright.engine.events import Event, EventType, Listener
from loopwright.engine.operations import Facts, Operator
from loopwright.engine.spending import Spending
from loopwright.engine.verdicts import Outcome, Result
from loopwright.errors import LoopwrightError
from loopwright.planning.change import Action, Change, Obstacle
from loopwright.planning.plan import Plan
from loopwright.planning.planner import Planner
from loopwright.providers.base import Estimate
from loopwright.resources.address import Address
from loopwright.state.records import Pending, Record

_TICK = 0.25
"""Seconds between looks at the stop flag while calls are in flight."""


@dataclass(frozen=True)
class _Poll:
    record: Record
    due: float


class Applier:
    """One execution. `estimate` asks a provider for numbers on a run that starts late."""

    def __init__(
        self,
        plan: Plan,
        planner: Planner,
        operator: Operator,
        *,
        estimate: Callable[[Planner, Address], Estimate | None],
        listener: Listener,
        parallelism: int,
        stop: threading.Event,
        spending: Spending,
        held: Mapping[Address, str] | None = None,
    ) -> None:
        """`held`: what is left out of the plan though others need it, and why."""
        self._held = held or {}
        self.plan, self.planner, self.operator = plan, planner, operator
        self.estimate, self.listener, self.stop = estimate, listener, stop
        self.parallelism = parallelism
        self.ledger = operator.ledger
        self.spending = spending
        self.applied = Applied()
        self._todo = {
            change.address: change
            for change in plan.changes
            if change.action.writes and change.obstacle is Obstacle.NONE
        }
        self._blockers = {
            address: {other for other in change.after if other in self._todo}
            for address, change in self._todo.items()
        }
        self._users: dict[Address, list[Address]] = {}
        for address, blockers in self._blockers.items():
            for other in blockers:
                self._users.setdefault(other, []).append(address)
        self._ready: deque[Address] = deque()
        self._flying: dict[Future[Outcome], Address] = {}
        self._polls: dict[Address, _Poll] = {}
        self._begun: dict[Address, Change] = {}
        self._slots: dict[Future[Outcome], tuple[str, str]] = {}

    def run(self, *, waits: bool) -> Applied:
        """Until nothing can be started; with `waits` also until nothing is running."""
        for change in self.plan.changes:
            self._note_obstacle(change)
        self._queue()
        with ThreadPoolExecutor(max_workers=self.parallelism) as workers:
            try:
                while self._step(workers, waits=waits):
                    pass
            finally:
                for future in self._flying:
                    future.cancel()
        self._leave()
        return self.applied

    def _queue(self) -> None:
        """What waits for nothing is ready; what waits for what will not be done says so."""
        for address, change in self._todo.items():
            unmet = [self._named(other) for other in change.after if other not in self._todo]
            if unmet and address not in self.applied.waiting:
                self.applied.waiting[address] = f"waits for {', '.join(unmet)}"
                self._skip_users(address, f"{address} waits")
        for address, blockers in self._blockers.items():
            if not blockers and address not in self.applied.waiting:
                self._ready.append(address)

    def _named(self, address: Address) -> str:
        """What does not come now, and why, as far as nothing else tells."""
        return f"{address}: {self._held[address]}" if address in self._held else str(address)

    def adopt_running(self, records: Iterable[Record]) -> None:
        """Take over operations that an earlier pass left running."""
        for record in records:
            self._polls[record.address] = _Poll(record, self._now())
            if record.pending:
                self._begun[record.address] = _begun(record.address, record.pending)

    def _step(self, workers: ThreadPoolExecutor, *, waits: bool) -> bool:
        """One round; False when there is nothing more to do."""
        if self.stop.is_set():
            self.applied.interrupted = True
            self._ready.clear()
            waits = False
        self._start(workers)
        self._start_polls(workers)
        if self._flying:
            finished, _ = wait(self._flying, timeout=_TICK, return_when=FIRST_COMPLETED)
            for future in finished:
                self._collect(future)
            return True
        if self._ready:
            return True
        if waits and self._polls:
            pause = min(poll.due for poll in self._polls.values()) - self._now()
            self.ledger.clock.wait(self.stop, max(pause, 0.0))
            return True
        return False

    def _start(self, workers: ThreadPoolExecutor) -> None:
        """Start what is ready, as far as workers and per-kind limits allow."""
        for _ in range(len(self._ready)):
            if len(self._flying) >= self.parallelism or self.stop.is_set():
                return
            address = self._ready.popleft()
            if not self._has_room(self._todo[address]):
                self._ready.append(address)
                continue
            change = self._late(self._todo[address])
            if change is None:
                continue
            self._tell(EventType.STARTED, change)
            job = workers.submit(self.operator.execute, change, self._facts(change))
            self._todo[address] = change
            self._flying[job] = address
            self._slots[job] = (change.provider, address.kind)

    def _facts(self, change: Change) -> Facts:
        if change.address not in self.planner.graph.resources:
            return Facts()
        return Facts(
            self.planner.prospects.given(change.address, change),
            self.planner.prospects.inputs(change.address),
        )

    def _late(self, change: Change) -> Change | None:
        """A change of a later stage, decided again; None when there is nothing to start."""
        if not change.after or change.address not in self.planner.graph.resources:
            return change if self._may_spend(change) else None
        now = self.planner.redecide(change.address)
        if now.action is Action.RUN and now.obstacle is Obstacle.NONE:
            estimate = self.estimate(self.planner, change.address)
            now = self.planner.redecide(change.address, estimate) if estimate else now
        if now.action is Action.NOOP:
            self._settled(change.address, self.ledger.records.get(change.address))
            return None
        if now.action is Action.RUN and not now.fingerprint:
            now = replace(now, obstacle=Obstacle.UPSTREAM)
        if not now.action.writes or now.obstacle is not Obstacle.NONE:
            self._note_obstacle(now)
            self._skip_users(change.address, f"{change.address} waits")
            return None
        if not _covered(change, now):
            message = f"was planned as {change.action.value}, is now {now.action.value}"
            self.applied.decisions[change.address] = message
            self._tell(EventType.DECISION, now, message)
            return None
        return replace(now, after=change.after) if self._may_spend(now) else None

    def _may_spend(self, change: Change) -> bool:
        problem = self.spending.take(change)
        if problem:
            self.applied.decisions[change.address] = problem
            self._tell(EventType.DECISION, change, problem)
        return not problem

    def _has_room(self, change: Change) -> bool:
        """Whether the provider takes one more call of this kind."""
        capabilities = self.planner.situation.capabilities.get(change.address)
        limit = capabilities.max_parallel if capabilities else None
        slot = (change.provider, change.address.kind)
        return limit is None or list(self._slots.values()).count(slot) < limit

    def _start_polls(self, workers: ThreadPoolExecutor) -> None:
        """Look at running operations that are due; without waiting each is looked at once."""
        now = self._now()
        for address, poll in list(self._polls.items()):
            if poll.due > now or len(self._flying) >= self.parallelism:
                continue
            job = workers.submit(self.operator.resume, poll.record)
            del self._polls[address]
            self._flying[job] = address

    def _collect(self, future: Future[Outcome]) -> None:
        address = self._flying.pop(future)
        change = self._todo.get(address) or self._begun.get(address)
        change = change or Change(address, Action.WAIT)
        self._slots.pop(future, None)
        try:
            outcome = future.result()
        except LoopwrightError as error:
            outcome = Outcome(Result.FAILED, error.message)
            if error.exit_code != 1:
                self.applied.refused[address] = error.message
            self.applied.bugs.append(error)
            self.stop.set()
        except Exception as error:  # a bug: told at the end, after its siblings
            self.applied.bugs.append(error)
            message = self.operator.caller.hide(f"internal error: {error!r}")
            outcome = Outcome(Result.FAILED, message)
        self._record(change, outcome)

    def _record(self, change: Change, outcome: Outcome) -> None:
        address = change.address
        if outcome.result is Result.RUNNING and outcome.record is not None:
            self._running(change, outcome, outcome.record)
            return
        self.applied.running.pop(address, None)
        self.applied.manual.pop(address, None)
        if outcome.result is Result.DONE:
            self.applied.done.append(change)
            self._tell(EventType.SUCCEEDED, change, outcome.message)
            if change.action is Action.REPLACE and not (outcome.record or change).external_id:
                self._skip_users(address, f"{address} is made again")  # by the next pass
            else:
                self._settled(address, outcome.record)
        elif outcome.result is Result.WAITING:
            self.applied.waiting[address] = outcome.message
            self._tell(EventType.WAITING, change, outcome.message)
            self._skip_users(address, f"{address}: {outcome.message}")
        elif outcome.result is Result.REFUSED:
            self.applied.rejected[address] = outcome.message
            self._tell(EventType.REFUSED, change, outcome.message)
            self._settled(address, outcome.record)
        elif outcome.result is Result.DECISION:
            self.applied.decisions[address] = outcome.message
            self._tell(EventType.DECISION, change, outcome.message)
        else:
            self.applied.failed[address] = outcome.message
            self._tell(EventType.FAILED, change, outcome.message)
            self._skip_users(address, f"{address} failed")

    def _running(self, change: Change, outcome: Outcome, record: Record) -> None:
        address = change.address
        if address not in self.applied.running:
            self._tell(EventType.RUNNING, change, outcome.message)
        self.applied.running[address] = outcome.message
        if outcome.manual_step:
            self.applied.manual[address] = outcome.manual_step
        if outcome.progress is not None:
            self.listener(
                Event(
                    EventType.PROGRESS,
                    self.ledger.now(),
                    self.ledger.run,
                    str(address),
                    change.action.value,
                    progress=outcome.progress,
                )
            )
        self._polls[address] = _Poll(record, self._now() + outcome.poll_after)

    def _settled(self, address: Address, record: Record | None) -> None:
        """Something is in place: what waited for it alone may start."""
        if record is not None:
            self.planner.settle(record)
        for user in self._users.pop(address, ()):
            self._blockers[user].discard(address)
            if not self._blockers[user] and user not in self.applied.waiting:
                self._ready.append(user)

    def _skip_users(self, address: Address, reason: str) -> None:
        """What needs it is not started, and says why; the rest goes on."""
        todo = list(self._users.pop(address, ()))
        while todo:
            user = todo.pop()
            if user not in self.applied.waiting:
                self.applied.waiting[user] = f"waits: {reason}"
                todo.extend(self._users.pop(user, ()))

    def _note_obstacle(self, change: Change) -> None:
        """Sort what is not started by why it is not."""
        if change.obstacle is Obstacle.NONE:
            return
        where = {
            Obstacle.BUDGET: self.applied.refused,
            Obstacle.PROTECTED: self.applied.refused,
            Obstacle.DECISION: self.applied.decisions,
            Obstacle.FAILED: self.applied.failed,
        }.get(change.obstacle, self.applied.waiting)
        where[change.address] = change.reason
        self._tell(EventType.WAITING, change, change.reason)

    def _leave(self) -> None:
        """What never became ready waits for what is still running."""
        for address, blockers in self._blockers.items():
            open_ = sorted(str(other) for other in blockers if other in self.applied.running)
            if open_:
                self.applied.waiting[address] = f"waits for {', '.join(open_)}"

    def _tell(self, event_type: EventType, change: Change, message: str = "") -> None:
        self.listener(
            Event(
                event_type,
                self.ledger.now(),
                self.ledger.run,
                str(change.address),
                change.action.value,
                message,
                change.revision,
                change.stage,
            )
        )

    def _now(self) -> float:
        return self.ledger.clock.now().timestamp()


def _begun(address: Address, pending: Pending) -> Change:
    """What an earlier pass began, as events and the closing summary tell of it."""
    evidence = pending.promotes.get("evidence", {})
    version = evidence.get("revision") if pending.promotes else pending.revision
    action = Action.PROMOTE if pending.promotes else Action(pending.action)
    label = f"v{version}" if version else ""
    return Change(address, action, revision=label, reason=pending.reason)


def _covered(planned: Change, now: Change) -> bool:
    """Whether what is to be done now is within what was shown and approved."""
    allowed = {
        Action.RUN: {Action.RUN, Action.REUSE, Action.ADOPT},
        Action.UPDATE: {Action.UPDATE},
        Action.CREATE: {Action.CREATE, Action.ADOPT, Action.UPDATE},
        Action.REPLACE: {Action.REPLACE, Action.UPDATE},
        Action.PROMOTE: {Action.PROMOTE, Action.UPDATE},
    }
    return now.action in allowed.get(planned.action, {planned.action})
