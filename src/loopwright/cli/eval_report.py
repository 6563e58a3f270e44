"""`loopwright eval report`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from loopwright.cli.common import ProjectOptions, project_options
from loopwright.cli.eval_runs import RUN, RecordedRun, find, may_read, recorded_runs
from loopwright.cli.output import note, say, say_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from loopwright.evaluation.results import EvaluationResult, ItemRecord


@click.command()
@click.argument("run", metavar=RUN)
@click.option(
    "--compare",
    "others",
    multiple=True,
    metavar=RUN,
    help="Put another evaluation of the same questions beside it; may be repeated.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["html", "md", "json"]),
    default="html",
    show_default=True,
    help="A page to look at, text for a pull request, or all scores.",
)
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File to write. Default: stdout; a page goes to the folder of the run.",
)
@project_options
def command(
    run: str, others: tuple[str, ...], form: str, out: Path | None, options: ProjectOptions
) -> None:
    """Write the report of an evaluation; for a page its path is printed.

    RUN is a name, NAME@2 or EvalRun/NAME@2; without a revision the newest. With --compare the
    scores are of the questions that all of them have in common, compared question by question.
    """
    may_read(options)
    runs = recorded_runs(options)
    chosen = [find(runs, text) for text in (run, *others)]
    result, records = _loaded(chosen)
    if form == "html":
        target = out or _page(chosen)
        _write_page(chosen, result, records, target)
        say(str(target))
    elif form == "json":
        _say_json(result, out)
    else:
        from loopwright.evaluation.reports.markdown import markdown

        _put(markdown(result), out)


def _page(chosen: Sequence[RecordedRun]) -> Path:
    own = chosen[0].folder
    if len(chosen) == 1:
        return own.page
    return own.path / f"with-{'-'.join(run.label for run in chosen[1:])}.html"


def _loaded(chosen: Sequence[RecordedRun]) -> tuple[EvaluationResult, Sequence[ItemRecord]]:
    loaded = [run.folder.load() for run in chosen]
    for run, (result, _) in zip(chosen, loaded, strict=True):
        if edited := run.edited(result):
            note(f"warning: {edited}")
    if len(loaded) == 1:
        return loaded[0]
    from loopwright.evaluation.reports.together import together

    return together(loaded)


def _write_page(
    chosen: Sequence[RecordedRun],
    result: EvaluationResult,
    records: Sequence[ItemRecord],
    path: Path,
) -> None:
    from loopwright.evaluation.reports.html import Extra, write

    beside = "".join(f" --compare {run.label}" for run in chosen[1:])
    again = (f"loopwright eval report {chosen[0].label}{beside}",) if beside else ()
    curve = chosen[0].loss_curve
    drawn = curve.read_text(encoding="utf-8") if curve and curve.is_file() else ""
    write(result, records, path, extra=Extra(loss_curve=drawn, again=again))


def _say_json(result: EvaluationResult, out: Path | None) -> None:
    import orjson

    if out is None:
        say_json(result)
    else:
        out.write_bytes(orjson.dumps(result, option=orjson.OPT_INDENT_2) + b"\n")


def _put(text: str, out: Path | None) -> None:
    if out is None:
        say(text.rstrip("\n"))
    else:
        out.write_text(text, encoding="utf-8")
