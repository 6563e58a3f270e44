"""What an unquoted YAML scalar means: YAML 1.2 core, less what would surprise.

`yes`, `on`, dates, `.inf`, numbers with leading zeros or past 64 bits are strings.
"""

from __future__ import annotations

import math
import re

Scalar = str | int | float | bool | None

_WORDS: dict[str, bool | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_DECIMAL = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,19})")
_BASED = re.compile(r"0x[0-9a-fA-F]{1,16}|0o[0-7]{1,22}")
_FLOAT = re.compile(
    r"[-+]?(?:\.[0-9]+|(?:0|[1-9][0-9]*)(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?", re.ASCII
)
_FIRST = frozenset("~nNtTfF+-.0123456789")


def resolve_plain(text: str) -> Scalar:
    """The value of a plain scalar: a string unless it is a number, a boolean or null."""
    if text and text[0] not in _FIRST:
        return text
    if text in _WORDS:
        return _WORDS[text]
    if text[0] in "nNtTfF~":
        return text
    return _number(text)


def _number(text: str) -> Scalar:
    if _DECIMAL.fullmatch(text):
        return _within_64_bits(int(text), text)
    if _BASED.fullmatch(text):
        return _within_64_bits(int(text, 0), text)
    if _FLOAT.fullmatch(text):
        number = float(text)
        return number if math.isfinite(number) else text
    return text


def _within_64_bits(number: int, text: str) -> int | str:
    # JSON consumers, and our own canonical form, hold no larger integer.
    return number if -(2**63) <= number < 2**64 else text
