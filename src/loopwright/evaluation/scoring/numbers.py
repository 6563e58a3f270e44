"""numeric: the last number of an answer against the expected one."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from functools import partial
from typing import Any, NamedTuple

from loopwright.evaluation.questions import Item
from loopwright.evaluation.scoring.base import (
    Given,
    Scored,
    Scorer,
    accepted,
    as_text,
    best,
    right_or_wrong,
)

_NUMBER = re.compile(
    r"(?<![A-Za-z0-9_.])(?P<number>[-+]?"  # no part of a name or a version
    r"(?:\d{1,3}(?:,\d{3})+(?!\d)|\d{1,3}(?: \d{3})+(?!\d)|\d+)?(?:\.\d+)?"
    r"(?:(?<=\d)[eE][-+]?\d+)?)"
    r"(?:\^\{?(?P<power>[-+]?\d{1,3})\}?)?\s*(?P<unit>%|千|万|亿)?"
)
_FRACTION = re.compile(r"(\d*) ?([\u00bc-\u00be\u2150-\u215e\u2189])")
_RAISED = re.compile(r"(?<=\d)([\u207a\u207b]?[\u2070\u00b9\u00b2\u00b3\u2074-\u2079]+)")
_TIMES = {"千": 1e3, "万": 1e4, "亿": 1e8}
_ROUNDING = 1e-9


class Number(NamedTuple):
    """As it was written: 12 % is 12."""

    value: float
    is_percentage: bool = False


def numeric(settings: Mapping[str, Any]) -> Scorer:
    """All points where the answer's last number is within the tolerance of the expected one.

    Thousands may have commas or spaces, units and currencies around a number are passed over, 千,
    万 and 亿 multiply, `10²`, `10^2` and `½` are what they mean. Where only one of the two is
    written with %, it is taken as hundredths.
    """
    return partial(_numeric, settings.get("tolerance", 0.0), settings.get("relativeTolerance", 0.0))


def _numeric(tolerance: float, relative: float, given: Given, item: Item) -> Scored:
    told = last_number(given.text)
    if told is None:
        return Scored(0.0, "holds no number")
    return best(_near(told, one, tolerance, relative) for one in accepted(item.expected))


def _near(told: Number, expected: Any, tolerance: float, relative: float) -> Scored:
    wanted = last_number(as_text(expected))
    if wanted is None:
        return Scored(0.0, "what is expected holds no number")
    said, meant = told.value, wanted.value
    if told.is_percentage != wanted.is_percentage:
        said, meant = _plain(told), _plain(wanted)
    off = abs(said - meant)
    bound = max(tolerance, relative * abs(meant), _ROUNDING * abs(meant))
    return right_or_wrong(off <= bound, f"is {said:g}, off by {off:g}")


def _plain(number: Number) -> float:
    return number.value / 100 if number.is_percentage else number.value


def last_number(text: str) -> Number | None:
    """None when there is none."""
    text = _FRACTION.sub(_decimal, _RAISED.sub(r"^\1", text))
    text = unicodedata.normalize("NFKC", text).replace("\u2212", "-")
    found: Number | None = None
    for match in _NUMBER.finditer(text):
        digits = re.sub("[, ]", "", match["number"])
        if any(sign.isdigit() for sign in digits):
            value = _raised(float(digits), match["power"])
            found = Number(value * _TIMES.get(match["unit"] or "", 1.0), match["unit"] == "%")
    return found


def _decimal(fraction: re.Match[str]) -> str:
    """`2½` as 2.5."""
    whole, part = fraction.groups()
    return f"{int(whole or 0) + unicodedata.numeric(part):.12f}"


def _raised(value: float, power: str | None) -> float:
    if power is None:
        return value
    try:
        return float(value ** int(power))
    except (OverflowError, ZeroDivisionError):
        return value
