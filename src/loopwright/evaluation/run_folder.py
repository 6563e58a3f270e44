"""A finished evaluation as it lies on disk: `report.json`, `items.jsonl`, `report.html`.

`report.json` is written last, so a folder that has it is whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError

from loopwright.disk import Disk
from loopwright.errors import EvaluationError
from loopwright.evaluation.results import EvaluationResult, ItemRecord
from loopwright.hashing import file_digest

REPORT, ITEMS, PAGE = "report.json", "items.jsonl", "report.html"
_OWNER_ONLY = 0o600
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class RunFolder:
    """The folder of one run. What models said about its questions is for its owner only."""

    path: Path

    @property
    def page(self) -> Path:
        """The report for people."""
        return self.path / PAGE

    @property
    def exists(self) -> bool:
        """Whether a whole result lies here."""
        return (self.path / REPORT).is_file()

    def write(self, result: EvaluationResult, records: Iterable[ItemRecord]) -> None:
        """Durable when this returns; replaces what a killed attempt left. Raises LakeError when
        the disk is full or read-only."""
        disk, of_items = Disk(), _of_items()
        disk.make_folders(self.path)
        with disk.staged(self.path / ITEMS, mode=_OWNER_ONLY) as handle:
            for record in records:
                handle.write(of_items.dump_json(record) + b"\n")
        text = _of_results().dump_json(result, indent=2)
        disk.write_atomic(self.path / REPORT, text + b"\n", mode=_OWNER_ONLY)

    def digests(self) -> dict[str, str]:
        """Digest by name of the files that hold the result. Raises OSError."""
        return {name: file_digest(self.path / name) for name in (REPORT, ITEMS)}

    def load(self) -> tuple[EvaluationResult, Sequence[ItemRecord]]:
        """Raises EvaluationError when it is not here or damaged."""
        return self.result(), tuple(self.records())

    def result(self) -> EvaluationResult:
        """Scores without the items. Raises EvaluationError when it is not here or damaged."""
        return self._parsed(_of_results(), self._read(REPORT), REPORT)

    def records(self) -> Iterator[ItemRecord]:
        """The items in the order of the suite. Raises EvaluationError."""
        for number, line in enumerate(self._read(ITEMS).splitlines(), start=1):
            yield self._parsed(_of_items(), line, f"{ITEMS} line {number}")

    def _read(self, name: str) -> bytes:
        try:
            return (self.path / name).read_bytes()
        except OSError as error:
            raise EvaluationError(
                f"cannot read the evaluation in {self.path}: {name}: {error.strerror}",
                hint="run it again: loopwright apply --replace EvalRun/NAME",
            ) from error

    def _parsed(self, adapter: TypeAdapter[T], content: bytes, where: str) -> T:
        try:
            return adapter.validate_json(content)
        except ValidationError as error:
            raise EvaluationError(
                f"the evaluation in {self.path} is damaged: {where}",
                hint="restore it, or run it again: loopwright apply --replace EvalRun/NAME",
            ) from error


@cache
def _of_results() -> TypeAdapter[EvaluationResult]:
    return TypeAdapter(EvaluationResult)


@cache
def _of_items() -> TypeAdapter[ItemRecord]:
    return TypeAdapter(ItemRecord)
