"""What `loopwright sql` lists: templates with their parameters, and queries that were run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from loopwright.cli.output import note, say, say_json, table, width

if TYPE_CHECKING:
    from loopwright.lake.sql.history import History
    from loopwright.lake.sql.parameters import Parameter
    from loopwright.lake.sql.templates import Template

_NARROWEST_QUERY = 20


def show_templates(templates: Sequence[Template], *, as_json: bool) -> None:
    """Name, description, parameters with type and default."""
    if as_json:
        say_json([asdict(template) for template in templates])
        return
    for place, template in enumerate(templates):
        where = f"  ({template.source})" if template.source else ""
        say(f"{'' if place == 0 else chr(10)}{template.name}{where}")
        if template.about:
            say(f"  {template.about}")
        for parameter in template.parameters:
            say(f"  --param {_usage(parameter)}")


def show_history(history: History, *, last: int, as_json: bool) -> None:
    """The last queries, the newest at the end."""
    from loopwright.planning.render.width import cut_middle, printable

    found = list(history.all().items())[-last:]
    if as_json:
        say_json([{"number": number, **asdict(ran)} for number, ran in found])
        return
    if not found:
        note("No query has been run yet.")
        return
    header = ("NUMBER", "AT (UTC)", "WHO", "LAKE", "ROWS", "SECONDS", "QUERY")
    rows = [
        (
            str(number),
            ran.at[:19].replace("T", " "),
            ran.who,
            ran.lake,
            f"{ran.rows:,}" if ran.ok else "failed",
            f"{ran.seconds:.1f}",
        )
        for number, ran in found
    ]
    used = sum(max(len(row[place]) for row in (*rows, header[:6])) + 2 for place in range(6))
    room = max(_NARROWEST_QUERY, width() - used)
    said = [
        cut_middle(printable(" ".join((ran.template or ran.query).split())), room)
        for _, ran in found
    ]
    say(table([(*row, query) for row, query in zip(rows, said, strict=True)], header=header))


def _usage(parameter: Parameter) -> str:
    """`since=1970-01-01  The first day.`"""
    from loopwright.lake.sql.rows import text_of

    value = f"<{parameter.type}>" if parameter.default is None else text_of(parameter.default)
    about = f"  {parameter.about}" if parameter.about else ""
    return f"{parameter.name}={value}{about}"
