"""The file manifest: which Parquet files make up the lake, and since when.

A chain of numbered commits, each one small JSON file that is created whole or not at all, names
its predecessor's seal and is sealed under a lake key; every so often a commit lists all files, so
that reading the newest state is short. Which commit is the newest is remembered beside the folder
too: a chain does not show that its end is gone. Knows no Parquet.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson
from pydantic import TypeAdapter, ValidationError

from loopwright.clock import from_text, to_text
from loopwright.disk import Disk
from loopwright.errors import LakeError, LakeIntegrityError
from loopwright.lake.partitions import CALLS, FEEDBACK, partition_name

_WHOLE_EVERY = 32
_DIGITS = 12
_START = ""  # what the first commit names as its predecessor


@dataclass(frozen=True, slots=True, kw_only=True)
class LakeFile:
    """One Parquet file: where it lies, what it holds, and what proves that it is the one.

    Times are microseconds since the epoch. `seq` ranges of a partition's files never overlap.
    `models` and `model_versions` are the values in the file, or None when there are too many.
    `key_id` names the keys it was written under; files of older lakes do not say. In a file
    `without_text` all text is empty: it was kept as long as it was to be.
    """

    path: str
    dt: str
    endpoint: str
    rows: int
    bytes: int
    sha256: str
    footer_sha256: str
    skey_min: int
    skey_max: int
    ts_min: int
    ts_max: int
    seq_min: int
    seq_max: int
    models: tuple[str, ...] | None = None
    model_versions: tuple[str, ...] | None = None
    table: str = CALLS
    key_id: str = ""
    without_text: bool = False

    @property
    def partition(self) -> str:
        return partition_name(self.table, self.dt, self.endpoint)


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """One step of the lake: files that came and went, or (`whole`) all files that there are."""

    number: int
    at: str
    last_seq: int
    previous: str
    whole: bool
    added: tuple[LakeFile, ...]
    removed: tuple[str, ...]
    seal: str = ""

    @property
    def moment(self) -> datetime:
        return from_text(self.at)


_COMMIT = TypeAdapter(Commit)


@dataclass(frozen=True, slots=True)
class Head:
    """The newest committed state."""

    number: int
    at: datetime | None
    last_seq: int
    seal: str
    files: tuple[LakeFile, ...]

    @property
    def calls(self) -> tuple[LakeFile, ...]:
        return tuple(file for file in self.files if file.table == CALLS)

    @property
    def feedback(self) -> tuple[LakeFile, ...]:
        return tuple(file for file in self.files if file.table == FEEDBACK)


EMPTY = Head(0, None, 0, _START, ())


@dataclass(frozen=True, slots=True)
class Remembered:
    """The newest commit as it is written down beside the manifest's folder."""

    number: int
    seal: str


_REMEMBERED = TypeAdapter(Remembered)


