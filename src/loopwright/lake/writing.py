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

from loopwright.disk import Disk
from loopwright.lake.encryption import Encryption
from loopwright.lake.files import LakeFile
from loopwright.lake.keystore import KeyStore
from loopwright.lake.partitions import partition_name, partition_path
from loopwright.lake.reading import footer_digest
from loopwright.lake.tables import Table

ROW_GROUP = 4096
SMALL_ROW_GROUP = 2048  # for files of one batch: a sample takes little from each of many
_MANY_VALUES = 32


class FileWriter:
    """Writes files of one lake."""

    def __init__(self, root: Path, *, keys: KeyStore, encryption: Encryption, disk: Disk) -> None:
        self._root = root
        self._keys = keys
        self._encryption = encryption
        self._disk = disk

    def write(
        self,
        table: Table,
        parts: Iterable[pa.Table],
        *,
        dt: str,
        endpoint: str,
        row_group: int = ROW_GROUP,
        without_text: bool = False,
    ) -> LakeFile:
        """One durable file of the rows in `parts`, which must come in skey order.

        The partition must have keys. Raises LakeError when the disk refuses; then there is no file.
        """
        key_id = self._keys.partition_id(partition_name(table.name, dt, endpoint))
        name = f"{table.name}/{partition_path(dt, endpoint)}/{secrets.token_hex(10)}.parquet"
        path = self._root / name
        self._disk.make_folders(path.parent)
        facts = _Facts(table)
        with self._disk.staged(path) as handle:
            sink = _Hashing(handle)
            with pq.ParquetWriter(
                pa.PythonFile(sink, mode="w"),
                table.schema,
                compression="zstd",
                compression_level=1,
                use_dictionary=list(table.repeated),
                write_statistics=list(table.pruned_by),
                encryption_properties=self._encryption.for_writing(table, key_id),
            ) as writer:
                for part in _whole_groups(parts, row_group):
                    facts.add(part)
                    writer.write_table(part, row_group_size=row_group)
        return LakeFile(
            path=name,
            table=table.name,
            key_id=key_id,
            without_text=without_text,
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

    def __init__(self, table: Table) -> None:
        self._table = table
        self._rows = 0
        self._ranges: dict[str, tuple[int, int]] = {}
        self._values: dict[str, set[str]] = {name: set() for name in table.listed}

    def add(self, part: pa.Table) -> None:
        self._rows += part.num_rows
        for name in ("skey", "ts", "seq"):
            column = part[name].cast(pa.int64()) if name == "ts" else part[name]
            found = pc.min_max(column).as_py()
            low, high = self._ranges.get(name, (found["min"], found["max"]))
            self._ranges[name] = (min(low, found["min"]), max(high, found["max"]))
        for name, values in self._values.items():
            if len(values) <= _MANY_VALUES:
                values.update(pc.unique(part[name].drop_null()).to_pylist())

    def described(self) -> dict[str, Any]:
        described: dict[str, Any] = {"rows": self._rows}
        for name, (low, high) in self._ranges.items():
            described |= {f"{name}_min": low, f"{name}_max": high}
        for name, values in self._values.items():
            few = len(values) <= _MANY_VALUES
            described[self._table.listed[name]] = tuple(sorted(values)) if few else None
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
