"""OpenAI's bodies and stream events of an answer. Pure: pieces of text in, JSON values out."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from loopwright.serving.embedded.generation import Piece
from loopwright.serving.embedded.ordering import Call
from loopwright.serving.embedded.requests import ChatRequest
from loopwright.serving.embedded.sampling import TokenLogprob
from loopwright.serving.embedded.tokens import Tokens
from loopwright.serving.embedded.tool_calls import Called, CallWatch, find_calls

DONE = b"data: [DONE]\n\n"


@dataclass(slots=True)
class Choice:
    """What came so far of one text."""

    text: str = ""
    finish: str | None = None
    logprobs: list[TokenLogprob] = field(default_factory=list)
    watch: CallWatch | None = None
    has_begun: bool = False

    def add(self, piece: Piece) -> None:
        self.text += piece.text
        self.finish = piece.finish
        self.logprobs += piece.logprobs


class Answer:
    """The answer to one call, whole or as events."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._is_chat = isinstance(call.request, ChatRequest)
        kind = "chatcmpl" if self._is_chat else "cmpl"
        thing = "chat.completion" if self._is_chat else "text_completion"
        streams = bool(call.request.stream)
        self._head: dict[str, Any] = {
            "id": f"{kind}-{secrets.token_hex(12)}",
            "object": f"{thing}.chunk" if streams and self._is_chat else thing,
            "created": int(time.time()),
            "model": call.served.label,
        }
        options = call.request.stream_options
        self._tells_usage = streams and options is not None and options.include_usage
        self._tools = _tool_names(call)
        self.choices = [
            Choice(watch=CallWatch(self._tools) if self._tools else None) for _ in call.orders
        ]

    def whole(self, spent: int) -> bytes:
        """The body of an answer that is not streamed; `spent` tokens were generated."""
        told = self._chat_choice if self._is_chat else self._text_choice
        choices = [told(number, choice) for number, choice in enumerate(self.choices)]
        return orjson.dumps({**self._head, "choices": choices, "usage": self._usage(spent)})

    def event(self, number: int, piece: Piece) -> bytes:
        """Stream events that tell of a piece of text `number`."""
        choice = self.choices[number]
        logprobs = self._logprobs(piece.logprobs)
        if not self._is_chat:
            return self._chunk(
                {"index": number, "text": piece.text, "logprobs": logprobs,
                 "finish_reason": piece.finish}
            )  # fmt: skip
        events = b""
        if not choice.has_begun:
            choice.has_begun = True
            events += self._delta(number, {"role": "assistant", "content": ""})
        text, calls = piece.text, tuple[Called, ...]()
        if choice.watch is not None:
            text = choice.watch.push(text)
            if piece.finish:
                said = choice.watch.end()
                text, calls = text + said.content, said.calls
        if text or logprobs:
            events += self._delta(number, {"content": text}, logprobs=logprobs)
        for index, call in enumerate(calls):
            events += self._delta(number, {"tool_calls": [{"index": index, **call.told}]})
        if piece.finish:
            events += self._delta(number, {}, finish="tool_calls" if calls else piece.finish)
        return events

    def last_events(self, spent: int) -> bytes:
        """What ends a stream."""
        if not self._tells_usage:
            return DONE
        told = {**self._head, "choices": [], "usage": self._usage(spent)}
        return b"data: " + orjson.dumps(told) + b"\n\n" + DONE

    def _chat_choice(self, number: int, choice: Choice) -> dict[str, Any]:
        said = find_calls(choice.text, self._tools) if self._tools else None
        message: dict[str, Any] = {"role": "assistant", "content": choice.text, "refusal": None}
        finish = choice.finish
        if said is not None and said.calls:
            message["content"] = said.content or None
            message["tool_calls"] = [call.told for call in said.calls]
            finish = "tool_calls"
        return {
            "index": number,
            "message": message,
            "logprobs": self._logprobs(choice.logprobs),
            "finish_reason": finish,
        }

    def _text_choice(self, number: int, choice: Choice) -> dict[str, Any]:
        return {
            "index": number,
            "text": choice.text,
            "logprobs": self._logprobs(choice.logprobs),
            "finish_reason": choice.finish,
        }

    def _delta(
        self, number: int, delta: dict[str, Any], *, finish: str | None = None, logprobs: Any = None
    ) -> bytes:
        return self._chunk(
            {"index": number, "delta": delta, "logprobs": logprobs, "finish_reason": finish}
        )

    def _chunk(self, choice: dict[str, Any]) -> bytes:
        usage = {"usage": None} if self._tells_usage else {}
        return b"data: " + orjson.dumps({**self._head, "choices": [choice], **usage}) + b"\n\n"

    def _usage(self, spent: int) -> dict[str, int]:
        prompt = self._call.prompt_tokens
        return {
            "prompt_tokens": prompt,
            "completion_tokens": spent,
            "total_tokens": prompt + spent,
        }

    def _logprobs(self, told: Sequence[TokenLogprob]) -> dict[str, Any] | None:
        if not told:
            return None
        tokens = self._call.served.tokens
        if self._is_chat:
            return {"content": [_chat_logprob(tokens, each) for each in told], "refusal": None}
        return {
            "tokens": [tokens.piece(each.token) for each in told],
            "token_logprobs": [each.logprob for each in told],
            "top_logprobs": [
                {tokens.piece(token): value for token, value in each.likeliest} for each in told
            ],
            "text_offset": [],
        }


def _chat_logprob(tokens: Tokens, told: TokenLogprob) -> dict[str, Any]:
    likeliest = [_entry(tokens, token, value) for token, value in told.likeliest]
    return {**_entry(tokens, told.token, told.logprob), "top_logprobs": likeliest}


def _entry(tokens: Tokens, token: int, logprob: float) -> dict[str, Any]:
    piece = tokens.piece(token)
    return {"token": piece, "logprob": logprob, "bytes": list(piece.encode())}


def _tool_names(call: Call) -> Iterable[str]:
    request = call.request
    if not isinstance(request, ChatRequest):
        return ()
    return tuple(tool.function.name for tool in request.offered)
