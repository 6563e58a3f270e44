"""What an estimate says, as short phrases in a fixed order."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from loopwright.planning.change import Change
from loopwright.planning.render.wording import (
    UNICODE,
    Signs,
    hours_words,
    is_exact,
    money_words,
    number_words,
)
from loopwright.providers.base import Estimate, Range

_MOST_REASONS = 4


def facts(change: Change, *, signs: Signs = UNICODE, detailed: bool = False) -> list[str]:
    """What the estimate adds to the reason; `detailed` says the range of everything."""
    estimate = change.estimate
    if estimate is None:
        return []
    found = [] if estimate.waiting else _amounts(estimate, signs, detailed)
    if estimate.new_calls is not None and "calls since" not in change.reason:
        found.append(f"{estimate.new_calls:,} new calls since the last version")
    if estimate.dropped:
        found.append(_dropped(estimate.dropped, signs, detailed))
    return [*found, *estimate.notes]


def _amounts(estimate: Estimate, signs: Signs, detailed: bool) -> list[str]:

    def amount(value: Range, say: Callable[[float], str], noun: str = "") -> str:
        return range_words(value, say, noun, signs=signs, bounds=detailed)

    found = _rows(estimate, signs, detailed)
    if estimate.tokens is not None:
        found.append(amount(estimate.tokens, number_words, "tokens"))
    if estimate.steps is not None:
        found.append(amount(estimate.steps, number_words, "steps"))
    if estimate.hours is not None:
        found.append(range_words(estimate.hours, hours_words, signs=signs))
    if estimate.cost is not None and estimate.cost.high:
        found.append(cost_words(estimate.cost, estimate.currency, signs))
    return found


def range_words(
    value: Range,
    say: Callable[[float], str],
    noun: str = "",
    *,
    signs: Signs = UNICODE,
    bounds: bool = True,
) -> str:
    """E.g. `48,213 rows`, `≈ 3 h (2 h to 5 h)`."""
    tail = f" {noun}" if noun else ""
    if is_exact(value):
        return f"{say(value.likely)}{tail}"
    between = f" ({say(value.low)} to {say(value.high)})" if bounds else ""
    return f"{signs.about}{say(value.likely)}{tail}{between}"


def cost_words(cost: Range, currency: str, signs: Signs = UNICODE) -> str:
    """E.g. `≈ ¥780 (¥610 to ¥930)`."""
    return range_words(cost, lambda value: money_words(value, currency, signs), signs=signs)


def _rows(estimate: Estimate, signs: Signs, detailed: bool) -> list[str]:
    rows, population = estimate.rows, estimate.population
    if rows is None:
        return []
    if population is None or population.likely == rows.likely:
        return [range_words(rows, number_words, "rows", signs=signs, bounds=detailed)]
    about = "" if is_exact(rows) and is_exact(population) else signs.about
    words = f"{about}{rows.likely:,.0f} of {population.likely:,.0f} rows"
    if detailed and not is_exact(rows):
        words += f" ({rows.low:,.0f} to {rows.high:,.0f})"
    return [words]


def _dropped(dropped: Mapping[str, Range], signs: Signs, detailed: bool) -> str:
    total = sum(dropped.values(), start=Range.exact(0))
    if len(dropped) == 1:
        reason, value = next(iter(dropped.items()))
        return range_words(value, number_words, f"dropped ({reason})", signs=signs, bounds=detailed)
    largest = sorted(dropped.items(), key=lambda item: (-item[1].likely, item[0]))
    shown = largest if detailed else largest[:_MOST_REASONS]
    words = [f"{number_words(value.likely)} {reason}" for reason, value in shown]
    if len(largest) > len(shown):
        words.append(signs.ellipsis)
    about = "" if is_exact(total) else signs.about
    return f"{about}{number_words(total.likely)} dropped ({', '.join(words)})"
