"""`loopwright eval list`."""

from __future__ import annotations

import click

from loopwright.cli.common import ProjectOptions, project_options
from loopwright.cli.eval_runs import AS_JSON, RecordedRun, recorded_runs
from loopwright.cli.output import note, say, say_json, table


@click.command()
@AS_JSON
@project_options
def command(as_json: bool, options: ProjectOptions) -> None:
    """Every finished evaluation, a line each."""
    runs = recorded_runs(options)
    if as_json:
        say_json([{"name": r.name, "revision": r.revision, **r.outputs} for r in runs])
        return
    if not runs:
        note("No evaluation has finished yet.")
        return
    say(
        table(
            [_row(run) for run in runs], header=("EVALUATION", "MODEL", "SCORE", "ITEMS", "FAILED")
        )
    )


def _row(run: RecordedRun) -> tuple[str, ...]:
    """From what state holds: an evaluation whose folder has gone is listed too."""
    outputs = run.outputs
    return (
        run.label,
        next(iter(outputs.get("models", {})), "-"),
        _score(run),
        f"{outputs.get('items', 0):,}",
        f"{outputs.get('failed', 0):,}",
    )


def _score(run: RecordedRun) -> str:
    from loopwright.evaluation.reports.words import points

    composite = run.outputs.get("composite")
    if composite is None:
        return "-"
    low, high = run.outputs.get("intervals", {}).get("composite", (composite, composite))
    return f"{points(composite)} ({points(low)} … {points(high)})"
