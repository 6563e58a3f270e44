"""What `apply` and `destroy` share: the session, the question, live progress, the end."""

from __future__ import annotations

import shlex
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import click

from loopwright.cli.common import ProjectOptions, runs_long, session
from loopwright.cli.output import note, say
from loopwright.cli.rendering import command_line, show_outcome, show_plan
from loopwright.engine.reconcile import Outcome, Reconciler
from loopwright.errors import DecisionNeededError
from loopwright.planning.change import Action
from loopwright.planning.plan import Plan, Selection

if TYPE_CHECKING:
    from loopwright.cli.results import Results
    from loopwright.engine.saved import SavedPlan


@dataclass
class Applying:
    """One run of `apply` or `destroy`."""

    options: ProjectOptions
    events: str | None = None
    parallelism: int | None = None
    lock_timeout: float = 0
    verbosity: int = 0

    def run(
        self,
        paths: tuple[str, ...],
        chosen: Selection,
        *,
        waits: bool,
        asks: bool,
        word: str = "apply",
    ) -> int:
        """Plan, show, ask, execute."""

        def approve(plan: Plan) -> bool:
            self._show(plan)
            if not any(change.action.writes for change in plan.pending):
                return True
            return not asks or _confirmed(plan, word)

        return self._reconcile(paths, chosen, approve=approve, waits=waits, word=word)

    def run_resumed(self, paths: tuple[str, ...], chosen: Selection, *, waits: bool) -> int:
        """Go on after an interruption: what was approved is taken up again without asking."""

        def approve(plan: Plan) -> bool:
            self._show(plan)
            if any(change.action in (Action.DELETE, Action.REPLACE) for change in plan.pending):
                raise DecisionNeededError(
                    "the plan deletes or replaces; --resume does not approve that",
                    hint="run apply without --resume",
                )
            return True

        return self._reconcile(paths, chosen, approve=approve, waits=waits, word="apply --resume")

    def run_saved(self, saved: SavedPlan, file: str, *, waits: bool, resumes: bool) -> int:
        """Execute an approval that lies in `file`, or refuse it when anything moved on."""
        options = replace(
            self.options,
            environment=saved.plan.header.environment,
            variables=tuple(f"{k}={v}" for k, v in saved.plan.variables.items()),
            var_files=saved.var_files,
        )
        applying = replace(self, options=options)
        return applying._reconcile(
            saved.paths,
            saved.plan.selection,
            approve=_approved_before,
            waits=waits,
            word=f"apply {saved.id}",
            again=f"loopwright apply {shlex.quote(file)} --resume",
            saved=saved,
            resumes=resumes,
        )

    def _reconcile(
        self,
        paths: tuple[str, ...],
        chosen: Selection,
        *,
        approve: Callable[[Plan], bool],
        waits: bool,
        word: str,
        again: str = "",
        saved: SavedPlan | None = None,
        resumes: bool = False,
    ) -> int:
        runs_long()
        workspace = self.options.workspace()
        stop = threading.Event()
        with (
            session(workspace, word, wait_seconds=self.lock_timeout) as opened,
            _results(self.events) as results,
            _stopping(stop, results.note),
        ):
            declared = self.options.declare(workspace, paths, opened)
            workspace.remember_project_file(declared)
            reconciler = Reconciler(
                workspace, declared, listener=results, stop=stop, parallelism=self.parallelism
            )
            outcome = reconciler.apply(
                opened, chosen, approve=approve, waits=waits, saved=saved, resumes=resumes
            )
            results.look_up(opened)
        verb = "destroy" if chosen.destroy and saved is None else "apply"
        again = again or command_line(verb, paths, self.options, chosen) + " --wait" * waits
        return self._finish(outcome, results, word=verb, again=again)

    @property
    def _out(self) -> Callable[[str], None]:
        """Where the plan and the end are told: not on stdout where the events go there."""
        return note if self.events == "-" else say

    def _show(self, plan: Plan) -> None:
        show_plan(plan, verbosity=self.verbosity, is_preview=False, out=self._out)

    def _finish(self, outcome: Outcome, results: Results, *, word: str, again: str) -> int:
        if not outcome.approved:
            note("Nothing was done.")
        elif outcome.plan.is_empty and not (outcome.applied.done or results.resumed):
            self._show(outcome.plan)
        else:
            show_outcome(outcome, results, word=word, again=again, out=self._out)
        return outcome.exit_code


def _confirmed(plan: Plan, word: str) -> bool:
    """Ask; deletions are confirmed by their number, so that nobody says yes by habit."""
    if not sys.stdin.isatty():
        saving = "plan --destroy --out FILE" if word == "destroy" else "plan --out FILE"
        raise DecisionNeededError(
            "nobody is there to ask, and nothing was done",
            hint=f"add --yes; or save it with `loopwright {saving}`, then `loopwright apply FILE`",
        )
    deletes = plan.envelope.deletes
    if deletes:
        typed = click.prompt(
            f"{deletes} will be deleted. Type the number to {word}",
            default="",
            show_default=False,
            err=True,
        )
        return str(typed).strip() == str(deletes)
    return bool(click.confirm(f"{word.capitalize()} this?", err=True))


@contextmanager
def _stopping(stop: threading.Event, tell: Callable[[str], None]) -> Iterator[None]:
    """The first Ctrl-C or SIGTERM stops cleanly; a second Ctrl-C ends at once."""

    def on_signal(number: int, frame: object) -> None:
        del frame
        if not stop.is_set():
            stop.set()
            tell("Stopping: nothing new is started. Ctrl-C again ends at once.")
        elif number == signal.SIGINT:
            raise KeyboardInterrupt

    before = {
        number: signal.signal(number, on_signal) for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _results(events: str | None) -> Iterator[Results]:
    from loopwright.cli.progress import EventFile, terminal_listener
    from loopwright.cli.results import Results

    with terminal_listener() as shown:
        if events is None:
            yield Results(shown)
            return
        with EventFile(events) as written:
            yield Results(shown, written)


def _approved_before(plan: Plan) -> bool:
    """A saved plan was approved when it was saved, and has been proven fresh."""
    del plan
    return True
