"""Calls of tools in a model's text: Hermes and Qwen's tags, Mistral's mark, Llama's bare JSON."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

_OPEN, _CLOSE = "<tool_call>", "</tool_call>"
_MARKS = (_OPEN, "<|python_tag|>", "[TOOL_CALLS]")
_TAGGED = re.compile(r"<tool_call>\s*(.*?)\s*(?:</tool_call>|\Z)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Called:
    """One call that the model asks for."""

    id: str
    name: str
    arguments: str
    """JSON text, as the model wrote it or as compact as it gets."""

    @property
    def told(self) -> dict[str, Any]:
        function = {"name": self.name, "arguments": self.arguments}
        return {"id": self.id, "type": "function", "function": function}


@dataclass(frozen=True, slots=True)
class Said:
    """A text with its calls taken out."""

    content: str
    calls: tuple[Called, ...] = ()


def find_calls(text: str, names: Iterable[str]) -> Said:
    """Calls of the tools with these names in `text`; what is no whole call stays text."""
    known = frozenset(names)
    if _OPEN in text:
        return _tagged(text, known)
    before, mark, after = text.partition("[TOOL_CALLS]")
    if mark:
        calls = _calls(after, known)
        return Said(before.strip(), calls) if calls else Said(text)
    calls = _calls(text.strip().removeprefix("<|python_tag|>"), known)
    return Said("", calls) if calls else Said(text)


def _tagged(text: str, known: frozenset[str]) -> Said:
    found = tuple(call for match in _TAGGED.findall(text) for call in _calls(match, known))
    if not found:
        return Said(text)
    return Said(_TAGGED.sub("", text).strip(), found)


def _calls(text: str, known: frozenset[str]) -> tuple[Called, ...]:
    """All of `text` as calls, one JSON object or a list of them; empty when it is not."""
    try:
        told = json.loads(text)
    except ValueError:
        return ()
    listed = told if isinstance(told, list) else [told]
    calls = tuple(_call(each, known) for each in listed)
    whole = tuple(call for call in calls if call is not None)
    return whole if len(whole) == len(calls) else ()


def _call(told: Any, known: frozenset[str]) -> Called | None:
    if not isinstance(told, Mapping):
        return None
    told = told.get("function") if isinstance(told.get("function"), Mapping) else told
    name = told.get("name")
    arguments = told.get("arguments", told.get("parameters", {}))
    if not isinstance(name, str) or name not in known:
        return None
    if not isinstance(arguments, str):
        arguments = json.dumps(arguments, ensure_ascii=False)
    return Called(f"call_{secrets.token_hex(12)}", name, arguments)


class CallWatch:
    """Lets text through as it comes, up to where a call may begin; the rest is kept for the end."""

    __slots__ = ("_kept", "_names", "_said")

    def __init__(self, names: Iterable[str]) -> None:
        self._names = tuple(names)
        self._kept = ""
        self._said = False

    def push(self, text: str) -> str:
        """What of the text so far is surely no call."""
        self._kept += text
        if not self._said and self._kept.lstrip()[:1] in ("{", "["):
            return ""  # bare JSON: only its end tells
        places = [place for mark in _MARKS if (place := self._kept.find(mark)) >= 0]
        free = min(places) if places else len(self._kept) - self._doubtful()
        said, self._kept = self._kept[:free], self._kept[free:]
        self._said = self._said or bool(said.strip())
        return said

    def end(self) -> Said:
        """What was kept, as calls or as the text that it is."""
        return find_calls(self._kept, self._names) if self._kept else Said("")

    def _doubtful(self) -> int:
        """Characters at the end that may become a mark."""
        text = self._kept
        for length in range(min(len(text), max(map(len, _MARKS)) - 1), 0, -1):
            if any(mark.startswith(text[-length:]) for mark in _MARKS):
                return length
        return 0
