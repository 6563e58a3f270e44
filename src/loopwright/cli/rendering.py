"""Plans and outcomes on the terminal, all of one `Plan` value."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from loopwright.cli.output import note, say, say_json, uses_color, width

if TYPE_CHECKING:
    from loopwright.engine.reconcile import Outcome
    from loopwright.planning.plan import Plan


def show_plan(
    plan: Plan,
    *,
    form: Literal["text", "json", "markdown"] = "text",
    verbosity: int = 0,
    ascii_only: bool = False,
) -> None:
    """Print a plan on stdout."""
    if form == "json":
        from loopwright.planning.render.json import to_document

        say_json(to_document(plan))
    elif form == "markdown":
        from loopwright.planning.render import markdown

        say(markdown.render(plan).rstrip("\n"))
    else:
        from loopwright.planning.render import human

        text = human.render(
            plan,
            width=width(),
            color=uses_color(),
            verbosity=verbosity,
            ascii_only=ascii_only,
        )
        say(text.rstrip("\n"))


def show_outcome(outcome: Outcome) -> None:
    """Print how an apply ended: what is done, what is not and why, what to do next."""
    found = outcome.applied
    for title, entries in (
        ("Failed", found.failed),
        ("Refused", found.refused),
        ("Needs a decision", found.decisions),
        ("By hand", found.manual),
        ("Running", found.running),
        ("Waiting", found.waiting),
    ):
        for address, message in sorted(entries.items()):
            say(f"{title}: {address}{': ' + message if message else ''}")
    if found.interrupted:
        note("Interrupted. Nothing is lost: running work goes on, and the next apply finds it.")
    parts = [f"{len(found.done)} done"]
    parts += [
        f"{len(entries)} {word}"
        for word, entries in (
            ("failed", found.failed),
            ("refused", found.refused),
            ("need a decision", found.decisions),
            ("running", found.running),
            ("waiting", found.waiting),
        )
        if entries
    ]
    say(f"Applied: {', '.join(parts)}.")
    if found.running and not found.interrupted:
        say("Running work goes on by itself; `loopwright apply --wait` waits for it.")
