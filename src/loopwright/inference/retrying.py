"""Which answers are worth another attempt, and how long to wait before it."""

from __future__ import annotations

import random
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

_FIRST_SECONDS = 0.25
_LONGEST_SECONDS = 20.0
_LONGEST_ASKED = 300.0
FULL = 429
"""Too many calls at once, or within a time."""
_AWAY = frozenset({502, 503, 504})
_PASSING = frozenset({FULL, 408, 409, 425, 500, 529}) | _AWAY


def may_pass(status: int) -> bool:
    """Whether a refusal may be none the next time: what OpenAI's own client tries again."""
    return status == 0 or status in _PASSING or status > 505


def is_patient(status: int) -> bool:
    """Whether waiting is all that it takes: nobody there yet, or too many calls at once.

    Other refusals that may pass are about this question, and tried a few times only.
    """
    return status in (0, FULL) or status in _AWAY


def pause(attempt: int, asked: float | None) -> float:
    """Seconds before the attempt after `attempt`: what the server asked for, else twice as long
    each time; a little apart from everybody else's."""
    if asked is not None:
        return min(asked, _LONGEST_ASKED) + random.uniform(0, 0.1)
    longest = min(_LONGEST_SECONDS, _FIRST_SECONDS * 2.0 ** (attempt - 1))
    return random.uniform(longest / 2, longest)


def asked_pause(headers: Mapping[str, str]) -> float | None:
    """Seconds that an answer asks to wait for; None when it does not say."""
    try:
        if "retry-after-ms" in headers:
            return max(0.0, float(headers["retry-after-ms"]) / 1000)
        return max(0.0, float(headers["retry-after"]))
    except KeyError:
        return None
    except ValueError:
        return _until(headers["retry-after"])


def _until(text: str) -> float | None:
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())
