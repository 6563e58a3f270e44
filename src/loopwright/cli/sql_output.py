"""Rows of a query as a table, JSON, JSON lines, CSV or Parquet; on stdout or in a file."""

from __future__ import annotations

import csv
import io
import shutil
import sys
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import click

from loopwright.cli.output import masked, say, table

if TYPE_CHECKING:
    import pyarrow as pa

    from loopwright.lake.sql.answer import Answer

FORMATS = ("table", "json", "jsonl", "csv", "parquet")
_PRIVATE = 0o600
_WIDEST_CELL = 60


class Out(Protocol):
    """Where bytes go; whole rows at a time."""

    def write(self, data: bytes, /) -> object: ...


def format_of(path: Path) -> str | None:
    """The format that the name of a file says."""
    found = path.suffix.removeprefix(".").lower()
    return found if found in _WRITERS else None


def write(answer: Answer, form: str, path: Path | None) -> None:
    """Write the rows in a format other than a table; a file is there whole or not at all."""
    if path is None:
        _WRITERS[form](answer, _Stdout())
        return
    from loopwright.disk import Disk

    with Disk().staged(path, mode=_PRIVATE) as out:
        _WRITERS[form](answer, out)


def show_table(answer: Answer) -> None:
    """Print the rows as a table; by the pager where they are more than a screen."""
    from loopwright.lake.sql.rows import rows_of

    on_terminal = sys.stdout.isatty()
    rows = [
        [_cell(value, cut=on_terminal) for value in row]
        for batch in answer.batches()
        for row in rows_of(batch)
    ]
    _align_numbers(rows, answer.schema)
    text = table(rows, header=[_cell(name, cut=on_terminal) for name in answer.schema.names])
    if on_terminal and len(rows) + 2 > shutil.get_terminal_size().lines:
        click.echo_via_pager(masked(text) + "\n")
    else:
        say(text)


class _Stdout:
    """Standard output, secret values masked."""

    def write(self, data: bytes) -> None:
        click.echo(masked(data.decode()), nl=False)


def _write_json(answer: Answer, out: Out) -> None:
    from loopwright.lake.sql.rows import json_lines

    before = b"[\n"
    for line in json_lines(answer.schema, answer.batches()):
        out.write(before + line)
        before = b",\n"
    out.write(b"[]\n" if before == b"[\n" else b"\n]\n")


def _write_jsonl(answer: Answer, out: Out) -> None:
    from loopwright.lake.sql.rows import json_lines

    for line in json_lines(answer.schema, answer.batches()):
        out.write(line + b"\n")


def _write_csv(answer: Answer, out: Out) -> None:
    from loopwright.lake.sql.rows import rows_of, text_of

    out.write(_csv([answer.schema.names]))
    for batch in answer.batches():
        out.write(_csv([text_of(value) for value in row] for row in rows_of(batch)))


def _csv(rows: Iterable[Iterable[str]]) -> bytes:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerows(rows)
    return buffer.getvalue().encode()


def _write_parquet(answer: Answer, out: Out) -> None:
    import pyarrow.parquet as pq

    with pq.ParquetWriter(out, answer.schema, compression="zstd") as writer:
        for batch in answer.batches():
            writer.write_batch(batch)


_WRITERS: Mapping[str, Callable[[Answer, Out], None]] = {
    "json": _write_json,
    "jsonl": _write_jsonl,
    "csv": _write_csv,
    "parquet": _write_parquet,
}


def _cell(value: Any, *, cut: bool) -> str:
    from loopwright.lake.sql.rows import text_of
    from loopwright.planning.render.width import cut_middle, printable

    text = text_of(value)
    if isinstance(value, datetime):
        return text.replace("T", " ")
    return cut_middle(printable(text), _WIDEST_CELL) if cut else printable(text)


def _align_numbers(rows: list[list[str]], schema: pa.Schema) -> None:
    """Numbers end under each other."""
    for place, field in enumerate(schema):
        if _is_number(field.type):
            widest = max([len(field.name), *(len(row[place]) for row in rows)])
            for row in rows:
                row[place] = row[place].rjust(widest)


def _is_number(kind: pa.DataType) -> bool:
    import pyarrow as pa

    tests = (pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal)
    return any(test(kind) for test in tests)
