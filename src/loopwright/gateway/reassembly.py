"""Streamed chunks back into the one answer that the same call would have got without streaming.

Knows the shapes of chat and completion chunks, and keeps what providers add to them. Bytes and
events are `event_stream`'s; nothing here ever raises on what an upstream sent.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import orjson

from loopwright.gateway.event_stream import LONGEST_EVENT, Event, EventParser

LARGEST_STREAM = 64 << 20
"""Bytes of event data that are taken in; what comes after is left out and marked."""

_BATCH = 64 << 10
_SAID_ONCE = frozenset({"id", "object", "created", "model", "role", "type", "index"})
_AFTER_LIMIT = ("usage", "error")  # small, and said at the end
_DELTA = "delta"
_DEEPEST = 8  # nested deeper than any known chunk: taken as it is, not merged


class StreamAssembly:
    """Takes the bytes of an event stream and gives the answer. About 3 us an event.

    Bytes are gathered and parsed many at a time, after they went to the client.
    """

    def __init__(self, *, limit: int = LARGEST_STREAM) -> None:
        self._limit = limit
        self._parser = EventParser(longest=min(limit, LONGEST_EVENT))
        self._gathered: list[bytes] = []
        self._gathered_bytes = 0
        self._taken = 0
        self._answer: dict[str, Any] = {}
        self._choices: dict[int, dict[str, Any]] = {}
        self._is_done = False
        self._truncated = False
        self._unreadable = 0

    def feed(self, data: bytes) -> None:
        """Bytes of the stream, in any pieces."""
        self._gathered.append(data)
        self._gathered_bytes += len(data)
        if self._gathered_bytes >= _BATCH:
            self._parse()

    def finish(self, *, ended_well: bool = True) -> dict[str, Any]:
        """The answer. It says `partial` when the stream ended before it was complete.

        Some upstreams leave [DONE] out: then a stream that `ended_well` is complete when every
        choice has its reason to finish.

        It says `truncated` when it was larger than the limit, and `unreadable_events` when some
        were no JSON objects.
        """
        self._parse()
        self._take(self._parser.finish())
        whole = dict(self._answer)
        if whole.get("object") == "chat.completion.chunk":
            whole["object"] = "chat.completion"
        if "error" not in whole or self._choices:
            whole["choices"] = [
                _whole_choice(choice) for _, choice in sorted(self._choices.items())
            ]
        if not self._is_complete(ended_well):
            whole["partial"] = True
        if self._truncated or self._parser.overlong:
            whole["truncated"] = True
        if self._unreadable:
            whole["unreadable_events"] = self._unreadable
        return whole

    def _is_complete(self, ended_well: bool) -> bool:
        if self._is_done or not ended_well or not self._choices:
            return self._is_done and "error" not in self._answer
        finished = all(choice.get("finish_reason") for choice in self._choices.values())
        return finished and "error" not in self._answer

    def _parse(self) -> None:
        gathered = b"".join(self._gathered)
        self._gathered.clear()
        self._gathered_bytes = 0
        self._take(self._parser.feed(gathered))

    def _take(self, events: Iterable[Event]) -> None:
        for data, name in events:
            self._taken += len(data)
            try:
                chunk = orjson.loads(data)
            except orjson.JSONDecodeError:
                self._take_other(data)
                continue
            if name == b"error" and not (isinstance(chunk, dict) and "error" in chunk):
                chunk = {"error": chunk}
            if isinstance(chunk, dict):
                self._add(chunk)
            else:
                self._unreadable += 1

    def _take_other(self, data: bytes) -> None:
        if data.strip() == b"[DONE]":
            self._is_done = True
        elif data:
            self._unreadable += 1

    def _add(self, chunk: dict[str, Any]) -> None:
        answer = self._answer
        if self._taken > self._limit:
            self._truncated = True
            chunk = {name: chunk[name] for name in _AFTER_LIMIT if name in chunk}
        for name, value in chunk.items():
            if name == "choices":
                for choice in value if isinstance(value, list) else ():
                    if isinstance(choice, dict):
                        self._add_choice(choice)
            elif name in _SAID_ONCE:
                if not answer.get(name):
                    answer[name] = value
            elif value is not None or name not in answer:
                answer[name] = value  # usage, and what providers add, is cumulative

    def _add_choice(self, choice: dict[str, Any]) -> None:
        index = choice.get("index")
        number = index if isinstance(index, int) else 0
        known = self._choices.get(number)
        if known is None:
            known = self._choices[number] = {"index": number, _DELTA: {}}
        for name, value in choice.items():
            if name == _DELTA:
                if isinstance(value, dict):
                    _merge(known[_DELTA], value)
            elif value is None:
                known.setdefault(name, None)
            elif name in ("text", "logprobs"):
                _merge(known, {name: value})
            elif name != "index":
                known[name] = value


class _Pieces(list[str]):
    """Text that comes in pieces, joined once at the end."""


def _merge(known: dict[str, Any], delta: dict[str, Any], *, depth: int = 0) -> None:
    """Add what `delta` says: text and lists go on, objects are merged, the rest replaces."""
    for name, value in delta.items():
        held = known.get(name)
        if type(held) is _Pieces and isinstance(value, str):
            if not (name == "name" and value == "".join(held)):
                held.append(value)
        elif held is None:
            known[name] = _begun(value, depth=depth)
        elif value is None or (name in _SAID_ONCE and held):
            continue
        elif isinstance(held, str) and isinstance(value, str):
            if not (name == "name" and value == held):  # some repeat it with every piece
                known[name] = _Pieces((held, value))
        else:
            known[name] = _gone_on(held, value, depth=depth)


def _begun(value: Any, *, depth: int) -> Any:
    """The first of a value. Lists are taken entry by entry: one chunk may hold two pieces."""
    if isinstance(value, list) and depth < _DEEPEST:
        return _extended([], value, depth=depth)
    return value


def _gone_on(held: Any, value: Any, *, depth: int) -> Any:
    if depth < _DEEPEST:
        if isinstance(held, dict) and isinstance(value, dict):
            _merge(held, value, depth=depth + 1)
            return held
        if isinstance(held, list) and isinstance(value, list):
            return _extended(held, value, depth=depth)
    return value


def _extended(held: list[Any], more: list[Any], *, depth: int) -> list[Any]:
    """Go on with a list; entries that say their `index`, or are tool calls, go on themselves."""
    for entry in more:
        if (
            not isinstance(entry, dict)
            or not ("index" in entry or "function" in entry)
            or (known := _continued(held, entry)) is None
        ):
            held.append(entry)
        else:
            _merge(known, entry, depth=depth + 1)
    return held


def _continued(held: list[Any], entry: dict[str, Any]) -> dict[str, Any] | None:
    """The entry that `entry` goes on with: by index, unless its id tells that it is another one.

    Some providers give every call index 0, or none, and tell calls apart by id.
    """
    index, own = entry.get("index"), entry.get("id")
    for known in reversed(held):
        if not isinstance(known, dict) or (index is not None and known.get("index") != index):
            continue
        is_other = own and known.get("id") and known["id"] != own
        return None if is_other else known
    return None


def _whole_choice(choice: dict[str, Any]) -> dict[str, Any]:
    """A choice as an answer that was not streamed has it."""
    rest = {name: _settled(value) for name, value in choice.items() if name != _DELTA}
    rest.setdefault("finish_reason", None)
    if "text" in rest:
        return rest
    message = {"role": "assistant", "content": None} | _settled(choice[_DELTA])
    calls = message.get("tool_calls")
    for call in calls if isinstance(calls, list) else ():
        if isinstance(call, dict):
            call.pop("index", None)  # it only told which call a piece belongs to
    return {"index": rest.pop("index"), "message": message, **rest}


def _settled(value: Any, *, depth: int = 0) -> Any:
    """The same with text joined."""
    if type(value) is _Pieces:
        return "".join(value)
    if depth > 2 * _DEEPEST:  # below the deepest merge there are no pieces
        return value
    if isinstance(value, dict):
        return {name: _settled(one, depth=depth + 1) for name, one in value.items()}
    if isinstance(value, list):
        return [_settled(one, depth=depth + 1) for one in value]
    return value
