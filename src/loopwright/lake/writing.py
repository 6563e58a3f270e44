"""Writing one Parquet file of the lake: encrypted, small row groups, durable, and described.

Takes rows already sorted by `skey` and gives the `LakeFile` that goes into a commit; the file is
not part of the lake before that. Sorting and committing are the callers' affair.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from loopwright.lake.columns import METADATA_COLUMNS, SCHEMA
from loopwright.lake.disk import Disk
from loopwright.lake.encryption import Encryption
from loopwright.lake.files import LakeFile
from loopwright.lake.partitions import CALLS, partition_path
from loopwright.lake.reading import footer_digest

ROW_GROUP = 4096
SMALL_ROW_GROUP = 2048  # for files of one batch: a sample takes little from each of many
_MANY_VALUES = 32
_UNIQUE = {"call_id", "skey", "seq", "gateway_seq", "ts", "prompt_hash", "exchange_hash"}
_REPEATED = [name for name in METADATA_COLUMNS if name not in _UNIQUE]
_PRUNED_BY = ["skey", "seq", "ts", "endpoint", "model", "model_version", "outcome", "finish_reason"]


class FileWriter:
    """Writes files of one lake."""

    def __init__(self, root: Path, *, encryption: Encryption, disk: Disk) -> None:
        self._root = root
        self._encryption = encryption
        self._disk = disk

    def write(
        self, tables: Iterable[pa.Table], *, dt: str, endpoint: str, row_group: int = ROW_GROUP
    ) -> LakeFile:
        """One durable file of the tables' rows, which must come in skey order.

        The partition must have keys. Raises LakeError when the disk refuses; then there is no file.
        """
        partition = partition_path(dt, endpoint)
        name = f"{CALLS}/{partition}/{secrets.token_hex(10)}.parquet"
        path = self._root / name
        self._disk.make_folders(path.parent)
        facts = _Facts()
        with self._disk.staged(path) as handle:
            sink = _Hashing(handle)
            with pq.ParquetWriter(
                pa.PythonFile(sink, mode="w"),
                SCHEMA,
                compression="zstd",
                compression_level=1,
                use_dictionary=_REPEATED,
                write_statistics=_PRUNED_BY,
                encryption_properties=self._encryption.for_writing(partition),
            ) as writer:
                for table in _whole_groups(tables, row_group):
                    facts.add(table)
                    writer.write_table(table, row_group_size=row_group)
        return LakeFile(
            path=name,
            dt=dt,
            endpoint=endpoint,
            bytes=sink.size,
            sha256="sha256:" + sink.digest.hexdigest(),
            footer_sha256=footer_digest(pa.OSFile(str(path))),
            **facts.described(),
        )


class _Hashing:
    """A file to write that digests what passes, so that nothing is read twice."""

    closed = False

    def __init__(self, handle: BinaryIO) -> None:
        self._handle = handle
        self.digest = hashlib.sha256()
        self.size = 0

    def write(self, data: Any) -> int:
        self.digest.update(data)
        self.size += len(data)
        return self._handle.write(data)

    def tell(self) -> int:
        return self.size

    def flush(self) -> None:
        self._handle.flush()

    def close(self) -> None:
        """Nothing: whoever opened the file closes it."""


class _Facts:
    """What the manifest says of a file, gathered table by table."""

    def __init__(self) -> None:
        self._rows = 0
        self._ranges: dict[str, tuple[int, int]] = {}
        self._values: dict[str, set[str]] = {"model": set(), "model_version": set()}

    def add(self, table: pa.Table) -> None:
        self._rows += table.num_rows
        for name in ("skey", "ts", "seq"):
            column = table[name].cast(pa.int64()) if name == "ts" else table[name]
            found = pc.min_max(column).as_py()
            low, high = self._ranges.get(name, (found["min"], found["max"]))
            self._ranges[name] = (min(low, found["min"]), max(high, found["max"]))
        for name, values in self._values.items():
            if len(values) <= _MANY_VALUES:
                values.update(pc.unique(table[name].drop_null()).to_pylist())

    def described(self) -> dict[str, Any]:
        described: dict[str, Any] = {"rows": self._rows}
        for name, (low, high) in self._ranges.items():
            described |= {f"{name}_min": low, f"{name}_max": high}
        for name, values in self._values.items():
            few = len(values) <= _MANY_VALUES
            described[f"{name}s"] = tuple(sorted(values)) if few else None
        return described


def _whole_groups(tables: Iterable[pa.Table], size: int) -> Iterator[pa.Table]:
    """The same rows in tables of whole row groups, but for the last."""
    held: list[pa.Table] = []
    rows = 0
    for table in tables:
        held.append(table)
        rows += table.num_rows
        if rows >= size:
            joined = pa.concat_tables(held)
            whole = rows - rows % size
            yield joined.slice(0, whole)
            held, rows = [joined.slice(whole)], rows - whole
    if rows:
        yield pa.concat_tables(held)
