"""HTML built from parts: whatever is not markup already is escaped."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

VOID = frozenset({"br", "hr", "img", "meta", "input"})


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


def safe(text: str) -> Markup:
    """The text as HTML: markup as it is, anything else escaped."""
    return text if isinstance(text, Markup) else Markup(escape(text))


def joined(parts: Iterable[str], between: str = "") -> Markup:
    """Parts one after another, each made safe."""
    return Markup(safe(between).join(safe(part) for part in parts))


def element(name: str, *children: str, **attributes: str | float | bool | None) -> Markup:
    """`<name ...>children</name>`; `class_` means `class`, `aria_label` means `aria-label`.

    Attributes that are None or False are left out; True is written without a value.
    """
    written = "".join(_attribute(key, value) for key, value in attributes.items())
    if name in VOID:
        return Markup(f"<{name}{written}>")
    return Markup(f"<{name}{written}>{joined(children)}</{name}>")


def _attribute(key: str, value: str | float | bool | None) -> str:
    name = key.rstrip("_").replace("_", "-")
    if value is None or value is False:
        return ""
    if value is True:
        return f" {name}"
    return f' {name}="{escape(_number(value) if isinstance(value, float) else str(value))}"'


def _number(value: float) -> str:
    """Short and the same everywhere: `12.5`, never `12.499999`."""
    return f"{value:.2f}".rstrip("0").rstrip(".")
