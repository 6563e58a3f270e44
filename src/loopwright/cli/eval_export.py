"""`loopwright eval export`."""

from __future__ import annotations

from pathlib import Path

import click

from loopwright.cli.common import ProjectOptions, project_options
from loopwright.cli.eval_runs import RUN, find, may_read, recorded_runs
from loopwright.cli.output import say


@click.command()
@click.argument("run", metavar=RUN)
@click.option(
    "--format",
    "form",
    type=click.Choice(["lm-eval", "inspect"]),
    required=True,
    help="Logs as lm-evaluation-harness or as Inspect writes them.",
)
@click.option(
    "--to",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    required=True,
    help="Folder to write to; made if it is not there.",
)
@project_options
def command(run: str, form: str, folder: Path, options: ProjectOptions) -> None:
    """Write an evaluation as the log files of another evaluation tool, and print their paths.

    RUN is a name, NAME@2 or EvalRun/NAME@2; without a revision the newest.
    """
    from loopwright.evaluation.formats.inspect import write as write_inspect
    from loopwright.evaluation.formats.lm_eval import write as write_lm_eval

    may_read(options)
    result, records = find(recorded_runs(options), run).folder.load()
    write = write_lm_eval if form == "lm-eval" else write_inspect
    for path in write(result, records, folder):
        say(str(path))
