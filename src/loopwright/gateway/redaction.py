"""Text and JSON with what the detectors find replaced, the same value by the same mark in a lake.

`[EMAIL_1a2b3c4d]` tells that two places hold the same address, and nothing else: the digits are a
keyed hash. Looks into keys, whole numbers, and text that is escaped as JSON is, however it lies
within other text. Runs before anything is sealed.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import Counter
from functools import lru_cache
from typing import Any

import orjson

from loopwright.gateway.detectors import detectors
from loopwright.gateway.escapes import escapes_in, unescaped
from loopwright.gateway.findings import Finding, without_overlaps
from loopwright.gateway.named_secrets import is_secret, tells_a_key
from loopwright.gateway.own_patterns import Patience
from loopwright.gateway.settings import Redaction
from loopwright.lake.exchange import HashKeys

_SHORTEST, _SHORTEST_KEY = 6, 16  # of what built-in detectors find
_SMALLEST = 10**9
_MARK_BYTES = 4
_LOGPROBS = "logprobs"
_MOST_NAMES = 4096
_PATIENCE = 0.5  # seconds that own patterns may take for one call in a thread
_NESTED = 3  # JSON in a string in JSON in a string: deeper than clients go
_WIDE = re.compile("[０-９Ａ-Ｚａ-ｚ＠．＋－（）]")
_NARROW = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)}
_BINARY = re.compile(r"data:[A-Za-z0-9/+.;=-]{0,100};base64,[A-Za-z0-9+/=_-]*+(?![@%.:])")
_UNQUOTED_MARK = re.compile(r"(?<=[\[:,\s])(\[\w+_[0-9a-f]{8}\])(?=\s*[,\]}])")


class Redactor:
    """Replaces what is found. `counts` are added to: how many places by detector.

    Its methods raise SlowPatternError when an own pattern takes longer than other calls can wait:
    then a `patient` one is for a thread.
    """

    def __init__(
        self, redaction: Redaction, *, keys: HashKeys, patience: Patience | None = None
    ) -> None:
        self._redaction = redaction
        self._detect = detectors(redaction.detectors, redaction.patterns, patience)
        self._keys = keys
        self._has_own = bool(redaction.patterns)
        self._finds_keys = "apiKey" in redaction.detectors
        self._plain_names: set[str] = set()

    def patient(self) -> Redactor:
        """The same for one call, with time for own patterns, and an end to it."""
        return Redactor(self._redaction, keys=self._keys, patience=Patience(_PATIENCE))

    def value(self, value: Any, counts: Counter[str]) -> Any:
        """A JSON value with every text, key and whole number in it redacted.

        Raises RecursionError when it is nested too deeply.
        """
        kind = type(value)
        if kind is str:
            return self.text(value, counts)
        if kind is dict:
            return self._object(value, counts)
        if kind is list:
            if not self._has_own and _is_vector(value):
                return value
            return [self.value(one, counts) for one in value]
        if kind is int or kind is float:
            return self._number(value, counts)
        return value

    def text(self, text: str, counts: Counter[str]) -> str:
        """The text with what was found replaced."""
        if not self._has_own and (len(text) < _SHORTEST or _is_word(text)):
            return text
        if ";base64," in text:
            return self._around_binary(text, counts)
        found = self._found(text)
        if not found:
            return text
        clean = self._replaced(text, found, counts)
        return _kept_json(text, clean) if text.lstrip()[:1] in ("{", "[") else clean

    def _object(self, value: dict[str, Any], counts: Counter[str]) -> dict[str, Any]:
        """The usual names hold nothing and tell nothing, and are known after the first time."""
        clean = {}
        for name, one in value.items():
            if name in self._plain_names:
                clean[name] = self.value(one, counts)
                continue
            new_name = self.text(name, counts)
            clean[new_name] = self._named(name, one, counts)
            is_plain = new_name == name != _LOGPROBS and not tells_a_key(name)
            if is_plain and len(self._plain_names) < _MOST_NAMES:
                self._plain_names.add(name)
        return clean

    def _named(self, name: str, value: Any, counts: Counter[str]) -> Any:
        """A value whose name may tell what it is: `api_key` is followed by one."""
        if name == _LOGPROBS:
            return self._logprobs(value, counts)
        if type(value) in (str, int) and tells_a_key(name):
            before, written = len(name) + 1, str(value)
            found = [
                one._replace(start=max(0, one.start - before), end=one.end - before)
                for one in self._found(f"{name}={written}")
                if one.end > before
            ]
            if self._finds_keys and is_secret(name, written):
                found.append(Finding(0, len(written), "apiKey", written))
            return self._replaced(written, found, counts) if found else value
        return self.value(value, counts)

    def _around_binary(self, text: str, counts: Counter[str]) -> str:
        """Pictures within text are passed over; what surrounds them is not."""
        pieces, end = [], 0
        for binary in _BINARY.finditer(text):
            pieces += [self._plain(text[end : binary.start()], counts), binary.group()]
            end = binary.end()
        return "".join([*pieces, self._plain(text[end:], counts)])

    def _plain(self, text: str, counts: Counter[str]) -> str:
        found = self._found(text)
        return self._replaced(text, found, counts) if found else text

    def _number(self, number: float, counts: Counter[str]) -> Any:
        is_whole = type(number) is int or number.is_integer()
        if not self._has_own and not (is_whole and abs(number) >= _SMALLEST):
            return number
        written = str(int(number)) if is_whole else repr(number)
        clean = self.text(written, counts)
        return number if clean == written else clean

    def _logprobs(self, logprobs: Any, counts: Counter[str]) -> Any:
        """Tokens spell the answer once more, cut anywhere: none stay when it holds anything."""
        spelled = "".join(_tokens(logprobs))
        return None if self._found(spelled) else self.value(logprobs, counts)

    def _found(self, text: str) -> list[Finding]:
        """What is found in the text as it stands, and with JSON's escapes undone again and again.

        Places end where an escape ends: half of one missing would break the JSON around it.
        """
        found = self._detected(text)
        at: list[int] | None = None
        inner = text
        for _ in range(_NESTED):
            if not escapes_in(inner):
                break
            inner, within = unescaped(inner)
            at = [at[place] for place in within] if at else within
            for start, end, name, value in self._detected(inner):
                found.append(Finding(at[start], at[end], name, value))
        return [known for one in found if (known := _snapped(one, at))] if at else found

    def _detected(self, text: str) -> list[Finding]:
        found = [finding for detect in self._detect for finding in detect(text)]
        if not text.isascii() and _WIDE.search(text):  # own patterns may mean the wide signs
            narrow = text.translate(_NARROW)
            found += [finding for detect in self._detect for finding in detect(narrow)]
        return found

    def _replaced(self, text: str, found: list[Finding], counts: Counter[str]) -> str:
        pieces, end = [], 0
        for finding in without_overlaps(found):
            pieces += [text[end : finding.start], self._mark(finding)]
            counts[finding.name] += 1
            end = finding.end
        return "".join([*pieces, text[end:]])

    def _mark(self, finding: Finding) -> str:
        content = f"{finding.name}\0{finding.value}".encode("utf-8", "surrogatepass")
        return f"[{_label(finding.name)}_{self._keys.content_hash(content)[:_MARK_BYTES].hex()}]"


def redactor(redaction: Redaction, keys: HashKeys) -> Redactor | None:
    """The redactor of a delivery into the lake with these keys; None when nothing is redacted."""
    if not redaction:
        return None
    return _redactor(redaction.detectors, tuple(redaction.patterns.items()), keys)


@lru_cache(maxsize=256)
def _redactor(
    names: tuple[str, ...], patterns: tuple[tuple[str, re.Pattern[str]], ...], keys: HashKeys
) -> Redactor:
    return Redactor(Redaction(names, dict(patterns)), keys=keys)


def _is_word(text: str) -> bool:
    """Letters alone, and fewer than any key has."""
    return len(text) < _SHORTEST_KEY and text.isalpha()


def _is_vector(values: list[Any]) -> bool:
    """Whether these are the numbers of an embedding: too many and too small to look at each."""
    return set(map(type, values)) == {float} and -_SMALLEST < min(values) <= max(values) < _SMALLEST


@lru_cache(maxsize=256)
def _label(name: str) -> str:
    """idCard -> ID_CARD"""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name)
    return re.sub(r"\W+", "_", spaced.upper()).strip("_") or "REDACTED"


def _snapped(finding: Finding, at: list[int]) -> Finding | None:
    """The same place, without halves of escapes; None when nothing else is left."""
    start, end = at[bisect_left(at, finding.start)], at[bisect_left(at, finding.end)]
    return finding._replace(start=start, end=end) if start < end else None


def _kept_json(text: str, clean: str) -> str:
    """JSON in text stays JSON: a mark that stands where a number stood gets quotes."""
    if not _is_json(text) or _is_json(clean):
        return clean
    quoted = _UNQUOTED_MARK.sub(r'"\1"', clean)
    return quoted if _is_json(quoted) else clean


def _is_json(text: str) -> bool:
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError:
        return False
    return True


def _tokens(logprobs: Any) -> list[str]:
    """The tokens of an answer in order, of chat and of completion, as far as they are text."""
    if not isinstance(logprobs, dict):
        return []
    tokens = logprobs.get("tokens")
    found = list(tokens) if isinstance(tokens, list) else []
    for part in ("content", "refusal"):
        entries = logprobs.get(part)
        for entry in entries if isinstance(entries, list) else ():
            found.append(entry.get("token") if isinstance(entry, dict) else None)
    return [token for token in found if isinstance(token, str)]
