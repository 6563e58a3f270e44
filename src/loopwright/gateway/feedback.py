"""`POST /v1/feedback`: what people and programs say of a call, on its way into the call's lake."""

from __future__ import annotations

import math
import re
from collections import Counter, OrderedDict
from collections.abc import Mapping
from time import time_ns
from typing import Any

import orjson

from loopwright.gateway import refusals
from loopwright.gateway.identifiers import uuid7
from loopwright.gateway.redaction import Redactor

_KINDS = ("score", "good", "label", "correction", "comment")
_SOURCES = ("human", "app", "judge")
_LONGEST_WORD = 200
_MOST_RECENT = 20_000
_CALL_ID = re.compile(r"[!-~]{1,200}")
"""Of a gateway, of an import, or of calls that come later: only the form is known."""
_WORDS = frozenset({"name", "value_label", "text"})


class RecentCalls:
    """Which endpoint answered a call, for the last calls: feedback on them need not say it."""

    def __init__(self, most: int = _MOST_RECENT) -> None:
        self._most = most
        self._endpoints: OrderedDict[str, str] = OrderedDict()

    def add(self, call_id: str, endpoint: str) -> None:
        self._endpoints[call_id] = endpoint
        if len(self._endpoints) > self._most:
            self._endpoints.popitem(last=False)

    def endpoint_of(self, call_id: object) -> str | None:
        return self._endpoints.get(call_id) if isinstance(call_id, str) else None


def rows(said: Mapping[str, Any], *, endpoint: str, author: str | None) -> list[dict[str, Any]]:
    """One feedback row for each thing that is said. Raises RefusalError 400."""
    shared = {
        "call_id": _call_id(said),
        "ts": time_ns() // 1000,
        "endpoint": endpoint,
        "source": _source(said),
        "author": author,
    }
    given = [kind for kind in _KINDS if said.get(kind) is not None]
    if not given:
        raise refusals.bad_body(f"Feedback says one of {', '.join(_KINDS)}.")
    if unknown := sorted(set(said) - {*_KINDS, "call_id", "name", "source", "endpoint"}):
        raise refusals.bad_body(f"`{unknown[0][:80]}` is not a field of feedback.",
                                param=unknown[0][:80])  # fmt: skip
    name = _word(said, "name")
    return [
        {"feedback_id": uuid7(), **shared, "name": name or kind, **_VALUES[kind](said[kind])}
        for kind in given
    ]


def redacted(row: Mapping[str, Any], clean: Redactor) -> dict[str, Any]:
    """The row as it may be kept: words and texts as the delivery redacts those of its calls."""
    counts: Counter[str] = Counter()  # a row of feedback has no column for them
    kept = {
        column: clean.text(value, counts) if column in _WORDS and isinstance(value, str) else value
        for column, value in row.items()
    }
    if row["kind"] == "correction":
        message = clean.value(orjson.loads(row["text"]), counts)
        kept["text"] = orjson.dumps(message).decode()
    return kept


def _score(value: Any) -> dict[str, Any]:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise refusals.bad_body("`score` is not a number.", param="score")
    return {"kind": "float", "value_num": float(value)}


def _good(value: Any) -> dict[str, Any]:
    if not isinstance(value, bool):
        raise refusals.bad_body("`good` is neither true nor false.", param="good")
    return {"kind": "bool", "value_bool": value}


def _label(value: Any) -> dict[str, Any]:
    if not isinstance(value, str) or not 0 < len(value) <= _LONGEST_WORD:
        raise refusals.bad_body(f"`label` is not a word of up to {_LONGEST_WORD} characters.",
                                param="label")  # fmt: skip
    return {"kind": "label", "value_label": value}


def _correction(value: Any) -> dict[str, Any]:
    """The answer as it should have been: its text, or a whole assistant message."""
    message = {"role": "assistant", "content": value} if isinstance(value, str) else value
    if not isinstance(message, dict) or message.get("role", "assistant") != "assistant":
        raise refusals.bad_body("`correction` is neither a text nor an assistant message.",
                                param="correction")  # fmt: skip
    try:
        text = orjson.dumps({"role": "assistant"} | message).decode()
    except orjson.JSONEncodeError as error:
        raise refusals.bad_body("`correction` is nested too deeply.", param="correction") from error
    return {"kind": "correction", "text": text}


def _comment(value: Any) -> dict[str, Any]:
    if not isinstance(value, str) or not value:
        raise refusals.bad_body("`comment` is not a text.", param="comment")
    return {"kind": "comment", "text": value}


_VALUES = {
    "score": _score,
    "good": _good,
    "label": _label,
    "correction": _correction,
    "comment": _comment,
}


def _source(said: Mapping[str, Any]) -> str:
    source = said.get("source", "app")
    if source not in _SOURCES:
        raise refusals.bad_body(f"`source` is one of {', '.join(_SOURCES)}.", param="source")
    return str(source)


def _call_id(said: Mapping[str, Any]) -> str:
    value = said.get("call_id")
    if not isinstance(value, str) or not _CALL_ID.fullmatch(value):
        raise refusals.bad_body("`call_id` is not an id as x-loopwright-call-id gives it.",
                                param="call_id")  # fmt: skip
    return value


def _word(said: Mapping[str, Any], name: str) -> str | None:
    value = said.get(name)
    if value is None:
        return None
    if not isinstance(value, str) or not 0 < len(value) <= _LONGEST_WORD:
        raise refusals.bad_body(f"`{name}` is not a text of up to {_LONGEST_WORD} characters.",
                                param=name)  # fmt: skip
    return value
