"""A batch: lines checked, asked and settled one by one, and told in OpenAI's output format.

Every line is read twice, to be checked and to be asked, and none is held: a batch may be larger
than memory. What is settled lies in a journal, so a killed batch goes on where it was.
"""

from __future__ import annotations

import asyncio
import time
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import orjson

from loopwright.errors import InferenceError
from loopwright.hashing import sha256_hex
from loopwright.inference.asking import Asks, Question, ask_all
from loopwright.inference.journal import Journal
from loopwright.inference.lines import BadLineError, Request, read_line
from loopwright.inference.reply import Reply
from loopwright.inference.retrying import is_patient

Place = str
"""Where a line stands, for people: `questions.jsonl:12`."""
Lines = Callable[[], Iterable[tuple[Place, str, bytes]]]
"""Every line from the first, each time it is called the same: its place, what it is called when
it has no id of its own, its bytes."""

EXPIRED = "batch_expired"
INVALID = "invalid_line"
FAILED = "request_failed"
_NEVER = -1e18


class ServerAwayError(InferenceError):
    """Nobody has answered for a long time. Trying again later may help."""


@dataclass(slots=True)
class Counts:
    """What became of the lines so far, and what it took."""

    lines: int = 0
    completed: int = 0
    failed: int = 0
    """Refused, or without an answer to the end."""
    invalid: int = 0
    """Never asked: the line is not usable."""
    expired: int = 0
    input_tokens: int = 0
    output_tokens: int = 0

    @property
    def settled(self) -> int:
        return self.completed + self.failed + self.invalid

    def settle(self, record: Mapping[str, Any]) -> None:
        """Count a record of the journal."""
        response = record["response"]
        if record["error"] is not None:
            self.failed += 1
            return
        self.completed += 1
        usage = response["body"].get("usage")
        if isinstance(usage, dict):
            self.input_tokens += int(usage.get("prompt_tokens") or 0)
            self.output_tokens += int(usage.get("completion_tokens") or 0)


@dataclass(slots=True)
class Batch:
    """The lines of one batch, and what is known of them."""

    lines: Lines
    journal: Journal
    parameters: Mapping[str, Any] = field(default_factory=dict)
    """Put into a request where it does not say them itself."""
    model: str = ""
    """Asked for, whatever a line says."""
    counts: Counts = field(default_factory=Counts)
    _bad: dict[int, tuple[str, str]] = field(default_factory=dict)
    _answered: float = field(default=_NEVER)

    def check(self) -> None:
        """Read every line, so that what cannot be asked is known before anything is."""
        seen: set[bytes] = set()
        self.counts = Counts()
        for number, (place, request) in enumerate(self._read()):
            self.counts.lines += 1
            reason = "has a custom_id that an earlier line has"
            if isinstance(request, BadLineError):
                reason = request.reason
            elif (mark := sha256(request.custom_id.encode()).digest()) not in seen:
                seen.add(mark)
                continue
            self._bad[number] = (f"{place}: {reason}", request.custom_id)
        self.counts.invalid = len(self._bad)
        for record in self.journal.known().values():
            self.counts.settle(record)

    async def ask(
        self,
        client: Asks,
        *,
        concurrency: int,
        seconds: float,
        patience: float,
        told: Callable[[Counts], None],
    ) -> None:
        """Ask what is not settled yet; what is not answered within `seconds` stays unsettled.

        Raises ServerAwayError when nothing at all was answered for `patience` seconds.
        """

        def settle(key: str, reply: Reply) -> None:
            if not reply.is_answer and is_patient(reply.status):
                if time.monotonic() - self._answered > patience:
                    raise ServerAwayError(reply.error)
            else:
                self._answered = time.monotonic()
            number, _, custom_id = key.partition(":")
            record = _record(number, custom_id, reply)
            self.journal.add(number, record)
            self.counts.settle(record)
            told(self.counts)

        async with asyncio.timeout(max(0.0, seconds)) as window:
            try:
                await ask_all(client, self._open(), concurrency=concurrency, done=settle)
            except asyncio.CancelledError:
                if not window.expired():
                    raise
        self.journal.flush()

    def answers(self, *, in_order: bool) -> Iterator[bytes]:
        """The lines of the result file; as they were asked, or as they were answered."""
        for record in self._settled(in_order=in_order):
            if record["error"] is None:
                yield orjson.dumps(record)

    def errors(self) -> Iterator[bytes]:
        """The lines of the error file, in the order of the input; counts what has expired."""
        known = self.journal.known()
        self.counts.expired = 0
        for number, (place, request) in enumerate(self._read()):
            key = str(number)
            if number in self._bad:
                reason, custom_id = self._bad[number]
                yield _trouble(number, custom_id, INVALID, reason)
            elif key not in known:
                self.counts.expired += 1
                custom_id = request.custom_id
                said = f"{place}: not answered within the completion window"
                yield _trouble(number, custom_id, EXPIRED, said)
            elif (record := known[key])["error"] is not None:
                yield orjson.dumps(record)

    def _settled(self, *, in_order: bool) -> Iterator[Mapping[str, Any]]:
        known = self.journal.known()
        if not in_order:
            yield from known.values()
            return
        for number in sorted(array("q", map(int, known))):
            yield known[str(number)]

    def _open(self) -> Iterator[Question]:
        known = self.journal.known()
        for number, (_, request) in enumerate(self._read()):
            if (
                isinstance(request, Request)
                and number not in self._bad
                and str(number) not in known
            ):
                body = {**self.parameters, **request.body, "model": self.model}
                yield f"{number}:{request.custom_id}", request.path, body

    def _read(self) -> Iterator[tuple[Place, Request | BadLineError]]:
        for place, named, data in self.lines():
            if not data.strip():
                continue
            try:
                yield place, read_line(data, named=named)
            except BadLineError as error:
                yield place, error


def _record(number: str, custom_id: str, reply: Reply) -> dict[str, Any]:
    """A line of the result file, or of the error file where there is no answer."""
    response = {
        "status_code": reply.status,
        "request_id": reply.request_id,
        "body": reply.body,
    }
    failed = None if reply.is_answer else {"code": FAILED, "message": reply.error}
    return {
        "id": _id(number, custom_id),
        "custom_id": custom_id,
        "response": response if reply.status else None,
        "error": failed,
    }


def _trouble(number: int, custom_id: str, code: str, message: str) -> bytes:
    return orjson.dumps(
        {
            "id": _id(str(number), custom_id),
            "custom_id": custom_id or None,
            "response": None,
            "error": {"code": code, "message": message},
        }
    )


def _id(number: str, custom_id: str) -> str:
    return f"batch_req_{sha256_hex(f'{number}:{custom_id}'.encode())[:24]}"
