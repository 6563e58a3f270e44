"""What a runtime refuses, in OpenAI's form of an error."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson

from loopwright.serving.embedded.memory import size

MEMORY_BOUND = "memory_bound"
_INVALID = "invalid_request_error"


@dataclass(frozen=True, slots=True)
class RefusalError(Exception):
    """A call that is not answered with a text. `retry_after` in seconds."""

    status: int
    message: str
    kind: str = _INVALID
    param: str | None = None
    code: str | None = None
    retry_after: int | None = None

    @property
    def body(self) -> dict[str, Any]:
        told = {"message": self.message, "type": self.kind, "param": self.param, "code": self.code}
        return {"error": told}

    @property
    def text(self) -> bytes:
        return orjson.dumps(self.body)


def invalid(message: str, param: str | None = None, *, code: str | None = None) -> RefusalError:
    return RefusalError(400, message, param=param, code=code)


def unsupported(param: str, why: str) -> RefusalError:
    return invalid(f"{param} is not supported by this runtime: {why}", param, code="unsupported")


def unknown_model(name: str, known: tuple[str, ...]) -> RefusalError:
    message = f"the model {name!r} is not served here; served: {', '.join(known)}"
    return RefusalError(404, message, param="model", code="model_not_found")


def unauthorized() -> RefusalError:
    message = "the key of this runtime is missing or wrong"
    return RefusalError(401, message, kind="authentication_error", code="invalid_api_key")


def no_route(method: str, path: str) -> RefusalError:
    return RefusalError(404, f"there is no {method} {path} here", code="not_found")


def too_long(context: int, prompt: int, asked: int | None) -> RefusalError:
    """`asked` are the tokens that the answer may have, as the call says it."""
    answer = "" if asked is None else f" and up to {asked} for the answer"
    return invalid(
        f"this model's context is {context} tokens; the prompt has {prompt}{answer}. "
        "Shorten the messages or ask for a shorter answer.",
        "messages",
        code="context_length_exceeded",
    )


def too_large(needed: int, free: int) -> RefusalError:
    return invalid(
        f"this call's cache may need {size(needed)} of memory; the bound of this runtime leaves "
        f"{size(free)}. Ask for a shorter answer or raise the bound.",
        "max_tokens",
        code=MEMORY_BOUND,
    )


def busy(waiting: int) -> RefusalError:
    message = f"{waiting} calls wait already; try again in a moment"
    return RefusalError(429, message, kind="rate_limit_error", code="queue_full", retry_after=1)


def draining() -> RefusalError:
    message = "this runtime ends; another one takes over"
    return RefusalError(503, message, kind="server_error", code="draining", retry_after=1)


def unavailable(message: str) -> RefusalError:
    return RefusalError(503, message, kind="server_error", code="unavailable", retry_after=5)


def defect(what: str) -> RefusalError:
    """`what` is the type of the error, never its text: that may hold the call's words."""
    message = f"the model failed at this call ({what}); the runtime's log has more"
    return RefusalError(500, message, kind="server_error", code="internal_error")
