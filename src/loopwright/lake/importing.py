"""Importing recorded calls from files, plain or gzip: one exchange a line or entry.

A call's id is the hash of its line and of its ordinal among equal lines of the file, so importing
again adds nothing and an interrupted import is finished by running it again. Lines that should
be an exchange and are none are named by number, counted and left out; those that are sound but no
calls are counted by reason. A line without a time gets its place in the file as microseconds
since the epoch.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cache, partial
from pathlib import Path
from typing import Any

import orjson

from loopwright.errors import LakeError
from loopwright.hashing import canonical_json, file_digest
from loopwright.lake.batch import batches
from loopwright.lake.exchange import HashKeys, describe
from loopwright.lake.ingest import AppendResult, append
from loopwright.lake.jsonl import LONGEST_LINE, CutShortError, numbered_lines
from loopwright.lake.looking import beside, look
from loopwright.lake.partitions import endpoint_fits
from loopwright.lake.shapes.base import BadLineError, Exchange, NotACallError
from loopwright.lake.shapes.mapped import FieldPaths
from loopwright.lake.shapes.registry import AUTO, Format, too_deep
from loopwright.lake.store import Lake

DEFAULT_ENDPOINT = "imported"
BATCH_ROWS = 50_000
BATCH_BYTES = 96 << 20
_NAMED_BAD_LINES = 100
_EPOCH = date(1970, 1, 1)
_DAY = 86_400_000_000
_PAST = "older than the lake keeps calls"


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line that was left out, and why; `line` counts from 1."""

    file: str
    line: int
    reason: str


@dataclass(frozen=True, slots=True)
class ImportedFile:
    name: str
    sha256: str
    format: str


@dataclass(frozen=True, slots=True)
class ImportProgress:
    """How far an import is, by bytes of the files as they lie on disk."""

    bytes_done: int
    bytes_total: int
    read: int
    added: int
    duplicates: int
    bad: int


@dataclass(frozen=True, slots=True)
class ImportResult:
    """What an import did. `bad` names the first hundred of `bad_total` lines left out.

    `no_calls` counts the lines that are sound but no calls, or none that the lake would keep, by
    reason, the most frequent first.
    """

    read: int
    added: int
    duplicates: int
    bad: tuple[BadLine, ...]
    bad_total: int
    no_calls: Mapping[str, int]
    files: tuple[ImportedFile, ...]
    first_seq: int | None
    last_seq: int | None


def import_calls(
    lake: Lake,
    paths: Sequence[Path],
    *,
    endpoint: str | None = None,
    format: str = AUTO,
    mapping: Mapping[str, str] | None = None,
    progress: Callable[[ImportProgress], None] | None = None,
    batch_rows: int = BATCH_ROWS,
) -> ImportResult:
    """Add the exchanges in `paths` to the lake, a batch at a time, each batch one commit.

    The endpoint of a call is the line's, else `endpoint`, else "imported". `format` is a name in
    `registry.SHAPES`, or auto: each file's by its first lines; `mapping` says where a line holds
    single fields (see `FieldPaths`). The files are taken in the order of their digests, so the
    order of `paths` does not matter. Raises LakeError before anything is added when a file cannot
    be read or its format not be told, and when the lake cannot be written; the batches before
    that stay.
    """
    if endpoint is not None and not endpoint_fits(endpoint):
        raise LakeError("the endpoint name is empty or too long")
    fields = FieldPaths(mapping) if mapping else None
    sources = [
        _Source(path, digest, size, look(path, format=format, mapping=fields).format)
        for path, digest, size in _in_order(paths)
    ]
    tally = _Tally(total=sum(source.size for source in sources))
    reader = _Reader(
        keys=lake.hash_keys,
        endpoint=endpoint or DEFAULT_ENDPOINT,
        tally=tally,
        is_past=_is_past(lake),
    )
    records = (record for source in sources for record in reader.records(source))
    for batch in batches(records, rows=batch_rows, text_bytes=BATCH_BYTES):
        tally.appended(append(lake, batch))
        if progress:
            progress(tally.progress())
    if progress:
        progress(tally.progress())
    return tally.result(
        tuple(ImportedFile(one.path.name, one.digest, one.format.name) for one in sources)
    )


@dataclass(frozen=True, slots=True)
class _Source:
    path: Path
    digest: str
    size: int
    format: Format