class FileManifest:
    """The commits of one lake. Committing needs the lake's lock; reading needs nothing."""

    def __init__(self, folder: Path, *, secret: bytes, disk: Disk) -> None:
        self.folder = folder
        self._memory = folder.with_name(f"{folder.name}-head.json")
        self._secret = secret
        self._disk = disk

    def head(self) -> Head:
        """Raises LakeIntegrityError that names a commit which is missing, damaged or foreign."""
        newest = self._newest_number()
        if not newest:
            return EMPTY
        chain: list[Commit] = []
        for commit in self._backwards(newest):
            chain.append(commit)
            if commit.whole:
                break
        files: dict[str, LakeFile] = {}
        for commit in reversed(chain):
            files.update((file.path, file) for file in commit.added)
            for path in commit.removed:
                files.pop(path, None)
        top = chain[0]
        return Head(top.number, top.moment, top.last_seq, top.seal, tuple(files.values()))

    def last_seq_at(self, moment: datetime) -> int:
        """The greatest ingest sequence that was committed at or before `moment`."""
        for commit in self._backwards(self._newest_number()):
            if commit.moment <= moment:
                return commit.last_seq
        return 0

    def commit(
        self,
        head: Head,
        *,
        added: tuple[LakeFile, ...],
        removed: tuple[str, ...] = (),
        last_seq: int,
        at: datetime,
    ) -> Head:
        """Make the next state durable and visible at once; `at` never runs backwards."""
        gone = set(removed)
        files = tuple(file for file in head.files if file.path not in gone) + added
        number = head.number + 1
        whole = number % _WHOLE_EVERY == 0
        moment = max(at, head.at) if head.at else at
        unsealed = Commit(
            number=number,
            at=to_text(moment),
            last_seq=last_seq,
            previous=head.seal,
            whole=whole,
            added=files if whole else added,
            removed=() if whole else removed,
        )
        body = asdict(unsealed)
        body["seal"] = self._seal(body)
        if not self._disk.create_exclusive(self._path(number), orjson.dumps(body)):
            raise LakeError(f"cannot commit: {self._path(number)} was written by somebody else")
        made = Head(number, moment, last_seq, body["seal"], files)
        with suppress(LakeError):  # the commit stands: what is remembered lags until the next one
            self.remember(made)
        return made

    def remember(self, head: Head) -> None:
        """Write down durably that this is the newest commit. Needs the lake's lock."""
        noted = Remembered(head.number, head.seal)
        if head.number and noted != self.remembered():
            self._disk.write_atomic(self._memory, orjson.dumps(noted))

    def remembered(self) -> Remembered | None:
        """The newest commit that was written down: the head, or the one before after a crash."""
        try:
            return _REMEMBERED.validate_json(self._memory.read_bytes())
        except FileNotFoundError:
            return None
        except OSError as error:
            raise LakeError(f"cannot read {self._memory}: {error}") from error
        except ValidationError as error:
            raise LakeIntegrityError(
                f"{self._memory} is damaged", hint="restore it from a backup"
            ) from error

    def check_end(self, *, at_least: int = 0) -> None:
        """Raises LakeIntegrityError that names what is missing at the end of the chain.

        There must be `at_least` so many commits.
        """
        if (newest := self._newest_number()) < at_least:
            raise self._cut_short(at_least, newest, named_by="the key store")

    def findings(self) -> list[str]:
        """What is wrong with the chain of commits, from the newest back to the first."""
        try:
            for _ in self._backwards(self._newest_number()):
                pass
        except LakeIntegrityError as error:
            return [error.message]
        return []

    def _backwards(self, number: int) -> Iterator[Commit]:
        noted = self.remembered()
        expected: str | None = None
        for current in range(number, 0, -1):
            commit = self._load(current)
            if expected is not None and commit.seal != expected:
                raise LakeIntegrityError(
                    f"manifest commit {self._path(current)} is not the one that its successor names"
                )
            if noted and noted.number == current and noted.seal != commit.seal:
                raise LakeIntegrityError(
                    f"manifest commit {self._path(current)} is not the one "
                    f"that {self._memory} names"
                )
            expected = commit.previous
            yield commit

    def _load(self, number: int) -> Commit:
        path = self._path(number)
        try:
            body = orjson.loads(path.read_bytes())
            commit = _COMMIT.validate_python(body)
        except FileNotFoundError as error:
            raise LakeIntegrityError(f"manifest commit {path} is missing") from error
        except OSError as error:
            raise LakeError(f"cannot read {path}: {error}") from error
        except (orjson.JSONDecodeError, ValidationError) as error:
            raise LakeIntegrityError(f"manifest commit {path} is damaged") from error
        if commit.number != number or not hmac.compare_digest(commit.seal, self._seal(body)):
            raise LakeIntegrityError(f"manifest commit {path} was changed: its seal does not fit")
        return commit

    def _seal(self, body: dict[str, Any]) -> str:
        unsealed = {name: value for name, value in body.items() if name != "seal"}
        canonical = orjson.dumps(unsealed, option=orjson.OPT_SORT_KEYS)
        return hmac.digest(self._secret, canonical, "sha256").hex()

    def _newest_number(self) -> int:
        noted = self.remembered()  # before looking: others may commit in between
        try:
            names = [path.stem for path in self.folder.iterdir() if path.suffix == ".json"]
        except FileNotFoundError as error:
            raise LakeIntegrityError(f"the manifest folder {self.folder} is missing") from error
        newest = max((int(name) for name in names if name.isdigit()), default=0)
        if noted and newest < noted.number:
            raise self._cut_short(noted.number, newest, named_by=str(self._memory))
        return newest

    def _cut_short(self, number: int, newest: int, *, named_by: str) -> LakeIntegrityError:
        return LakeIntegrityError(
            f"manifest commit {self._path(number)} is missing: "
            f"{named_by} names it, the newest one found is {newest}",
            hint=f"restore {self.folder} from a backup; until then nothing is changed",
        )

    def _path(self, number: int) -> Path:
        return self.folder / f"{number:0{_DIGITS}d}.json"
