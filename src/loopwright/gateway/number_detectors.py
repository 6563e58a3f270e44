"""Personal numbers in text: telephone numbers, ID cards of mainland China, bank cards.

Digits may be grouped by spaces, dashes and brackets. A number counts when its form and its check
digits hold, so that most other numbers stay. Input is normalised: full-width digits are ASCII.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

_GAP = r" \t\-.()\u00a0\u2002-\u200d\u2010-\u2015\u202f\u2060\ufeff"
_CHAIN = re.compile(rf"[0-9](?:[{_GAP}]{{0,3}}[0-9]){{8,}}[xX]?")
_GROUP = re.compile(r"[0-9]+")
_BEFORE = re.compile(r"(?:\(?[+＋]\(?|\()\Z")
_SIGNS, _JOINTS = ("(", "+", "＋"), (".", "-")
_FEWEST_DIGITS, _MOST_DIGITS = 9, 19
_LENGTHS = frozenset(range(_FEWEST_DIGITS, _MOST_DIGITS + 1))
_PLAIN_LENGTHS = frozenset((10, 11, *range(13, 20)))
"""Of numbers that say by no plus, zero or country that they are telephone numbers."""


_DOUBLED = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)
_ID_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_ID_CHECKS = "10X98765432"
_DAY = r"(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])"
_ID_FORM = re.compile(rf"[1-9]\d{{5}}(?:18|19|20)\d\d{_DAY}\d{{3}}[\dX]")
_OLD_ID_FORM = re.compile(rf"[1-9]\d{{7}}{_DAY}\d{{3}}")

_MOBILE = re.compile(r"(?:(?:00)?86)?(1[3-9]\d{9})")
_CHINA = re.compile(r"86(?:1[3-9]\d{9}|0?(?:10|2\d|[3-9]\d\d)[2-8]\d{6,7})")
_ALL_DIGITS = "0123456789"  # as programs write them
_DATE = re.compile(r"\d\d[-./]\d\d[-./](?:19|20)\d\d")
_YEARS = re.compile(r"(?:(?:19|20)\d\d)+")


class Number(NamedTuple):
    """Digits between `start` and `end` of a text, as they are and as a plain number.

    `groups` are the lengths of what stands between gaps; `sign` is true after a plus. `after` is
    the point or dash that joins it to a digit before, where there is one.
    """

    start: int
    end: int
    written: str
    digits: str
    groups: tuple[int, ...]
    sign: bool
    after: str


def numbers(text: str) -> Iterator[Number]:
    """Every run of groups in `text` that could be one number."""
    if _count_of_digits(text) < _FEWEST_DIGITS:
        return
    for chain in _CHAIN.finditer(text):
        groups = [(one.start(), one.end()) for one in _GROUP.finditer(text, *chain.span())]
        for first in range(len(groups)):
            yield from _from_group(text, groups, first, chain.end())


def _from_group(
    text: str, groups: list[tuple[int, int]], first: int, end_of_chain: int
) -> Iterator[Number]:
    """The numbers that begin with one group: it alone, and with those after it."""
    start, end = groups[first]
    begin, sign, after = _before(text, start)
    is_open = sign or text[start] == "0" or text.startswith("86", start)
    leads = is_open or end - start >= 3 or text[start:end] == "1"
    digits, sizes = "", []
    for number, (left, right) in enumerate(groups[first : first + _MOST_DIGITS]):
        if number and (not leads or (number > 1 and right - left == 1)):
            return
        digits += text[left:right]
        if len(digits) > _MOST_DIGITS:
            return
        sizes.append(right - left)
        if len(digits) in (_LENGTHS if is_open else _PLAIN_LENGTHS):
            yield Number(begin, right, text[start:right], digits, tuple(sizes), sign, after)
        if len(digits) == 17 and right + 1 == end_of_chain and text[right] in "xX":
            written = text[start : right + 1]
            yield Number(begin, right + 1, written, digits + "X", tuple(sizes), sign, after)


def _before(text: str, start: int) -> tuple[int, bool, str]:
    """Where a number with its brackets and plus begins, whether it has a plus, what joins it."""
    last = text[start - 1 : start]
    if last in _SIGNS and (opening := _BEFORE.search(text, max(0, start - 3), start)):
        return opening.start(), opening.group() != "(", ""
    is_joined = last in _JOINTS and text[start - 2 : start - 1].isdigit()
    return start, False, last if is_joined else ""


def _count_of_digits(text: str) -> int:
    """Five times faster than to search for them, and most texts hold few."""
    data = text.encode("utf-8", "surrogatepass")
    return len(data) - len(data.translate(None, b"0123456789"))


def phone(number: Number) -> str | None:
    """The number without prefix of China, or None when it is no telephone number."""
    digits, groups = number.digits, number.groups
    if len(groups) == 2 and "." in number.written:  # a decimal number
        return None
    if found := _MOBILE.fullmatch(digits):
        return found[1]
    if number.sign:
        return digits if groups[-1] > 1 and _is_international(digits) else None
    if _CHINA.fullmatch(digits) and len(groups) > 1:
        return digits
    if not number.after and (_is_trunk(number) or _is_grouped_like_america(number)):
        return digits
    return None


def id_card(number: Number) -> str | None:
    """The number, or None when form, date or check digit are not those of an ID card."""
    digits = number.digits
    if len(digits) == 15:
        return digits if _OLD_ID_FORM.fullmatch(digits) and min(number.groups) >= 3 else None
    if len(digits) != 18 or not _ID_FORM.fullmatch(digits):
        return None
    total = sum(int(digit) * weight for digit, weight in zip(digits, _ID_WEIGHTS, strict=False))
    return digits if _ID_CHECKS[total % 11] == digits[17] else None


def bank_card(number: Number) -> str | None:
    """The number, or None when it has no length of a card or fails the Luhn check.

    Digits after a decimal point, and times in milliseconds, are no cards.
    """
    digits, groups = number.digits, number.groups
    if not 13 <= len(digits) <= _MOST_DIGITS or digits[-1] == "X":
        return None
    if "." in number.written and len(groups) < 4:
        return None
    if digits[0] in "01" and not (len(digits) == 15 and digits.startswith("1800")):
        return None
    if len(groups) == 1 and number.after == ".":
        return None
    if len(groups) > 1 and (min(groups[:-1]) < 3 or _YEARS.fullmatch(digits)):
        return None
    return digits if luhn(digits) else None


def luhn(digits: str) -> bool:
    """Whether the last digit checks the others (ISO/IEC 7812)."""
    values = [int(digit) for digit in reversed(digits)]
    return (sum(values[::2]) + sum(_DOUBLED[value] for value in values[1::2])) % 10 == 0


def _is_international(digits: str) -> bool:
    """E.164 after a plus; the lengths of China and North America are known."""
    if digits[0] == "0" or not 9 <= len(digits) <= 15:
        return False
    if digits.startswith("86"):
        return _CHINA.fullmatch(digits) is not None
    return digits[0] != "1" or len(digits) == 11


def _is_trunk(number: Number) -> bool:
    """A national number with its leading zero, or an international one with two."""
    digits, groups = number.digits, number.groups
    if digits[0] != "0" or len(digits) < 9 or "X" in digits or min(groups) < 2:
        return False
    if digits.startswith(_ALL_DIGITS):
        return False
    if digits[1] == "0":
        return 12 <= len(digits) <= 17 and digits[2] != "0"
    shortest = 10 if len(groups) == 1 else 9
    return shortest <= len(digits) <= 12 and not _DATE.match(number.written)


def _is_grouped_like_america(number: Number) -> bool:
    """555-123-4567, with or without a leading 1; 400-8208-820 of China is of the kind, too."""
    digits, groups = number.digits, number.groups
    if groups in ((3, 3, 4), (3, 4, 3)):
        return digits[0] in "23456789"
    return groups == (1, 3, 3, 4) and digits[0] == "1" and digits[1] in "23456789"
