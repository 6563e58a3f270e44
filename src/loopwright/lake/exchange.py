"""One OpenAI-style exchange (request body and response body) as the columns of a call.

Promotes what is worth filtering to scalars and keeps the raw JSON beside it. Personal ids and
text leave here only as keyed hashes, or inside request and response. Pure; no files, no lake.
What each operation asks and answers is read in `operations`.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import orjson
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC

from loopwright.lake.operations import Turn, content_tokens, turn

Json = Mapping[str, Any]

_HASH_BYTES = 16
_SUBJECTS = 4096  # end users call again: their keys are kept at hand
_PARAMETERS = frozenset(
    {
        "temperature",
        "top_p",
        "top_k",
        "max_tokens",
        "max_completion_tokens",
        "n",
        "seed",
        "frequency_penalty",
        "presence_penalty",
        "parallel_tool_calls",
        "reasoning_effort",
        "service_tier",
    }
)
_USAGE_DETAILS = {
    "cache_read_tokens": ("prompt_tokens_details", "cached_tokens"),
    "reasoning_tokens": ("completion_tokens_details", "reasoning_tokens"),
}
_LONGEST_WORD = 256  # of a model's name or an error's type; more is no name
_MOST_TAGS, _LONGEST_TAG_NAME, _LONGEST_TAG = 16, 64, 512


class HashKeys:
    """A lake's keys for hashes that tell equality and nothing else."""

    def __init__(self, *, subject: bytes, content: bytes) -> None:
        self._subject = HMAC(subject, SHA256())
        self._content = HMAC(content, SHA256())
        self.subject_key = lru_cache(maxsize=_SUBJECTS)(self._subject_key)

    def _subject_key(self, subject: str) -> int:
        """63 bits that stand for an end user in this lake."""
        return int.from_bytes(_mac(self._subject, subject.encode())[:8]) >> 1

    def content_hash(self, content: bytes) -> bytes:
        """16 bytes that stand for a text in this lake."""
        return _mac(self._content, content)[:_HASH_BYTES]


def describe(request: Json, response: Json, *, keys: HashKeys) -> dict[str, Any]:
    """The columns that follow from a chat exchange alone (not call_id, ts or endpoint).

    Both must be well formed: `messages` a list of messages, and `choices` a list of choices with
    a message each, or `error` an object.
    """
    columns = _columns("chat", request, response, keys=keys)
    return columns | {"request": _dumped(request), "response": _dumped(response)}


def described(operation: str, request: bytes, response: bytes, *, keys: HashKeys) -> dict[str, Any]:
    """The columns that follow from any exchange, whatever was sent: this never raises.

    `operation` is chat, completion or embeddings. Bodies that are JSON stay byte by byte as they
    came; others are kept as JSON that holds them as text.
    """
    asked, asked_json = _read(request)
    answered, answered_json = _read(response)
    try:
        columns = _columns(operation, asked, answered, keys=keys)
    except (orjson.JSONEncodeError, RecursionError):  # nested deeper than can be written again
        columns = _columns(operation, {}, {}, keys=keys)
        columns["prompt_hash"] = keys.content_hash(request)
        columns["exchange_hash"] = keys.content_hash(request + response)
    columns["request"], columns["response"] = asked_json, answered_json
    return columns


def token_counts(operation: str, request: Json, response: Json) -> dict[str, Any]:
    """Columns input_tokens, output_tokens, tokens_estimated, and details where they were told.

    Estimated from the text when the provider counted nothing. Takes any JSON objects.
    """
    in_vectors = operation == "embeddings"
    counted = _counted(response.get("usage"), answers_in_vectors=in_vectors)
    return counted or _estimated(turn(operation, request, response))


def _columns(operation: str, request: Json, response: Json, *, keys: HashKeys) -> dict[str, Any]:
    told = turn(operation, request, response)
    model = _text(response.get("model")) or _text(request.get("model"))
    prompt_hash = keys.content_hash(orjson.dumps(told.prompt, option=orjson.OPT_SORT_KEYS))
    said = orjson.dumps(told.answers, option=orjson.OPT_SORT_KEYS)
    return {
        "operation": operation,
        "model_requested": _text(request.get("model")),
        "model": model,
        "model_version": model,
        "stream": request.get("stream") is True,
        "finish_reason": _text(told.finish_reason),
        "n_messages": told.n_messages,
        "n_tool_calls": told.n_tool_calls,
        "n_media": told.n_media,
        "has_system": told.has_system,
        "has_tools": bool(request.get("tools") or request.get("functions")),
        "request_params": _parameters(request),
        "tags": _tags(request.get("metadata")),
        "prompt_hash": prompt_hash,
        "exchange_hash": keys.content_hash(prompt_hash + said),
        **_outcome(response),
        **_tokens(response.get("usage"), told),
    }


