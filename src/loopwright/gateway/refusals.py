"""Everything a gateway answers by itself when it cannot serve: one place, in OpenAI's shape.

The official clients turn status and body into their error classes, and retry by the headers. A
message never quotes a body, a key or an upstream's address.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

import orjson

Headers = tuple[tuple[str, str], ...]

_FINAL: Headers = (("x-should-retry", "false"),)
_LONGEST_NAME = 80
UNREACHABLE, BROKE = "upstream_unreachable", "upstream_broke"


class RefusalError(Exception):
    """A call that is answered with an error. `code` is stable, for programs; `message` for people.

    `headers` are added to the answer. `closes` says that the connection cannot go on.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        type: str = "invalid_request_error",
        code: str | None = None,
        param: str | None = None,
        headers: Headers = (),
        closes: bool = False,
    ) -> None:
        super().__init__(message)
        self.status, self.code, self.headers, self.closes = status, code, headers, closes
        self.body = orjson.dumps(
            {"error": {"message": message, "type": type, "param": param, "code": code}}
        )


def missing_key() -> RefusalError:
    return RefusalError(
        401,
        "You did not provide an API key. Send it as a header: Authorization: Bearer YOUR_KEY.",
        code="missing_api_key",
        headers=(("www-authenticate", "Bearer"),),
    )


def wrong_key() -> RefusalError:
    return RefusalError(
        401,
        "Incorrect API key provided. Keys are declared under principals in loopwright.yaml.",
        code="invalid_api_key",
        headers=(("www-authenticate", "Bearer"),),
    )


def foreign_page() -> RefusalError:
    return RefusalError(
        403,
        "A page of another site may not call this gateway while it asks for no API keys.",
        code="foreign_origin",
    )


def not_here(path: str) -> RefusalError:
    return RefusalError(
        404, f"There is nothing at {path[:_LONGEST_NAME]}.", code="unknown_url", headers=_FINAL
    )


def wrong_method(method: str, allowed: str) -> RefusalError:
    return RefusalError(
        405,
        f"Not allowed to {method} here: use {allowed}.",
        code="method_not_supported",
        headers=(("allow", allowed),),
    )


def unknown_model(name: str, known: Iterable[str]) -> RefusalError:
    near = difflib.get_close_matches(name[:_LONGEST_NAME], list(known), n=1)
    meant = f" Did you mean `{near[0]}`?" if near else ""
    return RefusalError(
        404,
        f"The model `{name[:_LONGEST_NAME]}` does not exist: no endpoint has this name.{meant}",
        code="model_not_found",
        param="model",
    )


def stopped(name: str) -> RefusalError:
    return RefusalError(
        503,
        f"The endpoint `{name}` is stopped.",
        type="server_error",
        code="endpoint_stopped",
        headers=_FINAL,
    )


def bad_body(message: str, *, param: str | None = None) -> RefusalError:
    return RefusalError(400, message, code="invalid_body", param=param)


def too_large(limit: int) -> RefusalError:
    return RefusalError(
        413,
        f"The request body is larger than the {limit} bytes that this gateway takes.",
        code="request_too_large",
        closes=True,
    )


def overloaded() -> RefusalError:
    return RefusalError(
        503,
        "The gateway is busy with as many calls as it may run. Try again in a moment.",
        type="server_error",
        code="overloaded",
        headers=(("retry-after", "1"),),
    )


def draining() -> RefusalError:
    return RefusalError(
        503,
        "The gateway is shutting down. Try again in a moment.",
        type="server_error",
        code="shutting_down",
        headers=(("retry-after", "1"),),
        closes=True,
    )


def not_recorded() -> RefusalError:
    """The delivery says that a call which cannot be recorded is not to be served."""
    return RefusalError(
        503,
        "The call cannot be recorded, and its endpoint serves only what is recorded.",
        type="server_error",
        code="capture_refused",
        headers=(("retry-after", "5"),),
    )


def upstream_unreachable(name: str) -> RefusalError:
    return RefusalError(
        502,
        f"What stands behind `{name}` cannot be reached.",
        type="upstream_error",
        code=UNREACHABLE,
    )


def upstream_broke(name: str) -> RefusalError:
    return RefusalError(
        502,
        f"What stands behind `{name}` broke off before it answered.",
        type="upstream_error",
        code=BROKE,
    )


def loading(name: str) -> RefusalError:
    return RefusalError(
        503,
        f"The model of `{name}` is being loaded. Try again in a moment.",
        type="server_error",
        code="model_loading",
        headers=(("retry-after", "5"),),
    )


def upstream_unusable(name: str, status: int) -> RefusalError:
    """An answer that would mislead the client: our key is wrong, or it is sent elsewhere."""
    return RefusalError(
        502,
        f"What stands behind `{name}` answered the gateway with status {status}: "
        "its address or its API key needs to be looked at.",
        type="upstream_error",
        code="upstream_refused",
        headers=_FINAL,
    )


def upstream_timeout(name: str) -> RefusalError:
    return RefusalError(
        504,
        f"What stands behind `{name}` did not answer in time.",
        type="upstream_error",
        code="upstream_timeout",
    )


def defect() -> RefusalError:
    return RefusalError(
        500, "The gateway failed at this call.", type="server_error", code="internal_error"
    )
