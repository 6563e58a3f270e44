"""What is looked for in text before it is stored: built-in detectors by name, own patterns.

All work in time linear in the text. What becomes of the places is `redaction`'s; numbers are
told apart in `number_detectors`.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterator, Mapping, Sequence

from loopwright.gateway.findings import Detect, Finding
from loopwright.gateway.named_secrets import named_secrets
from loopwright.gateway.number_detectors import Number, bank_card, id_card, numbers, phone
from loopwright.gateway.own_patterns import Patience, own_pattern

_LONGEST_LOCAL = 64
_LOCAL = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+")
_DOMAIN = re.compile(
    r"(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,62})\.)+(?:xn--[A-Za-z0-9-]+|[A-Za-z]{2,63})"
)
_AT = re.compile(r"@|%40")
_QUOTES = "'`*/=&{|#!$^~?"

_OCTET = r"(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_IPV4 = re.compile(rf"(?<![0-9.])(?:{_OCTET}\.){{3}}{_OCTET}(?![0-9]|\.[0-9])")
_MAYBE_IPV4 = re.compile(r"\.[0-9]{1,3}\.")
_MAYBE_IPV6 = re.compile(r":[0-9A-Fa-f]{0,4}:")
_IPV6 = re.compile(r"(?<![0-9A-Za-z:.])(?:[0-9A-Fa-f]{0,4}:){2,7}[0-9A-Fa-f]{0,4}(?![0-9A-Za-z:])")

_KEY_FORMS: tuple[tuple[str, dict[str, str]], ...] = (
    (
        "",
        {
            "AKIA": r"AKIA[0-9A-Z]{16}",
            "ASIA": r"ASIA[0-9A-Z]{16}",
            "AKLT": r"AKLT[A-Za-z0-9+/_-]{16,}={0,2}",
            "AKID": r"AKID[A-Za-z0-9]{13,}",
            "LTAI": r"LTAI[A-Za-z0-9]{12,}",
            "AIza": r"AIza[A-Za-z0-9_-]{30,}",
            "eyJ": r"(?<![A-Za-z0-9_-])eyJ[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]{5,}"
            r"(?:\.[A-Za-z0-9_-]*)?",
            "earer ": r"[Bb]earer +[A-Za-z0-9._~+/-]{16,}={0,2}",
        },
    ),
    (
        "-",
        {
            "sk-": r"sk-[A-Za-z0-9_-]{16,}",
            "glpat-": r"glpat-[A-Za-z0-9_-]{20,}",
            "xox": r"xox[a-z]-[A-Za-z0-9-]{10,}",
            "pypi-": r"pypi-[A-Za-z0-9_-]{30,}",
            "-----BEGIN ": r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY-----"
            r"(?:(?!-----END)(?:[A-Za-z0-9+/=\s:,-]|\\[nr]))*(?:-----END [A-Z0-9 ]{0,40}-----)?",
        },
    ),
    (
        "_",
        {
            "k_live_": r"[rsp]k_live_[A-Za-z0-9]{16,}",
            "k_test_": r"[rsp]k_test_[A-Za-z0-9]{16,}",
            "gh": r"gh[pousr]_[A-Za-z0-9]{30,}",
            "github_pat_": r"github_pat_[A-Za-z0-9_]{22,}",
            "hf_": r"hf_[A-Za-z0-9]{20,}",
            "npm_": r"npm_[A-Za-z0-9]{30,}",
        },
    ),
)
"""Forms of keys by what they hold for sure: first one character of many, then what is rare."""

_KEYS = tuple(
    (sign, tuple((rare, re.compile(form)) for rare, form in forms.items()))
    for sign, forms in _KEY_FORMS
)


def detectors(
    names: Sequence[str],
    patterns: Mapping[str, re.Pattern[str]],
    patience: Patience | None = None,
) -> tuple[Detect, ...]:
    """The built-in detectors of these names, and one for each own pattern, by its label."""
    chosen = {kind: check for kind, check in _NUMBERS.items() if kind in names}
    return (
        *(detect for kind, detect in _BUILT_IN.items() if kind in names),
        *([_numeric(chosen)] if chosen else ()),
        *(own_pattern(label, pattern, patience) for label, pattern in patterns.items()),
    )


def _emails(text: str) -> Iterator[Finding]:
    if "@" not in text and "%40" not in text:
        return
    for at in _AT.finditer(text):
        domain = _DOMAIN.match(text, at.end())
        window = text[max(0, at.start() - _LONGEST_LOCAL) : at.start()][::-1]
        local = _LOCAL.match(window)
        if domain is None or local is None:
            continue
        written = local.group()[::-1]
        name = written.lstrip(_QUOTES) or written
        start = at.start() - len(name)
        yield Finding(start, domain.end(), "email", f"{name}@{domain.group()}".lower())


def _api_keys(text: str) -> Iterator[Finding]:
    for sign, forms in _KEYS:
        if sign in text:
            for rare, form in forms:
                if rare in text:
                    for key in form.finditer(text):
                        yield _finding(key, "apiKey")
    yield from named_secrets(text)


def _addresses(text: str) -> Iterator[Finding]:
    if _MAYBE_IPV4.search(text):
        for found in _IPV4.finditer(text):
            yield _finding(found, "ip")
    if _MAYBE_IPV6.search(text):
        for found in _IPV6.finditer(text):
            if _is_ipv6(found.group()):
                plain = ipaddress.IPv6Address(found.group()).compressed
                yield Finding(found.start(), found.end(), "ip", plain)


def _finding(found: re.Match[str], name: str, group: str | int = 0) -> Finding:
    return Finding(found.start(group), found.end(group), name, found[group])


def _is_ipv6(written: str) -> bool:
    """Slices of lists and the loopback look like short addresses: they tell nothing of anybody."""
    groups = [group for group in written.split(":") if group]
    if len(groups) < 3 and not any(len(group) > 2 for group in groups):
        return False
    try:
        ipaddress.IPv6Address(written)
    except ValueError:
        return False
    return True


_BUILT_IN: Mapping[str, Detect] = {"email": _emails, "apiKey": _api_keys, "ip": _addresses}
_NUMBERS: Mapping[str, Callable[[Number], str | None]] = {
    "phone": phone,
    "idCard": id_card,
    "bankCard": bank_card,
}


def _numeric(checks: Mapping[str, Callable[[Number], str | None]]) -> Detect:
    def detect(text: str) -> Iterator[Finding]:
        for number in numbers(text):
            for name, check in checks.items():
                if (value := check(number)) is not None:
                    yield Finding(number.start, number.end, name, value)

    return detect
