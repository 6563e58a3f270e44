"""The table of hyperparameters for people, made from the one that checks them."""

from __future__ import annotations

from collections.abc import Mapping

from loopwright.tuning.hyperparameters import KNOBS, Knob


def markdown_table() -> str:
    """Name, what may be written, default, meaning; in the order of use."""
    lines = ["| name | allowed | default | what it does |", "|---|---|---|---|"]
    for knob in KNOBS:
        allowed = knob.allowed.replace("|", "\\|")
        meaning = ("LoRA. " if knob.only_lora else "") + knob.meaning
        lines.append(f"| `{knob.name}` | {allowed} | {_default(knob)} | {meaning} |")
    return "\n".join(lines) + "\n"


def _default(knob: Knob) -> str:
    if knob.default is None:
        return ""
    if isinstance(knob.default, Mapping):
        return ", ".join(f"{method}: {_plain(value)}" for method, value in knob.default.items())
    return _plain(knob.default)


def _plain(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, int | float) else str(value)
