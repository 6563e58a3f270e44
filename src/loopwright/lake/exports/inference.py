"""Inference datasets: calls of a lake picked by their ids into a small encrypted lake of their own.

Whole or not there: it is made beside its place and gets its name at the end. Hashes of subjects
and contents are keyed as in the source, so both tell the same people and the same texts.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from loopwright.errors import LakeError, LakeIntegrityError
from loopwright.hashing import digest
from loopwright.lake.audit import AuditLog, RowCount
from loopwright.lake.batch import Batch
from loopwright.lake.columns import COLUMNS, METADATA_COLUMNS, SCHEMA, TEXT_COLUMNS, skey
from loopwright.lake.feedback_columns import COLUMNS as FEEDBACK_COLUMNS
from loopwright.lake.ingest import append, append_feedback
from loopwright.lake.keys import Role
from loopwright.lake.snapshot import Snapshot
from loopwright.lake.store import Lake

_BYTES_AT_ONCE = 64 << 20
_PACKED = 6  # text takes about so many times its space in a file
_FEWEST, _MOST = 256, 16_384
_KEPT = frozenset(name for name in COLUMNS if not SCHEMA.field(name).nullable)
_GIVEN_ANEW = ("skey", "seq")


@dataclass(frozen=True, slots=True)
class InferenceDataset:
    """One that was made. `digest` tells its calls and fields, on whatever machine."""

    root: Path
    lake_id: str
    rows: int
    digest: str


@dataclass(frozen=True, slots=True)
class Chosen:
    """What goes into an inference dataset: calls of a lake up to a cut, all or named columns."""

    source: Lake
    cut: int
    call_ids: Sequence[str]
    fields: Sequence[str] | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that are kept. Raises LakeError on a field that calls do not have."""
        if self.fields is None:
            return COLUMNS
        if unknown := sorted(set(self.fields).difference(COLUMNS)):
            raise LakeError(
                f"calls have no field {unknown[0]}", hint=f"their fields are {', '.join(COLUMNS)}"
            )
        always = _KEPT.difference(TEXT_COLUMNS)
        return tuple(name for name in COLUMNS if name in always or name in self.fields)


def make(
    chosen: Chosen,
    root: Path,
    *,
    purpose: str,
    replaces: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> InferenceDataset:
    """Make an inference dataset in `root`, under the source's master key and retention.

    Call id, endpoint and time are always kept; text that is not among the fields is empty.
    Feedback comes along when all fields do. With `replaces` it takes the place of what is there.
    Raises LakeError when something is, and it may not; else as reading and writing a lake.
    """
    columns, aside = chosen.columns, _aside(root)
    if aside.exists() and not root.exists():  # killed between the two renames
        aside.rename(root)
    if root.exists() and not replaces:
        raise taken(root)
    staging = root.with_name(f".{root.name}.tmp")
    shutil.rmtree(staging, ignore_errors=True)  # what a killed attempt left
    try:
        made = _filled(chosen, staging, columns, purpose=purpose, progress=progress)
        _settle(made, staging, root)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    told = {"calls": sorted(chosen.call_ids), "columns": sorted(columns)}
    return InferenceDataset(root, made.lake_id, len(chosen.call_ids), digest(told))


def taken(root: Path) -> LakeError:
    """What is told of a place that holds what may not be replaced."""
    return LakeError(
        f"{root} already holds something else", hint="take another name, or remove it first"
    )


def _filled(
    chosen: Chosen,
    root: Path,
    columns: Sequence[str],
    *,
    purpose: str,
    progress: Callable[[int, int], None] | None,
) -> Lake:
    source = chosen.source
    made = Lake.create(
        root,
        master=source.keys.master,
        retention=source.retention,
        hashed_like=source,
        clock=source.clock,
        disk=source.disk,
    )
    query = {"columns": list(columns), "calls": len(chosen.call_ids), "cut": chosen.cut}
    with _opened(source, columns, purpose=purpose, query=query) as audit:
        snapshot = replace(source.snapshot(through=chosen.cut), audit=audit)
        done = 0
        for batch in _batches(snapshot, chosen.call_ids, columns):
            done += append(made, batch).added
            if progress:
                progress(done, len(chosen.call_ids))
        if chosen.fields is None:
            append_feedback(made, _feedback(snapshot, set(chosen.call_ids)))
    if done != len(chosen.call_ids):
        raise LakeIntegrityError(f"{done:,} of {len(chosen.call_ids):,} calls could be copied")
    return made


def _settle(made: Lake, staging: Path, root: Path) -> None:
    """Give it its name; what had the name before is gone a moment later."""
    aside = _aside(root)
    shutil.rmtree(aside, ignore_errors=True)
    if root.exists():
        made.disk.rename(root, aside)
    made.disk.rename(staging, root)
    made.disk.sync_folder(root.parent)
    shutil.rmtree(aside, ignore_errors=True)


def _aside(root: Path) -> Path:
    """Where what is replaced lies for a moment."""
    return root.with_name(f".{root.name}.replaced")


def _batches(
    snapshot: Snapshot, call_ids: Sequence[str], columns: Sequence[str]
) -> Iterator[Batch]:
    """In the order of the files, so that every row group is decoded about once."""
    ordered, count = sorted(call_ids, key=skey), _at_once(snapshot)
    for start in range(0, len(ordered), count):
        taken = snapshot.take(ordered[start : start + count], columns)
        metadata = pa.table(
            [
                taken[name] if name in columns else pa.nulls(len(taken), SCHEMA.field(name).type)
                for name in METADATA_COLUMNS
            ],
            schema=pa.schema([SCHEMA.field(name) for name in METADATA_COLUMNS]),
        )
        texts = (_texts(taken, name) for name in TEXT_COLUMNS)
        yield Batch(metadata.combine_chunks(), *texts)


def _at_once(snapshot: Snapshot) -> int:
    """So many calls of this lake are copied at a time that their text fits into memory well."""
    rows = sum(file.rows for file in snapshot.files)
    size = sum(file.bytes for file in snapshot.files) * _PACKED
    return min(_MOST, max(_FEWEST, _BYTES_AT_ONCE * rows // size)) if size else _MOST


def _texts(taken: pa.Table, name: str) -> list[bytes]:
    if name not in taken.column_names:
        return [b""] * len(taken)
    return list(taken[name].cast(pa.binary()).to_pylist())


def _feedback(snapshot: Snapshot, call_ids: set[str]) -> Iterator[dict[str, Any]]:
    """What was said of these calls, as it was given."""
    wanted = [name for name in FEEDBACK_COLUMNS if name not in _GIVEN_ANEW]
    for batch in snapshot.feedback(wanted):
        for row in batch.to_pylist():
            if row["call_id"] in call_ids:
                yield row


class _OnRecord(AuditLog):
    """For reading whose opening is on record already."""

    def __init__(self, count: RowCount) -> None:
        self._count = count

    @contextmanager
    def opening(self, *, purpose: str, query: Mapping[str, Any]) -> Iterator[RowCount]:
        del purpose, query
        yield self._count


@contextmanager
def _opened(
    lake: Lake, columns: Sequence[str], *, purpose: str, query: Mapping[str, Any]
) -> Iterator[AuditLog]:
    """One line for all the text that is copied, instead of one for each stretch of it."""
    if set(columns).isdisjoint(TEXT_COLUMNS) or lake.keys.role is Role.READER:
        yield lake.audit
        return
    with lake.audit.opening(purpose=purpose, query=query) as count:
        yield _OnRecord(count)
