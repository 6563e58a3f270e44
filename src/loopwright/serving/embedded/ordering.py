"""From a request to the texts that are to be made: prompt, limits, sampling."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from loopwright.serving.embedded.catalog import Served
from loopwright.serving.embedded.generation import Order
from loopwright.serving.embedded.refusals import RefusalError, invalid, too_long
from loopwright.serving.embedded.requests import ChatRequest, CompletionRequest, Request
from loopwright.serving.embedded.sampling import Sampling

_LONGEST = 4096  # an answer whose length the caller leaves open


@dataclass(frozen=True, slots=True)
class Call:
    """One call, with an order for each text of its answer."""

    served: Served
    request: Request
    orders: tuple[Order, ...]
    prompt_tokens: int


def chat_call(request: ChatRequest, served: Served) -> Call:
    """Raises RefusalError: what the template refuses, what does not fit the context."""
    tools = [tool.model_dump(exclude_none=True) for tool in request.offered]
    messages = [message.model_dump(exclude_none=True) for message in request.messages]
    options = request.chat_template_kwargs or {}
    prompt = served.tokens.rendered(messages, tools or None, options)
    top = (request.top_logprobs or 0) if request.logprobs else None
    sampling = _sampling(request, served, top)
    return Call(
        served, request, _orders(request, served, prompt, sampling, request.limit), len(prompt)
    )


def completion_call(request: CompletionRequest, served: Served) -> Call:
    """Raises RefusalError when a prompt does not fit the context."""
    sampling = _sampling(request, served, request.logprobs)
    orders: list[Order] = []
    total = 0
    for text in request.prompts:
        prompt = served.tokens.encode(text, marks=True) if isinstance(text, str) else text
        if any(not 0 <= token < served.tokens.size for token in prompt):
            raise invalid("prompt holds a number that is no token of this model", "prompt")
        total += len(prompt)
        orders += _orders(request, served, prompt, sampling, request.limit)
    if not orders or len(orders) > 64:
        raise invalid(f"prompt and n ask for {len(orders)} texts; 1 to 64 are made", "prompt")
    return Call(served, request, tuple(orders), total)


def _orders(
    request: Request,
    served: Served,
    prompt: Sequence[int],
    sampling: Sampling,
    limit: int | None,
) -> tuple[Order, ...]:
    if not prompt:
        raise invalid("the prompt is empty", "prompt")
    room = served.context - len(prompt)
    if room < 1 or (limit or 0) > room:
        raise _long(served, len(prompt), limit)
    return tuple(
        Order(
            label=served.label,
            prompt=prompt,
            limit=limit or min(room, _LONGEST),
            sampling=sampling,
            seed=None if request.seed is None else f"{request.seed}/{number}",
            stops=request.stops,
            ends=served.defaults.ends,
            streams=bool(request.stream),
        )
        for number in range(request.n or 1)
    )


def _long(served: Served, prompt: int, limit: int | None) -> RefusalError:
    return too_long(served.context, prompt, limit)


def _sampling(request: Request, served: Served, logprobs: int | None) -> Sampling:
    bias = request.logit_bias or {}
    if any(not 0 <= token < served.tokens.size for token in bias):
        raise invalid("logit_bias names a number that is no token of this model", "logit_bias")
    defaults = served.defaults
    return Sampling(
        temperature=_or(request.temperature, defaults.temperature),
        top_p=_or(request.top_p, defaults.top_p),
        top_k=max(int(_or(request.top_k, defaults.top_k)), 0),
        presence=_or(request.presence_penalty, 0.0),
        frequency=_or(request.frequency_penalty, 0.0),
        bias={token: float(value) for token, value in bias.items()},
        logprobs=logprobs,
    )


def _or(said: Any, default: float) -> float:
    return default if said is None else float(said)
