"""Asks an endpoint what is not known yet: bounded, kept at once, patient with one that is away."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any

from loopwright.errors import EvaluationError
from loopwright.evaluation.answers import Answered, KeptAnswers
from loopwright.inference.asking import Asks, ask_all
from loopwright.inference.reply import Reply

CHAT = "chat/completions"
_AWAY = frozenset({0, 401, 403, 404, 429, 502, 503, 504})
"""No word of the model itself: nobody there, or the endpoint is not served (yet)."""
_IN_A_ROW = 8

Open = Callable[[str], AbstractAsyncContextManager[Asks]]
"""A way to an endpoint, by its name."""


class EndpointAwayError(EvaluationError):
    """An endpoint does not answer at all, for longer than it is waited for. May pass."""


async def ask_kept(
    endpoint: str,
    asks: Asks,
    requests: Mapping[str, Mapping[str, Any]],
    kept: KeptAnswers,
    *,
    concurrency: int,
    told: Callable[[], None],
) -> dict[str, Answered]:
    """What came of every request, by its key; what is kept is not asked again.

    `told` is called once a request. Raises EndpointAwayError when the endpoint answers nothing.
    """
    found: dict[str, Answered] = {}
    for key in requests:
        if (known := kept.get(key)) is not None:
            found[key] = known
            told()
    silence = _Silence(endpoint)

    def done(key: str, reply: Reply) -> None:
        silence.listen(reply)
        found[key] = Answered.of(reply)
        kept.put(key, found[key])
        told()

    await ask_all(
        asks,
        [(key, CHAT, request) for key, request in requests.items() if key not in found],
        concurrency=concurrency,
        done=done,
    )
    silence.end()
    return found


@dataclass
class _Silence:
    """Tells an endpoint that is away from items that fail: nothing but refusals, in a row."""

    name: str
    _row: int = 0
    _has_spoken: bool = False
    _last: str = ""

    def listen(self, reply: Reply) -> None:
        if reply.status not in _AWAY:
            self._has_spoken, self._row = True, 0
            return
        self._row += 1
        self._last = reply.error
        if self._row >= _IN_A_ROW:
            raise self._error()

    def end(self) -> None:
        if self._row and not self._has_spoken:
            raise self._error()

    def _error(self) -> EndpointAwayError:
        return EndpointAwayError(
            f"the endpoint {self.name} does not answer: {self._last}",
            hint="what was answered so far is kept; the next attempt goes on from there",
        )
