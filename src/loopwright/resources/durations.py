"""Durations as manifests write them: `30s`, `10m`, `12h`, `7d`, `2w`."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from loopwright.resources.markers import Said

_DURATION = re.compile(r"([0-9]+)(s|m|h|d|w)")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


def parse_duration(text: str) -> int:
    """Seconds in `30s`, `10m`, `12h`, `7d` or `2w`. Raises ValueError."""
    match = _DURATION.fullmatch(text)
    if not match:
        raise ValueError(f"must be a duration such as 30s, 10m, 12h, 7d or 2w, but is {text!r}")
    return int(match[1]) * _SECONDS[match[2]]


def _checked_duration(text: str) -> str:
    try:
        parse_duration(text)
    except ValueError as error:
        raise PydanticCustomError("duration", "{why}", {"why": str(error)}) from error
    return text


def _positive(text: str) -> str:
    if parse_duration(text) == 0:
        raise PydanticCustomError("duration", "{why}", {"why": f"must be longer than {text}"})
    return text


Duration = Annotated[
    str,
    Said("duration"),
    AfterValidator(_checked_duration),
    Field(json_schema_extra={"pattern": r"^[0-9]+[smhdw]$"}),
]
Period = Annotated[
    str,
    Said("duration"),
    AfterValidator(_checked_duration),
    AfterValidator(_positive),
    Field(json_schema_extra={"pattern": r"^[0-9]*[1-9][0-9]*[smhdw]$"}),
]
"""A duration that is not zero."""