def _read(body: bytes) -> tuple[Json, bytes]:
    """The object that a body is, or {}, and the body as JSON.

    That is the same bytes where they are JSON in UTF-8; otherwise `{"text": ...}`, `{}` for none.
    """
    if not body:
        return {}, b"{}"
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}, orjson.dumps({"text": body.decode("utf-8", "backslashreplace")})
    return (found if isinstance(found, dict) else {}), body


def _mac(keyed: HMAC, content: bytes) -> bytes:
    running = keyed.copy()
    running.update(content)
    return running.finalize()


def _dumped(body: Json) -> bytes:
    # A copy: what orjson gives keeps its whole work buffer, many times as large, for as long as
    # the record waits for its batch.
    return bytes(memoryview(orjson.dumps(body)))


def _outcome(response: Json) -> dict[str, Any]:
    error = response.get("error")
    if not error:
        return {"outcome": "ok", "http_status": 200}
    facts = error if isinstance(error, dict) else {}
    status = next(
        (one for one in (facts.get("status"), facts.get("code")) if isinstance(one, int)), None
    )
    return {
        "outcome": "upstream_error",
        "http_status": status if status is not None and 100 <= status < 600 else None,
        "error_type": _text(facts.get("type")),
    }


def _tokens(usage: Any, told: Turn) -> dict[str, Any]:
    counted = _counted(usage, answers_in_vectors=told.answers_in_vectors)
    return counted or _estimated(told)


def _counted(usage: Any, *, answers_in_vectors: bool) -> dict[str, Any] | None:
    """What the provider counted; None when it did not count both sides."""
    if not isinstance(usage, dict):
        return None
    read = _count(usage, "prompt_tokens")
    written = 0 if answers_in_vectors else _count(usage, "completion_tokens")
    if read is None or written is None:
        return None
    found: dict[str, Any] = {"input_tokens": read, "output_tokens": written}
    for column, (part, name) in _USAGE_DETAILS.items():
        if part in usage:
            found[column] = _count(usage[part], name)
    return found | {"tokens_estimated": False}


def _estimated(told: Turn) -> dict[str, Any]:
    return {
        "input_tokens": sum(map(content_tokens, told.texts_in())),
        "output_tokens": sum(map(content_tokens, told.texts_out())),
        "tokens_estimated": True,
    }


def _parameters(request: Json) -> str | None:
    """The sampling parameters: numbers, flags and short words, never text of the user's."""
    chosen = {
        name: request[name]
        for name in _PARAMETERS.intersection(request)
        if _is_short(request[name])
    }
    form = request.get("response_format")
    if isinstance(form, dict) and isinstance(form.get("type"), str):
        chosen["response_format"] = form["type"]
    return orjson.dumps(chosen, option=orjson.OPT_SORT_KEYS).decode() if chosen else None


def _is_short(value: Any) -> bool:
    return isinstance(value, (int, float)) or (isinstance(value, str) and len(value) <= 64)


def _tags(metadata: Any) -> dict[str, str] | None:
    """The request's own metadata, as far as it keeps to the limits that OpenAI sets for it."""
    if not isinstance(metadata, dict):
        return None
    fitting = [
        (name, value)
        for name, value in metadata.items()
        if isinstance(value, str) and len(name) <= _LONGEST_TAG_NAME and len(value) <= _LONGEST_TAG
    ]
    return dict(sorted(fitting)[:_MOST_TAGS]) or None


def _count(counts: Any, name: str) -> int | None:
    value = counts.get(name) if isinstance(counts, dict) else None
    if isinstance(value, bool) or not isinstance(value, int):  # true is no count to a column
        return None
    return value if 0 <= value < 1 << 31 else None


def _text(value: Any) -> str | None:
    return value[:_LONGEST_WORD] if isinstance(value, str) and value else None
