"""Tells what the watcher does: to `watch.json`, metrics, webhooks and whoever reads its output.

Decides nothing but what is worth telling.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from loopwright.clock import Clock, from_text, to_text
from loopwright.engine.events import Event, EventType
from loopwright.gitops import conditions
from loopwright.gitops.conditions import Cause
from loopwright.gitops.declaring import Good, LastGood, Problem
from loopwright.gitops.metrics import Metrics
from loopwright.gitops.notifications import Message, Notifications
from loopwright.gitops.passes import Ending, Passed
from loopwright.gitops.schedule import Due
from loopwright.gitops.status import StatusFile, WatchStatus
from loopwright.manifests.project import Notification
from loopwright.resources.address import Address
from loopwright.state.records import Record

log = logging.getLogger(__name__)

Found = tuple[Cause, str]
Say = Callable[[str, str, Mapping[str, Any]], None]
"""What kind of line, the line for people, and facts for machines."""
Send = Callable[[Message, tuple[Notification, ...]], None]

_OVER = {
    "source": "the source can be reached again",
    "manifests": "the manifests make sense again",
    "suspension": "the suspension is over",
    "stuck": "the state can be read again",
    "trouble": "passes come to an end again",
}


@dataclass
class Reporter:
    """One watcher's voice. `status` starts with what the last watcher left, where it left it."""

    clock: Clock
    status: WatchStatus
    file: StatusFile
    metrics: Metrics
    notifications: Notifications
    send: Send
    say: Say
    beat: Callable[[], None]
    _of_pass: list[Found] = field(default_factory=list)
    _of_drift: list[Found] = field(default_factory=list)
    _ended: list[str] = field(default_factory=list)
    _said: dict[str, str] = field(default_factory=dict)
    _promoted: set[tuple[Address, str]] = field(default_factory=set)
    _began: datetime = field(init=False)

    def __post_init__(self) -> None:
        self._began = self.clock.now()

    def looked(self, manifests: LastGood, *, is_new: bool) -> None:
        """After a look at the source."""
        good = manifests.good
        if good is not None:
            self.status.revision, self.status.commit = good.revision.id, good.revision.commit
            self.status.last_good = {
                "id": good.revision.id,
                "commit": good.revision.commit,
                "since": to_text(good.since),
            }
        problems = [found for found in (manifests.broken, manifests.unreachable) if found]
        self.status.problems = [_plain(found) for found in problems]
        if is_new and good is not None:
            count = len(good.declared.resources)
            self.say("revision", f"revision {good.revision.short}: {count} resources", {})
        self._say_edge("source", _problem_line(manifests.unreachable, manifests))
        self._say_edge("manifests", _problem_line(manifests.broken, manifests))

    def passed(self, passed: Passed, good: Good, records: Mapping[Address, Record]) -> None:
        """After a pass."""
        self.metrics.passed(passed, records, good.revision.commit or good.revision.short)
        done = [str(change.address) for change in passed.applied.done]
        counts = self.status.passes
        counts[passed.ending.value] = counts.get(passed.ending.value, 0) + 1
        self.status.last_pass = {
            "at": to_text(passed.at),
            "took": round(passed.took, 3),
            "why": passed.why.value,
            "ending": passed.ending.value,
            "exit_code": int(passed.exit_code),
            "message": passed.message,
            "changes": len(done),
        }
        self.status.waits_for = passed.message if passed.ending is Ending.LOCKED else ""
        running = {str(at) for at, record in records.items() if record.pending}
        self.status.running = {at: v for at, v in self.status.running.items() if at in running}
        self._note_level(passed, records)
        self._say_pass(passed)
        for address, decided in conditions.promotions(records, self._began):
            if (address, decided["at"]) not in self._promoted:
                self._promoted.add((address, decided["at"]))
                facts = "; ".join(decided.get("facts", ())) or "no gate"
                text = f"v{decided.get('revision', '?')} promoted: {facts}"
                message = self.notifications.promoted(text, str(address), good.revision.commit)
                self.send(message, tuple(good.declared.project.notifications))

    def event(self, event: Event) -> None:
        """An engine event: a sign of life, and maybe progress."""
        self.beat()
        if event.type is EventType.PROGRESS and event.progress is not None:
            progress = event.progress
            self.status.running[event.address] = {
                "done": progress.done,
                "total": progress.total,
                "unit": progress.unit,
                "note": progress.note,
                "eta_seconds": progress.eta_seconds,
                "at": to_text(self.clock.now()),
            }
        elif event.type is EventType.RESUMED:
            self._ended.append(event.address)

    def publish(
        self, good: Good | None, problems: Iterable[Problem], *, due: Due | None, suspended: str
    ) -> datetime | None:
        """End of a turn: tell what begins and what is over, and write the status.

        Returns when a cause will count as resolved, if one is about to.
        """
        self._say_edge("stuck", "")
        self._say_edge("suspension", suspended)
        self.status.suspended = suspended
        self.status.next_pass = {"at": to_text(due.at), "why": due.why.value} if due else {}
        self._tell([*self._of_pass, *self._of_drift, *conditions.of_problems(problems)], good)
        return self.notifications.due

    def stuck(self, message: str, good: Good | None) -> None:
        """A turn came to nothing, mostly because the state cannot be read."""
        self._say_edge("stuck", message)
        here = (Cause("failed", conditions.steady(message)), "")
        self._tell([*self._of_pass, *self._of_drift, here], good)

    def stopped(self) -> None:
        self.status.stopped_at = to_text(self.clock.now())
        self.status.next_pass = {}
        self._write()

    def recall(self) -> tuple[str, datetime] | None:
        """The revision that was good when the last watcher ended, and since when."""
        try:
            self.notifications.recall(self.status.causes)
            last = self.status.last_good
            return (last["id"], from_text(last["since"])) if last else None
        except (KeyError, TypeError, ValueError):
            return None

    def _tell(self, found: Iterable[Found], good: Good | None) -> None:
        """Notices of what begins and what is over, then the status."""
        commit = good.revision.commit if good else ""
        hooks = tuple(good.declared.project.notifications) if good else ()
        level = conditions.gathered(found)
        for message in self.notifications.update(level, now=self.clock.now(), commit=commit):
            self.say("notice", message.text, message.to_json())
            self.send(message, hooks)
        self.status.causes = self.notifications.to_json()
        self._write()

    def _note_level(self, passed: Passed, records: Mapping[Address, Record]) -> None:
        if passed.plan is not None:
            found = conditions.of_pass(passed.plan, passed.applied, records, passed.held)
            self._of_pass = list(found)
            if passed.is_full:
                unseen = {str(address) for address in passed.held}
                still = [found for found in self._of_drift if found[1] in unseen]
                self._of_drift = [*conditions.of_drift(passed.plan), *still]
        elif passed.ending is Ending.FAILED:
            self._of_pass = [(Cause("failed", conditions.steady(passed.message)), "")]
        if passed.ending is Ending.REFUSED:
            self._of_pass.append((Cause("budget", conditions.steady(passed.message)), ""))

    def _say_pass(self, passed: Passed) -> None:
        applied = passed.applied
        counted = {
            "done": len(applied.done),
            "running": len(applied.running),
            "failed": len(applied.failed),
            "refused": len(applied.refused),
            "in need of a decision": len(applied.decisions),
        }
        told = ", ".join(f"{count} {word}" for word, count in counted.items() if count)
        if self._ended:
            told = ", ".join([*([told] if told else []), f"ended: {' '.join(self._ended)}"])
            self._ended.clear()
        line = f"pass ({passed.why.value}): {passed.ending.value}"
        trouble = f"pass {passed.ending.value}: {passed.message}" if passed.message else ""
        self._say_edge("trouble", trouble)
        if passed.moved:
            self.say("pass", f"{line}: {told}" if told else line, self.status.last_pass)

    def _say_edge(self, kind: str, line: str) -> None:
        """A line that may come with every pass is said once, until it is another or over."""
        if line != self._said.get(kind, ""):
            self._said[kind] = line
            self.say(kind, line or _OVER[kind], {})

    def _write(self) -> None:
        try:
            self.file.write(self.status)
        except OSError as error:
            log.warning("cannot write the watcher's status", extra={"problem": str(error)})


def _plain(problem: Problem) -> dict[str, Any]:
    return {
        "what": problem.what,
        "message": problem.message,
        "since": to_text(problem.since),
        "revision": problem.revision,
        "diagnostics": list(problem.diagnostics),
    }


def _problem_line(problem: Problem | None, manifests: LastGood) -> str:
    if problem is None:
        return ""
    good = manifests.good
    kept = f"going on with {good.revision.short}" if good else "nothing is done before it is mended"
    first = f": {problem.diagnostics[0]}" if problem.diagnostics else ""
    place = f"revision {problem.revision}: " if problem.revision else ""
    return f"{place}{problem.message}{first}; {kept}"
