"""One change on a terminal: its line, its numbers, and its fields when it is opened."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from loopwright.planning.change import Action, Change, Obstacle
from loopwright.planning.render.details import (
    OPEN,
    background,
    fate,
    field_words,
    stated_fields,
    unchanged_fields,
)
from loopwright.planning.render.facts import facts
from loopwright.planning.render.lines import Line, Span, Style, flow, line
from loopwright.planning.render.width import cut_middle, display_width, pad, printable
from loopwright.planning.render.wording import (
    REFUSALS,
    UNICODE,
    VERBS,
    Signs,
    other_fields,
    plural,
    reason_words,
)
from loopwright.planning.standing import because

STYLES = {
    Action.CREATE: Style.GREEN,
    Action.UPDATE: Style.YELLOW,
    Action.REPLACE: Style.MAGENTA,
    Action.RUN: Style.MAGENTA,
    Action.REUSE: Style.DIM,
    Action.PROMOTE: Style.CYAN,
    Action.GATED: Style.CYAN,
    Action.DELETE: Style.RED,
    Action.FORGET: Style.YELLOW,
    Action.ADOPT: Style.GREEN,
    Action.MOVE: Style.CYAN,
    Action.WAIT: Style.DIM,
    Action.NOOP: Style.DIM,
}
GUTTER = 15
"""Columns of the margin, the symbol and the verb; all that follows is set below what follows it."""
_NAMED_FIELDS = 4
_STATED = 6
_LONGEST_VALUE = 240


@dataclass(frozen=True, slots=True)
class Page:
    """How a plan is to be set: columns, how much is opened, and which characters may be used."""

    width: int = 80
    verbosity: int = 0
    signs: Signs = UNICODE

    def below(self, pieces: Sequence[Span], *, separator: str = " ", more: int = 0) -> list[Line]:
        """Pieces under a change; what goes on below stands `more` columns further in."""
        return flow(
            pieces,
            width=self.width,
            start=line(" " * GUTTER),
            indent=GUTTER + more,
            separator=separator,
        )


def name_column(changes: Sequence[Change], page: Page) -> int:
    """Columns for the names of a section, so that its reasons begin at one place."""
    most = max(20, (page.width - GUTTER) // 2)
    widths = (display_width(name_words(change)) for change in changes)
    return max((width for width in widths if width <= most), default=most)


def name_words(change: Change) -> str:
    return f"{change.address} {change.revision}".rstrip()


def entry(change: Change, *, page: Page, column: int) -> Iterator[Line]:
    """The lines of one change."""
    yield from _head(change, page, column)
    yield from _numbers(change, page)
    yield from _futures(change, page)
    for step in change.manual_steps:
        yield from page.below([Span(f"by hand: {step}", Style.YELLOW)], more=2)
    if page.verbosity > 0 or change.action in OPEN:
        yield from _opened(change, page)


def _head(change: Change, page: Page, column: int) -> list[Line]:
    style = Style.RED if change.obstacle in REFUSALS else STYLES[change.action]
    start = line(f"  {change.symbol:<3} {VERBS[change.action]:<7}  ", style)
    reason = reason_words(replace(change, reason="") if _is_told_below(change) else change)
    others = _others(change, page)
    pieces = [Span(reason)] if reason else []
    if others:
        pieces.append(Span(others, Style.DIM))
    if not change.in_world and change.action in (Action.UPDATE, Action.DELETE):
        pieces.append(Span("(our record only)", Style.DIM))
    name = printable(name_words(change))
    if not pieces:
        return flow([Span(name, Style.BOLD)], width=page.width, start=start, indent=GUTTER)
    padded = pad(name, column) + "  "
    if GUTTER + display_width(padded) + display_width(pieces[0].text) <= page.width:
        named = (*start, Span(name, Style.BOLD), Span(padded[len(name) :]))
        return flow(pieces, width=page.width, start=named, indent=GUTTER)
    named_lines = flow([Span(name, Style.BOLD)], width=page.width, start=start, indent=GUTTER)
    return named_lines + page.below(pieces)


def _is_told_below(change: Change) -> bool:
    """Whether the opened fields say the same as the reason."""
    if change.action is not Action.REPLACE or not change.fields:
        return False
    return change.reason == because(change.fields)


def _others(change: Change, page: Page) -> str:
    """Changed fields that the reason leaves out; an opened change shows them anyway."""
    if page.verbosity > 0 or change.action in OPEN:
        return ""
    paths = other_fields(change)
    named = ", ".join(paths[:_NAMED_FIELDS])
    more = f", {page.signs.ellipsis}" if len(paths) > _NAMED_FIELDS else ""
    return f"[{named}{more}]" if paths else ""


def _numbers(change: Change, page: Page) -> list[Line]:
    said = facts(change, signs=page.signs, detailed=page.verbosity > 0)
    if not said:
        return []
    return page.below([Span(fact) for fact in said], separator=page.signs.dot)


def _futures(change: Change, page: Page) -> Iterator[Line]:
    if change.if_passed and change.obstacle is not Obstacle.DECISION:
        yield from page.below([Span(f"if it passes: {change.if_passed}")], more=2)
    elif change.if_passed:
        yield from page.below([Span(f"if approved: {change.if_passed}")], more=2)
    if change.if_refused:
        yield from page.below([Span(f"if not: {change.if_refused}")], more=2)


def _opened(change: Change, page: Page) -> Iterator[Line]:
    told = fate(change)
    if told:
        yield from page.below([Span(told, STYLES[change.action])], more=2)
    for field in change.fields:
        style = Style.RED if field.forces_replace else Style.PLAIN
        yield from _field(field_words(field), style, page)
    stated = stated_fields(change)
    shown = stated if page.verbosity > 0 else stated[:_STATED]
    for words in shown:
        yield from _field(words, Style.PLAIN, page)
    if len(stated) > len(shown):
        rest = len(stated) - len(shown)
        words = f"{page.signs.ellipsis} and {plural(rest, 'more field')}; -v shows them"
        yield from page.below([Span(words, Style.DIM)])
    if page.verbosity > 1:
        for words in unchanged_fields(change):
            yield from _field(f"{words}  (unchanged)", Style.DIM, page)
    if page.verbosity > 0 and (known := background(change)):
        pieces = [Span(words, Style.DIM) for words in known]
        yield from page.below(pieces, separator=page.signs.dot)


def _field(words: str, style: Style, page: Page) -> list[Line]:
    if page.verbosity < 2:
        words = cut_middle(printable(words), _LONGEST_VALUE, page.signs.ellipsis)
    return page.below([Span(words, style)], more=2)
