"""Erasing a subject from one lake: finding its rows, and letting them go for good.

A journal in the lake says what is to go before anything does, so that an erasure which died is
finished by the next; afterwards it is the receipt, and names no call and nobody. What was made
of the calls outside of the lake is others' affair.
"""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import orjson
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import TypeAdapter, ValidationError

from loopwright.clock import to_text
from loopwright.errors import LakeIntegrityError, LakeKeyError
from loopwright.lake.audit import current_user
from loopwright.lake.erasing.clearing import clear
from loopwright.lake.erasing.rewriting import Treatment, rewrite
from loopwright.lake.erasing.tombstones import Tombstones
from loopwright.lake.files import Head, LakeFile
from loopwright.lake.keys import Role
from loopwright.lake.partitions import FOLDERS, partition_name
from loopwright.lake.reading import Selection
from loopwright.lake.store import Lake

_FOLDER = "erasures"
_WHY = "erased"


@dataclass(frozen=True, slots=True)
class Share:
    """What a partition holds of a subject: `rows` of its calls or of feedback on them."""

    table: str
    dt: str
    endpoint: str
    rows: int
    of: int
    """All rows that the partition holds: so many are written anew, less those that go."""

    @property
    def partition(self) -> str:
        return partition_name(self.table, self.dt, self.endpoint)


@dataclass(frozen=True, slots=True)
class Traces:
    """What one lake holds of a subject."""

    subject_key: int
    call_ids: frozenset[str]
    shares: tuple[Share, ...]

    def rows(self, table: str) -> int:
        return sum(share.rows for share in self.shares if share.table == table)


@dataclass(frozen=True, slots=True, kw_only=True)
class Journal:
    """One erasure in one lake. `calls` are named from its beginning until all is done."""

    id: str
    at: str
    who: str
    subject_key: int
    done: bool = False
    calls: tuple[str, ...] = ()
    removed: Mapping[str, int] = field(default_factory=dict)
    partitions: tuple[str, ...] = ()


_JOURNAL = TypeAdapter(Journal)


def trace(lake: Lake, subject: str) -> Traces:
    """What the lake holds of an end user, by the metadata key alone.

    Calls of erasures that were begun and not finished count, though their rows may be gone.
    """
    return _trace(lake, lake.manifest.head(), lake.hash_keys.subject_key(subject))


def trace_unfinished(lake: Lake) -> list[Traces]:
    """What the lake holds of those whose erasure was begun and not finished."""
    head, keys = lake.manifest.head(), {one.subject_key for one in unfinished(lake)}
    return [_trace(lake, head, key) for key in sorted(keys)]


def erase(lake: Lake, subject: str) -> Journal:
    """Let every row of an end user go, with the feedback on it, and the keys that it was under.

    The journal names the calls, for what was made of them elsewhere: `finish` it when that is
    gone too. Raises LakeKeyError for a role other than admin, and LakeError; then calling it
    again goes on where it was.
    """
    return _erase(lake, lake.hash_keys.subject_key(subject))


def resume(lake: Lake) -> list[Journal]:
    """Go on with every erasure that is not finished; the journals as `erase` gives them."""
    return [_erase(lake, key) for key in sorted({one.subject_key for one in unfinished(lake)})]


def finish(lake: Lake, journal: Journal) -> Journal:
    """Everything outside of the lake is gone too: forget which calls it was about."""
    done = replace(journal, calls=(), done=True)
    _write(lake, done)
    return done


def unfinished(lake: Lake) -> list[Journal]:
    """Erasures that were begun and not finished."""
    return [journal for journal in journals(lake) if not journal.done]


def journals(lake: Lake) -> Iterator[Journal]:
    """Every erasure of this lake, the oldest first."""
    paths = sorted((lake.root / _FOLDER).glob("*.json"))
    yield from sorted((_read(path) for path in paths), key=lambda journal: journal.at)


def _erase(lake: Lake, subject_key: int) -> Journal:
    if lake.keys.role is not Role.ADMIN:
        raise LakeKeyError(
            f"role {lake.keys.role} may not erase", hint="open the lake with role admin"
        )
    with lake.writing() as head:
        traces = _trace(lake, head, subject_key)
        journal = _begun(lake, traces)
        Tombstones(lake).add(traces.call_ids)
        treatments = {
            share.partition: Treatment(without=traces.call_ids) for share in traces.shares
        }
        if not treatments:
            clear(lake, head)  # of what an erasure before this one died over
            return journal
        rewrite(lake, head, treatments, why=_WHY)
        return journal


def _begun(lake: Lake, traces: Traces) -> Journal:
    """The journal of this subject that is not finished, or a new one; all its calls are in it."""
    ours = (one for one in unfinished(lake) if one.subject_key == traces.subject_key)
    journal = next(ours, None) or Journal(
        id=secrets.token_hex(8),
        at=to_text(lake.clock.now()),
        who=current_user(),
        subject_key=traces.subject_key,
    )
    journal = replace(journal, calls=tuple(sorted(traces.call_ids)))
    if traces.shares:  # none where the rows went already, before the erasure died
        journal = replace(
            journal,
            removed={table: traces.rows(table) for table in FOLDERS},
            partitions=tuple(sorted({share.partition for share in traces.shares})),
        )
    _write(lake, journal)
    return journal


def _trace(lake: Lake, head: Head, subject_key: int) -> Traces:
    begun = [one.calls for one in unfinished(lake) if one.subject_key == subject_key]
    calls = {call_id for ids in begun for call_id in ids}
    rows: Counter[LakeFile] = Counter()
    for file in head.calls:
        found = _matching(lake, file, "subject_key", pa.array([subject_key], pa.int64()))
        calls.update(found)
        rows[file] += len(found)
    wanted = pa.array(sorted(calls), pa.string())
    for file in head.feedback:
        rows[file] += len(_matching(lake, file, "call_id", wanted))
    return Traces(subject_key, frozenset(calls), tuple(_shares(head, rows)))


def _matching(lake: Lake, file: LakeFile, column: str, wanted: pa.Array) -> list[str]:
    """Ids of the calls whose rows in `file` have one of the wanted values."""
    found: list[str] = []
    for batch in lake.reader.batches(file, list({"call_id", column}), Selection.everything()):
        matching = batch.filter(pc.is_in(batch[column], value_set=wanted))
        found.extend(matching["call_id"].to_pylist())
    return found


def _shares(head: Head, rows: Mapping[LakeFile, int]) -> Iterator[Share]:
    found: Counter[tuple[str, str, str]] = Counter()
    held: Counter[tuple[str, str, str]] = Counter()
    for file in head.files:
        place = (file.table, file.dt, file.endpoint)
        held[place] += file.rows
        found[place] += rows[file]
    for place, count in sorted(found.items()):
        if count:
            yield Share(*place, rows=count, of=held[place])


def _read(path: Path) -> Journal:
    try:
        return _JOURNAL.validate_json(path.read_bytes())
    except ValidationError as error:
        raise LakeIntegrityError(
            f"the journal {path} of an erasure is damaged", hint="restore it from a backup"
        ) from error


def _write(lake: Lake, journal: Journal) -> None:
    folder = lake.root / _FOLDER
    lake.disk.make_folders(folder)
    lake.disk.write_atomic(folder / f"{journal.id}.json", orjson.dumps(journal))
