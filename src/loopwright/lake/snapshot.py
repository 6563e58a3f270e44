"""A snapshot: the rows of a lake up to one ingest sequence, and the ways to read them.

Gives the same rows for ever, whatever is added or compacted afterwards. Reading text needs a role
that may, and is recorded. Which rows to want is the caller's affair.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import pyarrow as pa
import pyarrow.compute as pc

from loopwright.errors import LakeError
from loopwright.lake.audit import AuditLog
from loopwright.lake.columns import SCHEMA, skey
from loopwright.lake.files import LakeFile
from loopwright.lake.keys import Role, text_refused
from loopwright.lake.reading import FileReader, Selection
from loopwright.lake.tables import CALL_TABLE, FEEDBACK_TABLE, Table

_Rows = TypeVar("_Rows", pa.RecordBatch, pa.Table)


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """The calls of one lake with `seq <= cut`, and the feedback on them up to the same cut."""

    lake_id: str
    cut: int
    files: tuple[LakeFile, ...]
    feedback_files: tuple[LakeFile, ...]
    reader: FileReader
    audit: AuditLog
    role: Role

    def scan(
        self,
        columns: Sequence[str],
        *,
        where: pc.Expression | None = None,
        skey_range: tuple[int, int] | None = None,
        ts_range: tuple[int, int] | None = None,
        purpose: str = "",
        dts: Collection[str] | None = None,
        endpoints: Collection[str] | None = None,
    ) -> Iterator[pa.RecordBatch]:
        """Rows file by file, each file in skey order, in batches of bounded size.

        Ranges are half-open: `skey_range` on the sampling ring (no wrap), `ts_range` in
        microseconds since the epoch; both skip files, `skey_range` row groups too. Reading text is
        recorded with `purpose`. Raises LakeKeyError when the role may not open a column, and
        LakeIntegrityError that names a file which is not as it was written.
        """
        selection = Selection(seq=(0, self.cut + 1), skey=skey_range, ts=ts_range, where=where)
        opens_text = self._opens_text(CALL_TABLE, {*columns, *selection.where_columns})
        files = [
            file
            for file in self.files
            if selection.may_hold(file)
            and (dts is None or file.dt in dts)
            and (endpoints is None or file.endpoint in endpoints)
        ]
        batches = (
            batch for file in files for batch in self.reader.batches(file, columns, selection)
        )
        if not opens_text:
            return batches
        query = {
            "columns": list(columns),
            "where": None if where is None else str(where),
            "skey_range": skey_range,
            "ts_range": ts_range,
            "cut": self.cut,
        }
        return self._recorded(batches, purpose=purpose, query=query)

    def take(
        self, call_ids: Sequence[str], columns: Sequence[str], *, purpose: str = ""
    ) -> pa.Table:
        """The named calls, in the order asked for, decoding only the row groups that hold them.

        All of them are held in memory at once. Raises LakeError when one is not in this snapshot;
        else as `scan`.
        """
        opens_text = self._opens_text(CALL_TABLE, columns)
        skeys = sorted({skey(call_id) for call_id in call_ids})
        read = list(dict.fromkeys([*columns, "call_id"]))
        tables: Iterator[pa.Table] = (
            table
            for file in self.files
            for table in self.reader.picked(file, read, skeys=skeys, cut=self.cut)
        )
        if opens_text:
            query = {"columns": list(columns), "calls": len(call_ids), "cut": self.cut}
            tables = self._recorded(tables, purpose=purpose, query=query)
        empty = pa.schema([SCHEMA.field(name) for name in read]).empty_table()
        found = pa.concat_tables([empty, *tables])
        return _in_order(found, call_ids).select(list(columns))

    def feedback(
        self,
        columns: Sequence[str],
        *,
        skey_range: tuple[int, int] | None = None,
        purpose: str = "",
    ) -> Iterator[pa.RecordBatch]:
        """Rows of feedback file by file, each file in the order of their calls' skey.

        Also such as is about calls that are not in the lake. `skey_range` as in `scan`; `text` is
        text, so reading it is recorded with `purpose`. Raises as `scan`.
        """
        opens_text = self._opens_text(FEEDBACK_TABLE, columns)
        selection = Selection(seq=(0, self.cut + 1), skey=skey_range)
        batches = (
            batch
            for file in self.feedback_files
            if selection.may_hold(file)
            for batch in self.reader.batches(file, columns, selection)
        )
        if not opens_text:
            return batches
        query = {"feedback": list(columns), "skey_range": skey_range, "cut": self.cut}
        return self._recorded(batches, purpose=purpose, query=query)

    def _opens_text(self, table: Table, columns: Collection[str]) -> bool:
        if unknown := set(columns).difference(table.columns):
            raise LakeError(f"{table.name} have no column {', '.join(sorted(unknown))}")
        opens = not set(columns).isdisjoint(table.text)
        if opens and not self.role.opens_text:
            raise text_refused(self.role)
        return opens

    def _recorded(
        self, parts: Iterator[_Rows], *, purpose: str, query: Mapping[str, object]
    ) -> Iterator[_Rows]:
        with self.audit.opening(purpose=purpose, query=query) as opened:
            for part in parts:
                opened.rows += part.num_rows
                yield part


def _in_order(found: pa.Table, call_ids: Sequence[str]) -> pa.Table:
    places = {call_id: place for place, call_id in enumerate(found["call_id"].to_pylist())}
    missing = [call_id for call_id in call_ids if call_id not in places]
    if missing:
        raise LakeError(
            f"{len(missing)} of {len(call_ids)} calls are not in this snapshot, "
            f"the first is {missing[0]}"
        )
    return found.take(pa.array([places[call_id] for call_id in call_ids], pa.int64()))
