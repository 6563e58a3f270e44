"""Plain scalars follow YAML 1.2 core, with no surprises for people."""

from __future__ import annotations

from typing import Any

import pytest

from loopwright.manifests.scalars import resolve_plain


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None),
        ("~", None),
        ("null", None),
        ("true", True),
        ("False", False),
        ("0", 0),
        ("-12", -12),
        ("+3", 3),
        ("0x1F", 31),
        ("0o17", 15),
        ("0.3", 0.3),
        (".5", 0.5),
        ("1e3", 1000.0),
        ("-2.5E-1", -0.25),
        ("18446744073709551615", 2**64 - 1),
    ],
)
def test_core_scalars_get_their_type(text: str, value: Any) -> None:
    assert resolve_plain(text) == value
    assert type(resolve_plain(text)) is type(value)


@pytest.mark.parametrize(
    "text",
    [
        *("yes", "no", "on", "off", "y", "tRue", "nil"),
        *("2026-01-31", "12:30:45", "1_000", "007", "0b1", "-0x1", "١٢"),
        *(".inf", "-.inf", ".nan", "1e999", "18446744073709551616", "-", "+", "."),
    ],
)
def test_everything_else_stays_text(text: str) -> None:
    assert resolve_plain(text) == text
