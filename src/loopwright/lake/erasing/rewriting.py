"""Rewriting partitions without some of their rows, or without their text, under new keys.

The one way in which anything leaves a lake. In one commit all files of the partitions give way to
new ones; then the old keys are destroyed, which closes every copy of the old files, and then the
files themselves go. A crash before the commit changes nothing; after it, whatever is left of keys
and files is cleared by the next rewriting or compaction.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import chain
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from loopwright.lake.capture.ledger import Ledger
from loopwright.lake.capture.ranges import Ranges
from loopwright.lake.erasing.clearing import clear
from loopwright.lake.files import Head, LakeFile
from loopwright.lake.partitions import CALLS
from loopwright.lake.reading import Selection
from loopwright.lake.store import Lake
from loopwright.lake.tables import TABLES, Table

_ROWS_AT_ONCE = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Treatment:
    """What becomes of the rows of a partition."""

    without: frozenset[str] = frozenset()
    """Calls that go, by id."""
    everything: bool = False
    """All rows go."""
    text_until: date | None = None
    """Text goes, and calls say in `retain_until` that it was kept until this day."""


@dataclass(frozen=True, slots=True)
class Rewritten:
    """What a rewriting did: partitions as their keys name them, and rows that went, by table."""

    partitions: tuple[str, ...]
    removed: Mapping[str, int]


def rewrite(lake: Lake, head: Head, treatments: Mapping[str, Treatment], *, why: str) -> Rewritten:
    """Treat the named partitions. Call it inside `lake.writing()`, with the head from there.

    The ledger is told of captured calls before they go, and `why`. Raises LakeError and
    LakeIntegrityError before the commit, and the lake is as before; whatever fails after it is
    finished by calling `clearing.clear`.
    """
    old = [file for file in head.files if file.partition in treatments]
    doomed = {id_ for name in treatments for id_ in lake.keys.ids_of_partitions().get(name, ())}
    made: list[LakeFile] = []
    with lake.undone_unless_committed(head, made):
        lake.keys.renew({name for name, one in treatments.items() if not one.everything})
        for file in old:
            if heir := _rewritten(lake, file, treatments[file.partition]):
                made.append(heir)
        _tell_ledger(lake, old, treatments, why=why)
        committed = lake.manifest.commit(
            head,
            added=tuple(made),
            removed=tuple(file.path for file in old),
            last_seq=head.last_seq,
            at=lake.clock.now(),
        )
    lake.keys.destroy(doomed)
    clear(lake, committed)
    before, after = _rows(old), _rows(made)
    return Rewritten(
        tuple(sorted({file.partition for file in old})),
        {table: before[table] - after[table] for table in TABLES},
    )


def _rewritten(lake: Lake, file: LakeFile, treatment: Treatment) -> LakeFile | None:
    """The heir of one file; None where no row stays."""
    table = TABLES[file.table]
    if treatment.everything:
        return None
    parts = _parts(lake, file, treatment)
    first = next(parts, None)
    if first is None:
        return None
    return lake.writer.write(
        table,
        chain([first], parts),
        dt=file.dt,
        endpoint=file.endpoint,
        without_text=file.without_text or treatment.text_until is not None,
    )


def _parts(lake: Lake, file: LakeFile, treatment: Treatment) -> Iterator[pa.Table]:
    table = TABLES[file.table]
    blank = file.without_text or treatment.text_until is not None
    columns = table.metadata if blank else table.columns
    gone = pa.array(sorted(treatment.without), pa.string())
    for batch in lake.reader.batches(
        file, columns, Selection.everything(), most_rows=_ROWS_AT_ONCE
    ):
        part = pa.Table.from_batches([batch])
        part = part.filter(pc.invert(pc.is_in(part["call_id"], value_set=gone)))
        if part.num_rows:
            yield _blanked(table, part, treatment.text_until) if blank else part


def _blanked(table: Table, part: pa.Table, until: date | None) -> pa.Table:
    """The rows with empty text in the order of the table's columns."""
    empty = pa.repeat(pa.scalar("", pa.string()), part.num_rows)
    for name in table.text:
        part = part.append_column(table.schema.field(name), empty)
    if until is not None and table.name == CALLS:
        field = table.schema.field("retain_until")
        days = pa.repeat(pa.scalar(until, field.type), part.num_rows)
        part = part.set_column(part.column_names.index(field.name), field, days)
    return part.select(list(table.columns))


def _tell_ledger(
    lake: Lake, files: Sequence[LakeFile], treatments: Mapping[str, Treatment], *, why: str
) -> None:
    """Which captured calls are among the rows that go."""
    gone: dict[str, dict[str, list[int]]] = {}
    for file in files:
        treatment = treatments[file.partition]
        if file.table == CALLS and (treatment.everything or treatment.without):
            for row in _captured(lake, file):
                if treatment.everything or row["call_id"] in treatment.without:
                    numbers = gone.setdefault(row["gateway_id"], {}).setdefault(file.endpoint, [])
                    numbers.append(row["gateway_seq"])
    ledger = Ledger(lake, clock=lake.clock)
    for gateway_id, endpoints in gone.items():
        ranges = {name: Ranges.of(numbers) for name, numbers in endpoints.items()}
        ledger.removed(gateway_id, ranges, why=why)


def _captured(lake: Lake, file: LakeFile) -> Iterator[dict[str, Any]]:
    columns = ["call_id", "gateway_id", "gateway_seq"]
    for batch in lake.reader.batches(file, columns, Selection.everything()):
        yield from batch.filter(pc.is_valid(batch["gateway_seq"])).to_pylist()


def _rows(files: Sequence[LakeFile]) -> dict[str, int]:
    counted = dict.fromkeys(TABLES, 0)
    for file in files:
        counted[file.table] += file.rows
    return counted
