"""The questions of evaluations that no dataset line may give away, by the digest of their file.

A file somebody wrote is copied beside the datasets, so that a version can be built again after it
changed. Questions drawn from a dataset's validation split stay where they are, so that an erasure
has one place to look.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from loopwright.errors import DatasetError
from loopwright.hashing import file_digest
from loopwright.lake.datasets.catalog import Catalog
from loopwright.lake.datasets.decontamination import SHARED_RUN, letters
from loopwright.lake.datasets.sieve import Questions

_FOLDER = ".held-out"
_ASKING = frozenset({"question", "prompt", "input", "text", "query", "instruction"})
_INSTRUCTING = ("system", "developer")


@dataclass(frozen=True)
class HeldOut:
    """What is kept beside the versions of a catalog."""

    catalog: Catalog

    def keep(self, path: Path) -> str:
        """Copy a file of questions unless it is here; its digest. Raises DatasetError."""
        digest = digest_of(path)
        if path.absolute().is_relative_to(self.catalog.root.absolute()):
            return digest
        kept = self._path(digest, path.suffix)
        if not kept.exists():
            self.catalog.disk.make_folders(kept.parent)
            self.catalog.disk.write_atomic(kept, path.read_bytes())
        return digest

    def questions(self, held_out: Mapping[str, str]) -> Questions:
        """The texts of every set, by its name. Raises DatasetError when a file is not here."""
        return {name: tuple(questions_in(self._found(name, digest)))
                for name, digest in sorted(held_out.items())}  # fmt: skip

    def _found(self, name: str, digest: str) -> Path:
        kept = self._path(digest, "")
        for path in (*kept.parent.glob(f"{kept.name}.*"), kept):
            if path.exists():
                return path
        for path in self._version_files(digest.removeprefix("sha256:")):
            return path
        raise DatasetError(
            f"The questions of {name} ({digest[:19]}) are not here any more",
            hint="They were removed, or the version they were drawn from was.",
        )

    def _version_files(self, sha256: str) -> Iterator[Path]:
        catalog = self.catalog
        for name in catalog.names():
            for version in reversed(catalog.versions(name)):
                for file, facts in catalog.load(name, version).files.items():
                    if facts.sha256 == sha256:
                        yield catalog.folder(name, version) / file

    def _path(self, digest: str, suffix: str) -> Path:
        return self.catalog.root / _FOLDER / f"{digest.removeprefix('sha256:')}{suffix}"


def digest_of(path: Path) -> str:
    """`sha256:...` of a file of questions. Raises DatasetError when it cannot be read."""
    try:
        return file_digest(path)
    except OSError as error:
        raise DatasetError(f"Cannot read the questions in {path}: {error.strerror}") from error


def questions_in(path: Path) -> Iterator[str]:
    """What is asked in a JSONL or CSV file, and long texts in it that stand there only once.

    A question is a user's message, or a field named as one; a label or a short answer is
    many a question's. Raises DatasetError, naming the line, when the file is neither.
    """
    others: Counter[str] = Counter()
    for row in _rows(path):
        for asks, value in _fields(row):
            for text in _texts(value):
                if asks:
                    yield text
                elif len(letters(text)) >= SHARED_RUN:
                    others[text] += 1
    yield from (text for text, count in others.items() if count == 1)


def _fields(row: Mapping[str, Any]) -> Iterator[tuple[bool, Any]]:
    """Whether a field asks, and what it holds."""
    for name, value in row.items():
        if name != "messages" or not isinstance(value, list):
            yield name.casefold() in _ASKING, value
            continue
        for message in value:
            if isinstance(message, dict) and message.get("role") not in _INSTRUCTING:
                yield message.get("role") == "user", message.get("content")


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    for part in value if isinstance(value, list) else ():
        yield from _texts(part.get("text") if isinstance(part, dict) else part)


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    try:
        if path.suffix.lower() == ".csv":
            with path.open(encoding="utf-8-sig", newline="") as handle:
                yield from ({k or "": v for k, v in row.items()} for row in csv.DictReader(handle))
            return
        for number, line in enumerate(path.read_bytes().splitlines(), start=1):
            if line.strip():
                yield _object(line, f"{path.name} line {number}")
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DatasetError(f"Cannot read the questions in {path}: {error}") from error


def _object(line: bytes, where: str) -> dict[str, Any]:
    try:
        row = orjson.loads(line)
    except orjson.JSONDecodeError:
        row = None
    if not isinstance(row, dict):
        raise DatasetError(f"{where} of the held-out questions is not a JSON object")
    return row
