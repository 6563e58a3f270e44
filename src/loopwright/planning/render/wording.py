"""The words and numbers of a plan: what an action is called, how a value or a range is said."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from loopwright.errors import ExitCode
from loopwright.planning.change import Action, Change, Obstacle, Unknown
from loopwright.planning.plan import Plan
from loopwright.planning.standing import show
from loopwright.providers.base import Range

REFUSALS = (Obstacle.BUDGET, Obstacle.PROTECTED)
"""Obstacles that only an edit or a larger bound removes."""

VERBS = {
    Action.CREATE: "create",
    Action.UPDATE: "update",
    Action.REPLACE: "replace",
    Action.RUN: "run",
    Action.REUSE: "reuse",
    Action.PROMOTE: "promote",
    Action.GATED: "gated",
    Action.DELETE: "delete",
    Action.FORGET: "forget",
    Action.ADOPT: "adopt",
    Action.MOVE: "move",
    Action.WAIT: "wait",
    Action.NOOP: "keep",
}
_UNCOUNTABLE = {Action.GATED: "gated", Action.WAIT: "waiting", Action.NOOP: "unchanged"}
_ALWAYS_COUNTED = (Action.REPLACE, Action.DELETE)
_SELF_TELLING = (Obstacle.NONE, Obstacle.UPSTREAM, Obstacle.GATE, Obstacle.FAILED)
"""Their reasons are whole sentences already."""

_EXIT_WORDS = {
    ExitCode.DONE: "done, or nothing to do",
    ExitCode.ERROR: "an error",
    ExitCode.USAGE: "the command line was not understood",
    ExitCode.CHANGES: "changes pending",
    ExitCode.WAITING: "waiting for data, a gate, a running job or a manual step",
    ExitCode.PARTIAL: "some of it failed",
    ExitCode.DECISION: "needs a decision or a new approval",
    ExitCode.REFUSED: "refused by policy or budget",
}
_FRACTION = re.compile(r"(?<=:\d\d)\.\d+")
_CURRENCY_SIGNS = {"CNY": "¥", "USD": "$", "EUR": "€"}
_NOT_TEXT = r"true|false|null|yes|no|on|off|~|[-+]?[\d.][\d_.]*(?:e[-+]?\d+)?"
_PLAIN_TEXT = re.compile(rf"(?!(?:{_NOT_TEXT})$)\S+", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Signs:
    """The few characters beyond ASCII, and what stands for them without."""

    about: str = "≈ "
    dot: str = " · "
    ellipsis: str = "…"
    ascii_money: bool = False


UNICODE = Signs()
ASCII = Signs(about="about ", dot="; ", ellipsis="...", ascii_money=True)


def exit_words(code: ExitCode) -> str:
    """What an exit code means, in a few words."""
    return _EXIT_WORDS[code]


def count_words(action: Action, number: int) -> str:
    """E.g. `2 to create`, `1 waiting`, `6 unchanged`."""
    return f"{number:,} {_UNCOUNTABLE.get(action) or 'to ' + VERBS[action]}"


def tally(plan: Plan) -> str:
    """Every action with how often it occurs; replaces and deletes also when there are none."""
    counts = plan.counts()
    said = [
        count_words(action, counts.get(action, 0))
        for action in Action
        if counts.get(action) or action in _ALWAYS_COUNTED
    ]
    refused = sum(change.obstacle in REFUSALS for change in plan.changes)
    return ", ".join(said) + (f"; {refused:,} of these refused" if refused else "")


def reason_words(change: Change) -> str:
    """The reason, after what stands in the way unless the reason says so itself."""
    if change.obstacle in _SELF_TELLING:
        return change.reason
    told = change.reason.removeprefix("preventDestroy is set; ")
    if change.obstacle is Obstacle.PROTECTED:
        return f"protected by preventDestroy: {told}" if told else "protected by preventDestroy"
    return f"{change.obstacle.value}: {told}" if told else change.obstacle.value


def other_fields(change: Change) -> tuple[str, ...]:
    """Paths of the changed fields that the reason does not name."""
    return tuple(field.path for field in change.fields if field.path not in change.reason)


def moment_words(text: str) -> str:
    """RFC 3339 without the fractions of a second, which nobody reads."""
    return _FRACTION.sub("", text)


def plural(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def value_words(value: Any) -> str:
    """A value so that text cannot be taken for a number, a word of YAML or a reference."""
    if isinstance(value, Unknown) or value is None:
        return show(value)
    if isinstance(value, str):
        return value if _PLAIN_TEXT.fullmatch(value) else f'"{value}"'
    if isinstance(value, Mapping):
        given = {name: held for name, held in value.items() if held is not None}
        return "{" + ", ".join(f"{name}: {value_words(held)}" for name, held in given.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(value_words, value)) + "]"
    return show(value)


def number_words(value: float) -> str:
    """E.g. `48,213`, `6.1 M`, `0.25`."""
    if abs(value) >= 1_000_000:
        return f"{value / 1_000_000:,.1f} M"
    return f"{value:,.0f}" if float(value).is_integer() or abs(value) >= 100 else f"{value:.3g}"


def hours_words(hours: float) -> str:
    """E.g. `40 s`, `25 min`, `3 h 10 min`, `2 d 4 h`."""
    seconds = round(hours * 3600)
    if seconds < 90:
        return f"{seconds} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    if minutes < 48 * 60:
        return _two(minutes // 60, "h", minutes % 60, "min")
    return _two(minutes // 1440, "d", minutes % 1440 // 60, "h")


def _two(large: int, large_unit: str, small: int, small_unit: str) -> str:
    return f"{large} {large_unit}" + (f" {small} {small_unit}" if small else "")


def money_words(value: float, currency: str, signs: Signs = UNICODE) -> str:
    """E.g. `¥780`, `$12.50`, `780 CNY`."""
    if value >= 100 or float(value).is_integer():
        number = f"{value:,.0f}"
    else:
        number = f"{value:.2f}" if value >= 0.01 else f"{value:.2g}"
    sign = _CURRENCY_SIGNS.get(currency)
    if sign and not (signs.ascii_money and not sign.isascii()):
        return f"{sign}{number}"
    return f"{number} {currency}".rstrip()


def is_exact(amount: Range) -> bool:
    return amount.low == amount.likely == amount.high
