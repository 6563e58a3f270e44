"""exactMatch, includes, regex: an answer compared as a text, or as the JSON value that it is."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from functools import partial
from typing import Any

import regex

from loopwright.evaluation.questions import Item
from loopwright.evaluation.scoring.base import (
    NOT_JSON,
    Given,
    Scored,
    Scorer,
    accepted,
    as_text,
    best,
    json_value,
    right_or_wrong,
    shown,
)

_SECONDS = 0.5
"""For one pattern at one answer: thousands of times what an honest pattern needs."""


def exact_match(settings: Mapping[str, Any]) -> Scorer:
    """All points where answer and expected are the same.

    White space at the ends never counts; `compare` says what else does not. What is expected as
    a JSON value is compared as a value.
    """
    return partial(_exact, settings.get("compare") or {})


def includes(settings: Mapping[str, Any]) -> Scorer:
    """All points where what is expected stands somewhere in the answer."""
    return partial(_includes, settings.get("compare") or {})


def pattern(settings: Mapping[str, Any]) -> Scorer:
    """All points where the pattern is found in the answer; without one, the expected is it."""
    return partial(_regex, settings.get("pattern"))


def _exact(compare: Mapping[str, Any], given: Given, item: Item) -> Scored:
    return best(_same(compare, given.text, one) for one in accepted(item.expected))


def _same(compare: Mapping[str, Any], text: str, expected: Any) -> Scored:
    if compare.get("asJson") or not isinstance(expected, str):
        value = json_value(text)
        if value is NOT_JSON:
            return Scored(0.0, f"is no JSON: {shown(text)}")
        wanted = json_value(as_text(expected))
        return right_or_wrong(_equal(value, wanted), _differing(value, wanted))
    told, wanted = _normal(text, compare), _normal(expected, compare)
    return right_or_wrong(told == wanted, f"is {shown(text)}")


def _equal(one: Any, other: Any) -> bool:
    """By value, but a truth value is no number."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_equal(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_equal, one, other))
    return bool(one == other)


def _differing(value: Any, wanted: Any) -> str:
    """The fields that are not as expected, where both are objects."""
    if not (isinstance(value, dict) and isinstance(wanted, dict)):
        return f"is {shown(as_text(value))}"
    names = [
        name
        for name in {**wanted, **value}
        if name not in value or name not in wanted or not _equal(value[name], wanted[name])
    ]
    return f"differs in {', '.join(map(str, names))}"


def _includes(compare: Mapping[str, Any], given: Given, item: Item) -> Scored:
    told = _normal(given.text, compare)
    found = any(_normal(as_text(one), compare) in told for one in accepted(item.expected))
    return right_or_wrong(found, "does not include what is expected")


def _regex(said: str | None, given: Given, item: Item) -> Scored:
    patterns = (said,) if said else tuple(map(as_text, accepted(item.expected)))
    try:
        found = any(regex.search(one, given.text, timeout=_SECONDS) for one in patterns)
    except TimeoutError:
        return Scored(0.0, "the pattern takes too long")
    except regex.error as error:
        return Scored(0.0, f"what is expected is no regular expression: {error}")
    return right_or_wrong(found, "the pattern is not found")


def extracted(said: str, given: Given) -> Given | None:
    """What of an answer is scored: the pattern's first group, or all it matched; None: nothing."""
    try:
        found = regex.search(said, given.text, timeout=_SECONDS)
    except TimeoutError:
        return None
    if found is None:
        return None
    return Given(found.group(1 if found.re.groups else 0) or "", given.tool_calls)


def _normal(text: str, compare: Mapping[str, Any]) -> str:
    if compare.get("ignoreCase"):
        text = text.casefold()
    if compare.get("ignorePunctuation"):
        text = "".join(sign for sign in text if not unicodedata.category(sign).startswith("P"))
    if compare.get("ignoreWhitespace"):
        text = " ".join(text.split())
    return text.strip()
