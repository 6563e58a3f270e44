"""Answers that were given, kept by the model and the request: no question is paid for twice.

The same file is what a killed evaluation goes on from.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import orjson

from loopwright.evaluation.scoring.base import Given
from loopwright.hashing import digest, sha256_hex
from loopwright.inference.journal import Journal
from loopwright.inference.reply import Reply

_OWNER_ONLY = 0o700


@dataclass(frozen=True, slots=True)
class Answered:
    """What came of one question."""

    text: str = ""
    tool_calls: tuple[Mapping[str, Any], ...] = ()
    seconds: float = 0.0
    input_tokens: int = 0
    output_tokens: int = 0
    model: str = ""
    """As the server called it."""
    error: str = ""
    """Why there is none; empty: there is one. Only answers are kept."""
    cached: bool = False
    """Given to an earlier run."""

    @classmethod
    def of(cls, reply: Reply) -> Self:
        if not reply.is_answer:
            return cls(seconds=reply.seconds, error=reply.error)
        if not (reply.body or {}).get("choices"):
            return cls(seconds=reply.seconds, error="the answer holds no choice")
        return cls(
            reply.text,
            tuple(reply.tool_calls),
            reply.seconds,
            reply.usage.input,
            reply.usage.output,
            str((reply.body or {}).get("model") or ""),
        )

    @property
    def given(self) -> Given:
        return Given(self.text, self.tool_calls)


@dataclass
class KeptAnswers:
    """The answers of one model, in a file of its own. Use as a context manager.

    `run` marks what is added: what another run added counts as cached.
    """

    folder: Path
    model: str
    """Digest of the model; empty where it is not known, and nothing is kept."""
    run: str
    serves: str = ""
    """What its server calls the model in answers; another model's answer is never kept. Empty:
    any name is its own."""
    _known: dict[str, Answered] = field(default_factory=dict, init=False, repr=False)
    _journal: Journal | None = field(default=None, init=False, repr=False)
    _open: ExitStack = field(default_factory=ExitStack, init=False, repr=False)

    def __enter__(self) -> Self:
        if self.model:
            self.folder.mkdir(parents=True, exist_ok=True)
            os.chmod(self.folder, _OWNER_ONLY)
            self._journal = self._open.enter_context(Journal(kept_in(self.folder, self.model)))
            for key, record in self._journal.known().items():
                if self._is_its_own(found := _read(record, run=self.run)):
                    self._known[key] = found
        return self

    def __exit__(self, *reason: object) -> None:
        self._open.close()

    def get(self, key: str) -> Answered | None:
        return self._known.get(key)

    def put(self, key: str, answered: Answered) -> None:
        """Kept at once, if it is an answer of this model."""
        self._known[key] = answered
        if self._journal is not None and not answered.error and self._is_its_own(answered):
            self._journal.add(
                key,
                {
                    "text": answered.text,
                    "calls": answered.tool_calls,
                    "seconds": round(answered.seconds, 6),
                    "tokens": [answered.input_tokens, answered.output_tokens],
                    "model": answered.model,
                    "run": self.run,
                },
            )

    def _is_its_own(self, answered: Answered) -> bool:
        return not self.serves or answered.model == self.serves


def request_key(request: Mapping[str, Any]) -> str:
    """What an answer is kept under, beside its model."""
    return digest(request).removeprefix("sha256:")


def kept_in(folder: Path, model: str) -> Path:
    """The file of a model's answers."""
    return folder / f"{sha256_hex(model.encode())[:24]}.jsonl"


def known_keys(folder: Path, model: str) -> frozenset[str]:
    """What need not be asked again; for estimates. Makes nothing on disk."""
    path = kept_in(folder, model)
    if not model or not path.is_file():
        return frozenset()
    found = set()
    with path.open("rb") as lines:
        for line in lines:
            with suppress(orjson.JSONDecodeError, IndexError, TypeError):
                found.add(str(orjson.loads(line)[0]))
    return frozenset(found)


def _read(record: Mapping[str, Any], *, run: str) -> Answered:
    read, said = record["tokens"]
    return Answered(
        record["text"],
        tuple(record["calls"]),
        record["seconds"],
        read,
        said,
        record["model"],
        cached=record["run"] != run,
    )
