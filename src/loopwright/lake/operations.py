"""What is asked and what is answered, for each operation of the API, in any JSON objects.

Parts of a wrong type count as absent, so this holds for whatever clients and upstreams send.
Columns, hashes and bytes are `exchange`'s. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

Json = Mapping[str, Any]

_SYSTEM_ROLES = ("system", "developer")
_NO_MEDIA = ("text", "refusal")


class Turn(NamedTuple):
    """One exchange: `prompt` and `answers` as they are hashed, and what is counted.

    `texts_in` and `texts_out` give texts, or token ids where the client sent those.
    """

    prompt: Any
    answers: Sequence[Any]
    texts_in: Callable[[], Iterator[Any]]
    texts_out: Callable[[], Iterator[Any]]
    finish_reason: Any = None
    n_messages: int = 0
    n_tool_calls: int = 0
    n_media: int = 0
    has_system: bool = False
    answers_in_vectors: bool = False


def turn(operation: str, request: Json, response: Json) -> Turn:
    """Read an exchange of `operation`: chat, completion or embeddings."""
    if operation == "completion":
        return _completion(request, response)
    if operation == "embeddings":
        return _embeddings(request)
    return _chat(request, response)


def content_tokens(content: Any) -> int:
    """About how many tokens a text has; exactly how many a list of token ids has."""
    return estimated_tokens(content) if isinstance(content, str) else len(content)


def estimated_tokens(text: str) -> int:
    """About how many tokens `text` has: one for 4 ASCII characters or 1.5 wide ones.

    A character counts as wide by its UTF-8 bytes beyond the first, two for one of Chinese.
    """
    if text.isascii():
        return -(-len(text) // 4)
    wide = (len(text.encode()) - len(text)) / 2
    return int((len(text) - wide) / 4 + wide / 1.5) + 1


def _chat(request: Json, response: Json) -> Turn:
    messages = _objects(request.get("messages"))
    choices = _objects(response.get("choices"))
    answers = [_object(choice.get("message")) for choice in choices]
    return Turn(
        prompt=(messages, request.get("tools")),
        answers=answers,
        texts_in=lambda: _texts(messages),
        texts_out=lambda: _texts(answers),
        finish_reason=choices[0].get("finish_reason") if choices else None,
        n_messages=len(messages),
        n_tool_calls=len(_objects(answers[0].get("tool_calls"))) if answers else 0,
        n_media=sum([_media(message) for message in messages]),
        has_system=any(message.get("role") in _SYSTEM_ROLES for message in messages),
    )


def _completion(request: Json, response: Json) -> Turn:
    prompts = _inputs(request.get("prompt"))
    choices = _objects(response.get("choices"))
    answers = [text for choice in choices if isinstance(text := choice.get("text"), str)]
    return Turn(
        prompt=prompts,
        answers=answers,
        texts_in=lambda: iter(prompts),
        texts_out=lambda: iter(answers),
        finish_reason=choices[0].get("finish_reason") if choices else None,
        n_messages=len(prompts),
    )


def _embeddings(request: Json) -> Turn:
    """The vectors follow from the input, so the input alone tells exchanges apart."""
    inputs = _inputs(request.get("input"))
    return Turn(
        prompt=inputs,
        answers=(),
        texts_in=lambda: iter(inputs),
        texts_out=lambda: iter(()),
        n_messages=len(inputs),
        answers_in_vectors=True,
    )


def _inputs(value: Any) -> list[Any]:
    """Texts and lists of token ids: one of them, or a list of them."""
    if isinstance(value, str):
        return [value]
    if not isinstance(value, list):
        return []
    if value and all(isinstance(one, int) for one in value):
        return [value]
    return [one for one in value if isinstance(one, (str, list))]


def _texts(messages: Sequence[Json]) -> Iterator[str]:
    for message in messages:
        content = message.get("content")
        if isinstance(content, str):
            yield content
        for part in _objects(content):
            if isinstance(part.get("text"), str):
                yield part["text"]
        for call in _objects(message.get("tool_calls")):
            function = _object(call.get("function"))
            named = (function.get("name"), function.get("arguments"))
            yield "".join([text for text in named if isinstance(text, str)])


def _media(message: Json) -> int:
    content = message.get("content")
    if isinstance(content, str):
        return 0
    return sum(1 for part in _objects(content) if part.get("type") not in _NO_MEDIA)


def _objects(value: Any) -> list[Json]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _object(value: Any) -> Json:
    return value if isinstance(value, dict) else {}
