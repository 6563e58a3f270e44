"""A query of the command line: run, shown or written, and remembered."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from loopwright.cli.output import note, say
from loopwright.cli.recorded_data import RecordedData
from loopwright.cli.sql_output import show_table, write

if TYPE_CHECKING:
    from loopwright.lake.keys import Role
    from loopwright.lake.sql.asking import View
    from loopwright.lake.sql.history import History, Ran
    from loopwright.lake.sql.request import Value
    from loopwright.lake.sql.templates import Template

TABLE_ROWS = 1000
"""So many rows of a table are shown unless more are asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What is to be run, and what its answer becomes."""

    template: Template
    given: Mapping[str, str]
    lake: str | None
    role: str
    seconds: int
    form: str
    output: Path | None
    limit: int | None


def run_query(asked: Asked, data: RecordedData, history: History) -> None:
    """Run it, show what it finds, and remember that it was run."""
    from loopwright.lake.keys import Role
    from loopwright.lake.sql.asking import ask
    from loopwright.lake.sql.request import Limits

    values = _values(asked)
    views = _views(asked, data, Role(asked.role))
    ran = _begun(asked, lake=data.lake(asked.lake).name)
    started = time.monotonic()
    try:
        with ask(
            asked.template.query,
            views,
            parameters=values,
            limits=Limits(seconds=asked.seconds),
            most_rows=asked.limit or (TABLE_ROWS if asked.form == "table" else None),
        ) as answer:
            if asked.form == "table":
                show_table(answer)
            else:
                write(answer, asked.form, asked.output)
        ran = replace(ran, ok=True, rows=answer.rows)
    finally:
        history.add(replace(ran, seconds=round(time.monotonic() - started, 3)))
    _tell(asked, rows=answer.rows, is_cut=answer.is_cut)


def _values(asked: Asked) -> dict[str, Value]:
    """What the parameters are bound to; a query without a name takes any, as text."""
    from loopwright.lake.sql.parameters import bound

    if asked.template.name:
        return asked.template.values(asked.given)
    return bound(asked.template.parameters, asked.given)


def _begun(asked: Asked, *, lake: str) -> Ran:
    """What the history is told of it, as long as it has not ended well."""
    from loopwright.clock import SystemClock, to_text
    from loopwright.lake.audit import current_user
    from loopwright.lake.sql.history import Ran

    return Ran(
        at=to_text(SystemClock().now()),
        who=current_user(),
        lake=lake,
        query=asked.template.query,
        template=asked.template.name,
        parameters=asked.given,
        ok=False,
    )


def _views(asked: Asked, data: RecordedData, role: Role) -> list[View]:
    """The lake's own views, and each inference dataset that the query names."""
    from loopwright.lake.sql.asking import View, views_of

    named = asked.template.query.casefold()
    sets = [found for found in data.inference_datasets if found.name.casefold() in named]
    return [
        *views_of(data.lake(asked.lake).open(role)),
        *(View(found.name, found.open(role)) for found in sets),
    ]


def _tell(asked: Asked, *, rows: int, is_cut: bool) -> None:
    """How many rows there were: under a table; on stderr for a file or rows that are cut short.

    Nothing beside a plain stream of rows.
    """
    tell = say if asked.form == "table" else note
    count = f"{rows:,} row{'s' if rows != 1 else ''}"
    if is_cut:
        tell(f"The first {count}; there are more: give --limit N, or --output FILE for all.")
    elif asked.output is not None:
        note(f"{count} in {asked.output}.")
    elif asked.form == "table":
        tell(f"{count}.")
