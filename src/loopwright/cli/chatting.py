"""One conversation with an endpoint over HTTP: asks, and gives the answer piece by piece."""

from __future__ import annotations

import http.client
import ssl
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import orjson

from loopwright.errors import LoopwrightError

_SECONDS = 600.0
_DATA = b"data:"
_END = b"[DONE]"


@dataclass(slots=True)
class Conversation:
    """Messages so far, and how the next is asked."""

    base: str
    """Address of the gateway, without a path."""
    endpoint: str
    key: str | None = field(default=None, repr=False)
    certificate: Path | None = None
    """Of the gateway, where it speaks TLS."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Fields of the request besides model, messages and stream."""
    streams: bool = True
    messages: list[dict[str, str]] = field(default_factory=list)
    call_id: str = ""
    """Of the last call."""

    def ask(self, message: str) -> Iterator[str]:
        """The answer in pieces as they come. What came is kept, also when it was broken off.

        Raises LoopwrightError when the gateway or what stands behind it fails.
        """
        self.messages.append({"role": "user", "content": message})
        pieces: list[str] = []
        try:
            for piece in self._pieces():
                pieces.append(piece)
                yield piece
        finally:
            if pieces:
                self.messages.append({"role": "assistant", "content": "".join(pieces)})
            else:
                self.messages.pop()

    def _pieces(self) -> Iterator[str]:
        with closing(self._connection()) as connection:
            try:
                answer = self._asked(connection)
                yield from _streamed(answer) if self.streams else _whole(answer.read())
            except (OSError, http.client.HTTPException) as error:
                raise LoopwrightError(
                    f"the gateway {self.base} broke off: {error or type(error).__name__}",
                    hint="see `loopwright serve --status`",
                ) from error

    def _asked(self, connection: http.client.HTTPConnection) -> http.client.HTTPResponse:
        body = {
            "model": self.endpoint,
            "messages": self.messages,
            "stream": self.streams,
            **self.settings,
        }
        headers = {"content-type": "application/json"}
        if self.key:
            headers["authorization"] = f"Bearer {self.key}"
        connection.request("POST", "/v1/chat/completions", orjson.dumps(body), headers)
        answer = connection.getresponse()
        self.call_id = answer.headers.get("x-loopwright-call-id", "")
        if answer.status != http.client.OK:
            raise _refused(answer.status, answer.read())
        return answer

    def _connection(self) -> http.client.HTTPConnection:
        place = urlsplit(self.base)
        if place.scheme != "https":
            return http.client.HTTPConnection(place.netloc, timeout=_SECONDS)
        context = ssl.create_default_context(cafile=self.certificate)
        # It is our own server on this machine: its very certificate is what is trusted.
        context.check_hostname = False
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        return http.client.HTTPSConnection(place.netloc, timeout=_SECONDS, context=context)


def _streamed(lines: http.client.HTTPResponse) -> Iterator[str]:
    while line := lines.readline():
        if not line.startswith(_DATA):
            continue
        data = line[len(_DATA) :].strip()
        if data == _END:
            return
        event = _parsed(data)
        if "error" in event:
            raise LoopwrightError(f"the answer broke off: {_message(event)}")
        yield from _said(event, "delta")


def _whole(data: bytes) -> Iterator[str]:
    yield from _said(_parsed(data), "message")


def _said(event: Mapping[str, Any], name: str) -> Iterator[str]:
    choices: Sequence[Mapping[str, Any]] = event.get("choices") or ()
    for choice in choices[:1]:
        text = (choice.get(name) or {}).get("content")
        if text:
            yield str(text)


def _parsed(data: bytes) -> dict[str, Any]:
    try:
        found = orjson.loads(data)
    except orjson.JSONDecodeError:
        found = None
    if not isinstance(found, dict):
        raise LoopwrightError("the answer is not what an OpenAI-compatible server sends")
    return found


def _refused(status: int, data: bytes) -> LoopwrightError:
    try:
        said = _message(_parsed(data))
    except LoopwrightError:
        said = data.decode(errors="replace").strip()[:200] or http.client.responses.get(status, "")
    hint = "export LOOPWRIGHT_API_KEY=..." if status == http.client.UNAUTHORIZED else None
    return LoopwrightError(f"the gateway answered {status}: {said}", hint=hint)


def _message(event: Mapping[str, Any]) -> str:
    error = event.get("error")
    return str(error.get("message", error)) if isinstance(error, dict) else str(error)