@dataclass(slots=True)
class _Tally:
    """Counts while an import runs."""

    total: int
    done: int = 0
    read: int = 0
    added: int = 0
    duplicates: int = 0
    bad_total: int = 0
    bad: list[BadLine] = field(default_factory=list)
    no_calls: Counter[str] = field(default_factory=Counter)
    first_seq: int | None = None
    last_seq: int | None = None

    def passed(self, count: int) -> None:
        self.done += count

    def left_out(self, line: BadLine) -> None:
        self.bad_total += 1
        if len(self.bad) < _NAMED_BAD_LINES:
            self.bad.append(line)

    def appended(self, result: AppendResult) -> None:
        self.added += result.added
        self.duplicates += result.duplicates
        if result.added:
            self.first_seq = result.first_seq if self.first_seq is None else self.first_seq
            self.last_seq = result.last_seq

    def progress(self) -> ImportProgress:
        return ImportProgress(
            self.done, self.total, self.read, self.added, self.duplicates, self.bad_total
        )

    def result(self, files: tuple[ImportedFile, ...]) -> ImportResult:
        return ImportResult(
            read=self.read,
            added=self.added,
            duplicates=self.duplicates,
            bad=tuple(self.bad),
            bad_total=self.bad_total,
            no_calls=dict(self.no_calls.most_common()),
            files=files,
            first_seq=self.first_seq,
            last_seq=self.last_seq,
        )


@dataclass(frozen=True, slots=True)
class _Reader:
    keys: HashKeys
    endpoint: str
    tally: _Tally
    is_past: Callable[[int], bool]

    def records(self, source: _Source) -> Iterator[dict[str, Any]]:
        """The calls of one file, in its order."""
        path, ordinals = source.path, _Ordinals()
        parse = partial(source.format.parse, beside=partial(beside, path.parent))
        try:
            for index, line in numbered_lines(path, passed=self.tally.passed):
                self.tally.read += 1
                try:
                    record = self._record(line, index, ordinals, parse)
                except NotACallError as reason:
                    self.tally.no_calls[str(reason)] += 1
                except BadLineError as error:
                    self.tally.left_out(BadLine(path.name, index + 1, str(error)))
                else:
                    yield record
        except CutShortError as error:
            self.tally.read += 1
            self.tally.left_out(
                BadLine(path.name, error.index + 1, "the gzip data is cut or damaged")
            )

    def _record(
        self, raw: bytes, index: int, ordinals: _Ordinals, parse: Callable[[Any], Exchange]
    ) -> dict[str, Any]:
        if len(raw) > LONGEST_LINE:
            raise BadLineError(f"longer than {LONGEST_LINE >> 20} MiB")
        try:
            line = orjson.loads(raw)
        except orjson.JSONDecodeError as error:
            raise BadLineError("not valid JSON") from error
        try:
            exchange = parse(line)
            record = describe(exchange.request, exchange.response, keys=self.keys)
            record["call_id"] = ordinals.call_id(canonical_json(line))
        except TypeError as error:
            raise too_deep(error) from error
        record["ts"] = index if exchange.ts is None else exchange.ts
        if self.is_past(record["ts"]):
            raise NotACallError(_PAST)
        record["endpoint"] = exchange.endpoint or self.endpoint
        if exchange.subject is not None:
            record["subject_key"] = self.keys.subject_key(exchange.subject)
        if exchange.session_id is not None:
            record["session_id"] = exchange.session_id
        record.update(exchange.columns)
        return record


def _is_past(lake: Lake) -> Callable[[int], bool]:
    """Whether the retention would take a call of this time (microseconds) away at once."""
    retention, now = lake.retention, lake.clock.now()

    @cache
    def day_is_past(day: int) -> bool:
        return retention.metadata_is_past(str(_EPOCH + timedelta(days=day)), now)

    return lambda ts: day_is_past(ts // _DAY)


class _Ordinals:
    """Tells equal lines of one file apart by counting them; about 70 bytes a line."""

    def __init__(self) -> None:
        self._seen: set[int] = set()
        self._repeats: Counter[int] = Counter()

    def call_id(self, canonical: bytes) -> str:
        digest = hashlib.sha256(canonical)
        short = int.from_bytes(digest.digest()[:8])
        if short in self._seen:
            self._repeats[short] += 1
            digest.update(b"\n%d" % self._repeats[short])
        else:
            self._seen.add(short)
        return "imp-" + digest.hexdigest()


def _in_order(paths: Sequence[Path]) -> list[tuple[Path, str, int]]:
    """Path, digest and size of each file, in the order of the digests; equal files once."""
    found: dict[str, tuple[Path, str, int]] = {}
    for path in paths:
        try:
            digest, size = file_digest(path), path.stat().st_size
        except OSError as error:
            raise LakeError(f"cannot read {path}: {error.strerror}") from error
        known = found.setdefault(digest, (path, digest, size))
        if path.name < known[0].name:
            found[digest] = (path, digest, size)
    return [found[digest] for digest in sorted(found)]
