"""Plans and outcomes on the terminal, all of one `Plan` value."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Literal

from loopwright.cli.output import note, say, say_json, uses_color, width

if TYPE_CHECKING:
    from loopwright.cli.common import ProjectOptions
    from loopwright.cli.results import Results
    from loopwright.engine.reconcile import Outcome
    from loopwright.planning.change import Change
    from loopwright.planning.plan import Plan, Selection
    from loopwright.resources.address import Address

_MOST_RESULTS = 8
"""So many results of runs are told again at the end."""


def show_plan(
    plan: Plan,
    *,
    form: Literal["text", "json", "markdown"] = "text",
    verbosity: int = 0,
    ascii_only: bool = False,
    next_command: str = "",
    is_preview: bool = True,
    out: Callable[[str], None] = say,
) -> None:
    """Print a plan, on stdout unless `out` says otherwise."""
    if form == "json":
        from loopwright.planning.render.json import to_document

        say_json(to_document(plan))
    elif form == "markdown":
        from loopwright.planning.render import markdown

        out(markdown.render(plan, next_command=next_command))
    else:
        from loopwright.planning.render import human

        text = human.render(
            plan,
            width=width(),
            color=uses_color(),
            verbosity=verbosity,
            ascii_only=ascii_only,
            next_command=next_command,
            is_preview=is_preview,
        )
        out(text)


def command_line(
    word: str, paths: Sequence[str], options: ProjectOptions, chosen: Selection
) -> str:
    """The command that carries out what was planned with these arguments, ready to paste."""
    named = (
        ("--env", (options.environment,) if options.environment != "default" else ()),
        ("--var", options.variables),
        ("--var-file", options.var_files),
        ("--target", chosen.targets),
        ("--exclude", chosen.excludes),
        ("--replace", chosen.replaces),
    )
    flags = (
        ("--project", options.project is not None),
        (str(options.project), options.project is not None),
        ("--no-refresh", not chosen.refresh),
        ("--no-prune", not chosen.prune and word == "apply"),
        ("--delete-data", chosen.delete_data),
    )
    words = ["loopwright", word, *paths]
    words += [part for name, values in named for value in values for part in (name, value)]
    return shlex.join([*words, *(name for name, is_set in flags if is_set)])


def show_outcome(
    outcome: Outcome,
    results: Results,
    *,
    word: str = "apply",
    again: str = "loopwright apply",
    out: Callable[[str], None] = say,
) -> None:
    """Print how an apply ended: what is done, what is not and why, what to do next.

    `again` is the command line that goes on with it.
    """
    found = outcome.applied
    for title, entries in (
        ("Failed", found.failed),
        ("Refused", found.refused),
        ("Needs a decision", found.decisions),
        ("By hand", found.manual),
        ("Running", found.running),
        ("Waiting", _waiting(outcome)),
    ):
        for address, message in sorted(entries.items()):
            out(f"{title}: {address}{': ' + message if message else ''}")
    if found.interrupted:
        note("Interrupted. Nothing is lost: running work goes on, and the next apply finds it.")
    out(f"Done: {_tally(outcome, results)}.")
    for line in results.lines(_MOST_RESULTS):
        out(f"  {line}")
    for report in results.reports:
        out(f"Report: {report}")
    steps = list(_next(outcome, results, word=word, again=again))
    if steps:
        out(f"Next: {steps[0]}")


def _tally(outcome: Outcome, results: Results) -> str:
    from loopwright.cli.progress import past

    found = outcome.applied
    counts = Counter(change.action.value for change in found.done)
    counts["run"] += results.resumed
    done = [f"{count:,} {past(action)}" for action, count in counts.items() if count]
    left = [
        f"{len(entries):,} {word}"
        for word, entries in (
            ("failed", found.failed),
            ("refused", found.refused),
            ("rejected", found.rejected),
            ("to be decided", found.decisions),
            ("running", found.running),
            ("waiting", _waiting(outcome)),
        )
        if entries
    ]
    return "; ".join(", ".join(parts) for parts in (done or ["nothing"], left) if parts)


def _waiting(outcome: Outcome) -> dict[Address, str]:
    """What waits for something else; what waits for itself is running."""
    found = outcome.applied
    return {address: why for address, why in found.waiting.items() if address not in found.running}


def _next(outcome: Outcome, results: Results, *, word: str, again: str) -> Iterator[str]:
    """What a person would want to do now, the most pressing first."""
    found = outcome.applied
    if found.failed:
        yield f"loopwright why {min(found.failed)}"
    if found.running and not found.interrupted:
        yield f"{again} --wait  (what is running goes on by itself)"
    if found.interrupted:
        yield again
    if found.refused or found.decisions or found.waiting:
        return
    if word == "destroy":
        if any(_keeps_data(change) for change in found.done):
            yield f"{again} --delete-data  (the data was kept)"
    elif endpoint := results.promoted or results.created:
        yield f"loopwright chat {endpoint}"
    elif results.dataset:
        yield f"loopwright dataset show {results.dataset}"
    elif found.done:
        yield "loopwright get"


def _keeps_data(change: Change) -> bool:
    from loopwright.planning.change import Action

    return change.action is Action.FORGET and change.address.kind in ("Lake", "Dataset", "Model")
