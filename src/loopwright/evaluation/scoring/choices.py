"""multipleChoice: which choice an answer takes, by its letter or by its text."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from string import ascii_uppercase
from typing import Any

from loopwright.evaluation.questions import Item
from loopwright.evaluation.scoring.base import Given, Scored, Scorer, right_or_wrong

_ALONE = re.compile(r"^\W*([A-Za-z])(?:\W*$|[\).:、．：]\s)")
_SAID = re.compile(
    r"(?:answer|choice|option|答案|选项|选择|选)\W{0,3}(?:is|are|为|是)?\W{0,4}([A-Za-z])(?![A-Za-z])",
    re.IGNORECASE,
)
_BRACKETED = re.compile(r"[\((\[]([A-Z])[\))\]]")
_STANDING = re.compile(r"(?<![A-Za-z'’])([B-Z])(?![A-Za-z'’])|(?<![A-Za-z'’])(A)(?![A-Za-z'’ ])")


def multiple_choice(settings: Mapping[str, Any]) -> Scorer:
    """All points where the answer takes the right choice and no other.

    In this order: a letter that is all of the answer or leads it, the last "answer is X", the
    one letter in brackets or standing by itself, the one choice whose text is in the answer.
    """
    del settings
    return _chosen


def _chosen(given: Given, item: Item) -> Scored:
    taken = choice_of(given.text, item.choices)
    reason = f"takes {taken}, not {item.expected}" if taken else "takes no choice, or several"
    return right_or_wrong(taken == item.expected, reason)


def choice_of(text: str, choices: Sequence[str]) -> str:
    """The letter of the choice that an answer takes; empty where it takes none, or several."""
    letters, said = ascii_uppercase[: len(choices)], text.strip()
    by_text = [letter for letter, one in zip(letters, choices, strict=True) if one.strip() == said]
    if len(by_text) == 1:
        return by_text[0]
    alone = _ALONE.match(said)
    if alone and alone[1].upper() in letters:
        return str(alone[1].upper())
    if stated := [one.upper() for one in _SAID.findall(said) if one.upper() in letters]:
        return str(stated[-1])
    for pattern in (_BRACKETED, _STANDING):
        among = {"".join(found.groups(default="")) for found in pattern.finditer(said)}
        if len(among & set(letters)) == 1:
            return str((among & set(letters)).pop())
    return _by_text(said, letters, choices)


def _by_text(said: str, letters: str, choices: Sequence[str]) -> str:
    """The one choice that stands in the text; a choice within a longer one that does is passed."""
    said = said.casefold()
    found = [
        (letter, one.strip().casefold())
        for letter, one in zip(letters, choices, strict=True)
        if one.strip() and one.strip().casefold() in said
    ]
    whole = [letter for letter, one in found if not any(one in x and one != x for _, x in found)]
    return whole[0] if len(whole) == 1 else ""
