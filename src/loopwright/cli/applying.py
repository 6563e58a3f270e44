"""What `apply` and `destroy` share: the session, the question, live progress, the summary."""

from __future__ import annotations

import gc
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import click

from loopwright.cli.common import ProjectOptions, session
from loopwright.cli.output import note
from loopwright.cli.rendering import show_outcome, show_plan
from loopwright.engine.reconcile import Outcome, Reconciler
from loopwright.errors import DecisionNeededError, ExitCode
from loopwright.planning.change import Action
from loopwright.planning.plan import Plan, Selection

if TYPE_CHECKING:
    from loopwright.engine.events import Listener
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
            show_plan(plan, verbosity=self.verbosity)
            if not any(change.action.writes for change in plan.pending):
                return True
            return not asks or _confirmed(plan, word)

        return self._reconcile(paths, chosen, approve=approve, waits=waits, word=word)

    def run_resumed(self, paths: tuple[str, ...], chosen: Selection, *, waits: bool) -> int:
        """Go on after an interruption: what was approved is taken up again without asking."""

        def approve(plan: Plan) -> bool:
            show_plan(plan, verbosity=self.verbosity)
            if any(change.action in (Action.DELETE, Action.REPLACE) for change in plan.pending):
                raise DecisionNeededError(
                    "the plan deletes or replaces; --resume does not approve that",
                    hint="run apply without --resume",
                )
            return True

        return self._reconcile(paths, chosen, approve=approve, waits=waits, word="apply --resume")

    def run_saved(self, saved: SavedPlan, *, waits: bool, resumes: bool) -> int:
        """Execute an approval, or refuse it when anything moved on."""
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
        saved: SavedPlan | None = None,
        resumes: bool = False,
    ) -> int:
        gc.freeze()
        gc.enable()
        workspace = self.options.workspace()
        stop = threading.Event()
        with (
            session(workspace, word, wait_seconds=self.lock_timeout) as opened,
            _stopping(stop),
            _listener(self.events) as listener,
        ):
            declared = self.options.declare(workspace, paths, opened)
            reconciler = Reconciler(
                workspace, declared, listener=listener, stop=stop, parallelism=self.parallelism
            )
            outcome = reconciler.apply(
                opened, chosen, approve=approve, waits=waits, saved=saved, resumes=resumes
            )
        return _finish(outcome)


def _finish(outcome: Outcome) -> int:
    if not outcome.approved:
        note("Nothing was done.")
        return ExitCode.DONE
    if outcome.plan.is_empty and not outcome.applied.done:
        show_plan(outcome.plan)
    elif outcome.passes:
        show_outcome(outcome)
    return outcome.exit_code


def _confirmed(plan: Plan, word: str) -> bool:
    """Ask; deletions are confirmed by their number, so that nobody says yes by habit."""
    if not sys.stdin.isatty():
        raise DecisionNeededError(
            "nobody is there to ask", hint=f"add --yes, or save the plan and {word} that"
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
def _stopping(stop: threading.Event) -> Iterator[None]:
    """The first Ctrl-C or SIGTERM stops cleanly; a second Ctrl-C ends at once."""

    def on_signal(number: int, frame: object) -> None:
        del frame
        if stop.is_set() and number == signal.SIGINT:
            raise KeyboardInterrupt
        stop.set()
        note("Stopping: nothing new is started. Ctrl-C again ends at once.")

    before = {
        number: signal.signal(number, on_signal) for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _listener(events: str | None) -> Iterator[Listener]:
    from loopwright.cli.progress import EventFile, terminal_listener

    with terminal_listener() as shown:
        if events is None:
            yield shown
            return
        with EventFile(events) as written:

            def both(event: object) -> None:
                shown(event)  # type: ignore[arg-type]
                written(event)  # type: ignore[arg-type]

            yield both


def _approved_before(plan: Plan) -> bool:
    """A saved plan was approved when it was saved, and has been proven fresh."""
    del plan
    return True
