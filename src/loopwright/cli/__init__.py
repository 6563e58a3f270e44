"""The command line: one command a file, imported when it is called.

Commands read options, call the engine or the data plane, and render what comes back.
"""

from __future__ import annotations

import os
import sys

import click

from loopwright.cli.lazy import LazyGroup
from loopwright.errors import ExitCode, LoopwrightError

COMMANDS = {
    "init": "Write a small, commented set of manifests.",
    "validate": "Check manifests and tell everything that is wrong.",
    "plan": "Show what an apply would do, why, and what it would take.",
    "apply": "Make it so.",
    "destroy": "Remove what was made; data is kept unless --delete-data.",
    "get": "List resources.",
    "describe": "Tell all about one resource.",
    "logs": "Print what a run has written.",
    "explain": "Document a kind or a field.",
    "diff": "Compare the manifests with the state or the world, field by field.",
    "graph": "Draw what needs and what reads what.",
    "why": "Tell who wants a resource, what it waits for, and when it is tried next.",
    "history": "Tell what happened, from the journal.",
    "rollback": "Go back to an earlier revision, and stay there.",
    "approve": "Let a candidate that passed its gate take over.",
    "reject": "Keep a candidate out.",
    "adopt": "Take an existing object over.",
    "accept-drift": "Silence one difference until a date.",
    "state": "Look at the state, and mend it.",
    "dataset": "List, show, verify and compare dataset versions.",
    "models": "List, show, trace, export, name and verify registered models.",
    "eval": "Show evaluations, write reports of them, and look through their items.",
    "lake": "Look at a lake.",
    "serve": "Run the project daemon: the gateway, and the recorder of its calls.",
    "chat": "Talk to an endpoint.",
    "sql": "Ask a lake in SQL.",
    "feedback": "Attach a score, a label or a corrected answer to a recorded call.",
    "erase": "Erase the calls of an end user, for good.",
    "watch": "Keep it so, from a folder or from git.",
    "status": "Tell how the watcher and the resources are.",
    "suspend": "Leave a resource alone for a while.",
    "resume": "End a suspension.",
    "doctor": "Check providers, keys and versions.",
    "schema": "Write the JSON Schemas of the manifests.",
    "conformance": "Run the conformance suite over a provider.",
    "completion": "Print the shell completion script.",
}


class _Commands(LazyGroup):
    """Tells what each command is for without importing any."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(
    cls=_Commands,
    prefix="loopwright.cli.",
    names=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(package_name="loopwright", message="loopwright %(version)s")
def cli() -> None:
    """Close the LLM data loop as code.

    Manifests say which endpoints, deliveries, lakes, datasets, fine-tune jobs and evaluations
    there shall be. `plan` shows what would change and cost, `apply` makes it so, `watch` keeps
    it so.

    Exit codes: 0 done, 1 error, 2 usage, 3 changes pending, 4 waiting, 5 partial failure,
    6 needs a decision, 7 refused by policy or budget.
    """


def run(arguments: list[str] | None = None) -> int:
    """Run a command line and return its exit code; errors are printed, not raised.

    LOOPWRIGHT_TRACEBACK=1 lets a defect of loopwright itself through, for a report.
    """
    try:
        if any("\0" in word for word in arguments or ()):
            raise click.UsageError("an argument holds a null byte, which no path or name can")
        found = cli.main(args=arguments, prog_name="loopwright", standalone_mode=False)
        sys.stdout.flush()
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except click.exceptions.Abort:
        click.echo("interrupted", err=True)
        return ExitCode.ERROR
    except BrokenPipeError:
        _discard_output()
        return ExitCode.DONE
    except Exception as error:
        if os.environ.get("LOOPWRIGHT_TRACEBACK"):
            raise
        known = error if isinstance(error, LoopwrightError) else _told(error)
        show_error(known)
        return known.exit_code
    return int(found) if isinstance(found, int) else ExitCode.DONE


def _told(error: Exception) -> LoopwrightError:
    """What the system refused, or a defect of ours, as an error that says what to do."""
    if isinstance(error, OSError) and error.strerror:
        about = f" {error.filename}" if error.filename else ""
        return LoopwrightError(f"cannot read or write{about}: {error.strerror}")
    return LoopwrightError(
        f"internal error: {type(error).__name__}: {error}",
        hint="this is a defect of loopwright; LOOPWRIGHT_TRACEBACK=1 shows where, for a report",
    )


def _discard_output() -> None:
    """Whoever read our output has gone (`| head`): nothing more is written, nothing is said."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())


def show_error(error: LoopwrightError) -> None:
    """Print an error and what to do next, secrets masked."""
    from loopwright.cli.output import show_error as show

    show(error)
