"""`loopwright sql`."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from loopwright.cli.common import ProjectOptions, project_options
from loopwright.cli.durations import DURATION
from loopwright.cli.recorded_data import recorded_data
from loopwright.cli.sql_output import FORMATS, format_of
from loopwright.cli.sql_running import TABLE_ROWS, Asked, run_query
from loopwright.errors import LoopwrightError

if TYPE_CHECKING:
    from loopwright.engine.workspace import Workspace
    from loopwright.lake.sql.history import History
    from loopwright.lake.sql.templates import Template, Templates

_HISTORY_LINES = 20


@click.command()
@click.argument("query", required=False)
@click.option("-f", "--file", "file", metavar="FILE", help="Read the query from here; - is stdin.")
@click.option("--template", "name", metavar="NAME", help="Run a template.")
@click.option(
    "--param", "params", multiple=True, metavar="NAME=VALUE", help="Value of a parameter: $NAME."
)
@click.option("--templates", "lists_templates", is_flag=True, help="List the templates.")
@click.option(
    "--history",
    "last",
    type=click.IntRange(1),
    is_flag=False,
    flag_value=_HISTORY_LINES,
    metavar="[N]",
    help=f"List the last N queries; {_HISTORY_LINES} when N is left out.",
)
@click.option("--rerun", type=click.IntRange(1), metavar="N", help="Run query N of the history.")
@click.option("--lake", metavar="NAME", help="Which lake, where there are several.")
@click.option(
    "--format",
    "form",
    type=click.Choice(FORMATS),
    help="Default: a table, or what the name of --output says.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write to this file: whole or not at all, readable by you alone.",
)
@click.option(
    "--limit",
    type=click.IntRange(1),
    help=f"At most so many rows. Default: {TABLE_ROWS:,} in a table, all elsewhere.",
)
@click.option(
    "--timeout",
    "seconds",
    type=DURATION,
    default="60s",
    show_default=True,
    help="End the query after this time.",
)
@click.option(
    "--role",
    type=click.Choice(("reader", "standard")),
    help="A reader opens no text. Default: as you act, standard at most.",
)
@project_options
def command(
    query: str | None,
    file: str | None,
    name: str | None,
    params: tuple[str, ...],
    lists_templates: bool,
    last: int | None,
    rerun: int | None,
    lake: str | None,
    form: str | None,
    output: Path | None,
    limit: int | None,
    seconds: int,
    role: str | None,
    options: ProjectOptions,
) -> None:
    """Ask a lake in SQL: one SELECT over `calls`, `feedback` and the inference datasets.

    The query runs apart, with bounded memory and time, and reaches no file, network or setting.
    Text is decrypted only when a query uses `request`, `response` or `text`, and that is recorded.
    """
    from loopwright.cli.sql_listing import show_history, show_templates

    workspace = options.workspace()
    templates, history = _templates(workspace), _history(workspace)
    if lists_templates:
        show_templates(templates.all, as_json=form == "json")
        return
    if last is not None:
        show_history(history, last=last, as_json=form == "json")
        return
    template, given, before = _query(
        query, file=file, name=name, rerun=rerun, templates=templates, history=history
    )
    asked = Asked(
        template=template,
        given={**given, **_given(params)},
        lake=lake or before,
        role=role or _acting(options, workspace),
        seconds=seconds,
        form=_form(form, output),
        output=output,
        limit=limit,
    )
    with recorded_data(options) as data:
        run_query(asked, data, history)


def _query(
    query: str | None,
    *,
    file: str | None,
    name: str | None,
    rerun: int | None,
    templates: Templates,
    history: History,
) -> tuple[Template, Mapping[str, str], str | None]:
    """The query, the parameters it was run with before, and the lake that it was run over."""
    from loopwright.lake.sql.templates import parse

    if sum(found is not None for found in (query, file, name, rerun)) != 1:
        raise click.UsageError("give one of QUERY, --file, --template, --rerun")
    if name is not None:
        return templates.get(name), {}, None
    if rerun is not None:
        ran = history.get(rerun)
        return parse(ran.query, name=ran.template), ran.parameters, ran.lake
    if file is not None:
        return parse(_read(file), name="", source=file), {}, None
    return parse(query or "", name=""), {}, None


def _acting(options: ProjectOptions, workspace: Workspace) -> str:
    """The role of whoever acts, as far as a query can need it."""
    from loopwright.cli.acting import caller
    from loopwright.gateway.settings import Role

    least = caller(options, workspace).role is Role.READER
    return (Role.READER if least else Role.STANDARD).value


def _form(form: str | None, output: Path | None) -> str:
    """The format that was asked for. Raises a usage error."""
    if output is None:
        if form == "parquet":
            raise click.UsageError("Parquet is no text: give --output FILE")
        return form or "table"
    found = form or format_of(output)
    if found is None:
        raise click.UsageError(f"the name {output.name} says no format: give --format")
    if found == "table":
        raise click.UsageError("a table is for reading: give --output another --format")
    return found


def _given(params: tuple[str, ...]) -> dict[str, str]:
    """`--param NAME=VALUE` as a mapping. Raises a usage error."""
    found = {}
    for text in params:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise click.BadParameter(f"{text!r} is not NAME=VALUE", param_hint="--param")
        found[name] = value
    return found


def _read(file: str) -> str:
    try:
        data = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
        return data.decode()
    except (OSError, UnicodeDecodeError) as error:
        raise LoopwrightError(f"cannot read the query in {file}: {error}") from error


def _templates(workspace: Workspace) -> Templates:
    from loopwright.lake.sql.templates import Templates

    return Templates(workspace.project_dir / "queries")


def _history(workspace: Workspace) -> History:
    from loopwright.lake.sql.history import History

    return History(workspace.state_dir / "sql" / "history.jsonl")
