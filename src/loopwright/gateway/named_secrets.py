"""Passwords, keys and tokens that are told by their name: `password: ...`, `api_key=...`, 密码是...

A value counts with a digit in it, which types and words of schemas lack. All work is linear in
the text. Keys that tell by their form are found in `detectors`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from loopwright.gateway.findings import Finding

SHORTEST = 9
"""Of a text that holds a name and its value."""

_WORDS = ("pass", "pwd", "secret", "key", "token", "authoriz", "密", "口令")
"""Without one of these there is no name."""
_NAMED = re.compile(r"passw(?:or)?d|passphrase|pwd|secret|key|token|authorization|密码|密碼|口令")
_SEPARATORS = ("=", ":", "：", "＝", "是", "为", "為", " is ")
_BEFORE_KEY = re.compile(
    r"(?:api|access|secret|private|master|encryption|signing|auth|app)[ _-]?\Z"
)
_BEFORE_TOKEN = re.compile(r"(?:access|auth|bearer|refresh|secret|session|security)[ _-]?\Z")
_LONGEST_BEFORE = 11
_VALUE = re.compile(
    r"[\"'`*]{0,3}\s{0,4}"
    r"(?:(?:是|为|為|is\b)?\s{0,4}[:=：＝]>?|是|为|為|is\s)"
    r"[*]{0,2}\s{0,4}"
    r"(?P<scheme>[\"'`]?(?:basic|bearer|digest|token)\s{1,4})?"
    r"(?:"
    r"\"(?P<double>[^\s\"\\\[<{][^\s\"\\]{5,})\""
    r"|'(?P<single>[^\s'\\\[<{][^\s'\\]{5,})'"
    r"|[\"'`]?(?P<plain>(?:[A-Za-z0-9!#$%*+./:=?@^_~-]|&(?!\w{1,40}=)){6,}(?<!\.))"
    r")",
    re.IGNORECASE,
)
_BLANK, _OPENING = re.compile(r"\s"), ("", "[", "<", "{")
_NO_VALUE = re.compile(r"[$%][{(]|%s|\$[A-Z_]{2}")
_FOLDER = re.compile(r"[/~.]|[A-Za-z]:[/\\]")
_SHORTEST_OF = {"secret": 8, "token": 12}
"""Of what stands after a name that alone means little; six elsewhere."""


def tells_a_key(name: str) -> bool:
    """Whether what is called so is a key or a password."""
    small = name.lower()
    return any(
        named.end() == len(small) and _shortest(small, named) is not None
        for named in _NAMED.finditer(small)
    )


def is_secret(name: str, value: str) -> bool:
    """Whether the value of a field of this name is one, and nothing else is in it."""
    small = name.lower()
    for named in _NAMED.finditer(small):
        shortest = _shortest(small, named) if named.end() == len(small) else None
        if shortest is not None:
            is_word = not _BLANK.search(value) and value[:1] not in _OPENING
            return is_word and _counts(named.group(), value, shortest, has_scheme=False)
    return False


def named_secrets(text: str) -> Iterator[Finding]:
    """What a key, token or password is said to be."""
    if len(text) < SHORTEST or not any(sign in text for sign in _SEPARATORS):
        return
    small = text.lower()
    if not any(word in small for word in _WORDS):
        return
    if len(small) != len(text):  # a letter became two: places would not be the same
        small = text
    end = 0
    for named in _NAMED.finditer(small):
        if named.start() < end or (shortest := _shortest(small, named)) is None:
            continue
        if value := _VALUE.match(text, named.end()):
            end = value.end()
            group = next(one for one in ("double", "single", "plain") if value[one])
            has_scheme = value["scheme"] is not None
            if _counts(named.group(), value[group], shortest, has_scheme=has_scheme):
                yield Finding(value.start(group), value.end(group), "apiKey", value[group])


def _shortest(small: str, named: re.Match[str]) -> int | None:
    """Of a value after this name; None where it means something else, as what is before tells."""
    name, start = named.group(), named.start()
    within = max(0, start - _LONGEST_BEFORE), start
    if name == "key":
        return 6 if _BEFORE_KEY.search(small, *within) else None
    if name == "token" and _BEFORE_TOKEN.search(small, *within):
        return 6
    return _SHORTEST_OF.get(name, 6)


def _counts(name: str, value: str, shortest: int, *, has_scheme: bool) -> bool:
    if len(value) < shortest or _NO_VALUE.match(value):
        return False
    if name == "pwd" and _FOLDER.match(value):
        return False
    has_digit = any(map(str.isdigit, value))
    if name == "authorization" and has_scheme:  # base64 without a digit is no word: it has capitals
        return has_digit or value[1:] != value[1:].lower()
    return has_digit and (name != "token" or not value.isdigit())
