"""A plan for a person at a terminal: header, actions, consequences, footer, in that order."""

from __future__ import annotations

from collections.abc import Sequence

from loopwright.planning.change import Action
from loopwright.planning.plan import Plan
from loopwright.planning.render.consequences import Weight, consequences, envelope_words
from loopwright.planning.render.drifting import Difference, differences, shortened
from loopwright.planning.render.entries import Page, entry, name_column
from loopwright.planning.render.framing import (
    exit_line,
    header_words,
    next_words,
    nothing_words,
    selection_words,
    title,
)
from loopwright.planning.render.lines import Line, Span, Style, flow, line, paint
from loopwright.planning.render.sections import Group, Section, fold, sections
from loopwright.planning.render.untouched import left_alone
from loopwright.planning.render.wording import ASCII, UNICODE, tally

_NARROWEST = 40
_LABEL = 12
_WEIGHTS = {Weight.FACT: Style.PLAIN, Weight.CAUTION: Style.YELLOW, Weight.DANGER: Style.RED}


def render(
    plan: Plan,
    *,
    width: int = 80,
    color: bool = False,
    verbosity: int = 0,
    ascii_only: bool = False,
    next_command: str = "",
    is_preview: bool = True,
) -> str:
    """The plan as text without a last newline; no line is wider than `width` columns (least 40).

    `verbosity` 1 opens every change, 2 adds what does not change. `ascii_only` is about our own
    signs; names and reasons stay as they are. `next_command` is what carries the plan out, where
    the caller knows better than `loopwright apply`. Without `is_preview` the plan is about to be
    carried out: what `plan` would end with, and the next command, are left out.
    """
    page = Page(max(width, _NARROWEST), verbosity, ASCII if ascii_only else UNICODE)
    if plan.is_empty:
        blocks = [_nothing(plan, page), _drift(plan, page)]
        if verbosity:
            blocks.append(_left_alone(plan, page))
    else:
        blocks = [
            _header(plan, page),
            _drift(plan, page),
            *(_section(section, page) for section in sections(plan, page.signs)),
            _left_alone(plan, page),
            _unchanged(plan, page) if verbosity > 1 else [],
            _consequences(plan, page),
            _footer(plan, page, next_command, is_preview=is_preview),
        ]
    return "\n\n".join(paint(block, color=color) for block in blocks if block)


def _nothing(plan: Plan, page: Page) -> list[Line]:
    hint = "" if page.verbosity else ", -v says why"
    return flow([Span(nothing_words(plan, hint=hint))], width=page.width, indent=2)


def _header(plan: Plan, page: Page) -> list[Line]:
    lines = flow(
        [Span(title(plan), Style.BOLD), *map(Span, header_words(plan.header))],
        width=page.width,
        indent=2,
        separator=page.signs.dot,
    )
    chosen = [Span(words, Style.YELLOW) for words in selection_words(plan)]
    if chosen:
        lines += flow(
            chosen, width=page.width, start=line("  "), indent=4, separator=page.signs.dot
        )
    return lines


def _drift(plan: Plan, page: Page) -> list[Line]:
    found: Sequence[Difference] = differences(plan, with_quiet=page.verbosity > 0)
    found, more = (found, 0) if page.verbosity else shortened(found)
    if not found:
        return []
    lines = [line("Drift: the world is not as last applied", Style.BOLD)]
    for difference in found:
        lines += _difference(difference, page)
    if more:
        lines.append(line(f"  {page.signs.ellipsis} and {more:,} more; -v lists them", Style.DIM))
    return lines


def _difference(difference: Difference, page: Page) -> list[Line]:
    drift = difference.drift
    style = Style.YELLOW if difference.is_alarming else Style.DIM
    sign = "!" if difference.is_alarming else " "
    colon = ":" if difference.what else ""
    pieces = [
        Span(f"{drift.address}", Style.BOLD),
        Span(f"{drift.drift_class.value}{colon}", style),
    ]
    if difference.what:
        pieces.append(Span(difference.what, style))
    if difference.reaction:
        pieces.append(Span(f"({difference.reaction})"))
    return flow(pieces, width=page.width, start=line(f"  {sign} ", style), indent=6)


def _section(section: Section, page: Page) -> list[Line]:
    groups = [Group(section.changes)] if page.verbosity else fold(section.changes)
    column = name_column([change for group in groups for change in group.shown], page)
    lines = flow(
        [Span(section.when)] if section.when else [],
        width=page.width,
        start=(Span(f"{section.title}: ", Style.BOLD),),
        indent=2,
    )
    for group in groups:
        for change in group.shown:
            lines += entry(change, page=page, column=column)
        if group.hidden:
            rest = f"{group.rest_words(page.signs)}; -v lists them"
            lines += page.below([Span(rest, Style.DIM)])
    return lines


def _left_alone(plan: Plan, page: Page) -> list[Line]:
    groups = left_alone(plan)
    if not groups:
        return []
    lines = [line("Not touched", Style.BOLD)]
    for group in groups:
        pieces = [Span(f"{group.names(page.signs)}:"), Span(group.reason, Style.DIM)]
        lines += flow(pieces, width=page.width, start=line("  "), indent=6)
    return lines


def _unchanged(plan: Plan, page: Page) -> list[Line]:
    same = [
        Span(f"{change.address}", Style.DIM)
        for change in plan.changes
        if change.action is Action.NOOP and not change.reason
    ]
    if not same:
        return []
    listed = flow(same, width=page.width, start=line("  "), indent=2, separator="  ")
    return [line("Unchanged", Style.BOLD), *listed]


def _consequences(plan: Plan, page: Page) -> list[Line]:
    found = consequences(plan, page.signs)
    lines = [line("Consequences", Style.BOLD)] if found else []
    for consequence in found:
        style = _WEIGHTS[consequence.weight]
        lines += _labelled(consequence.label, consequence.pieces, page, style)
    return lines


def _footer(plan: Plan, page: Page, next_command: str, *, is_preview: bool) -> list[Line]:
    rows = [
        ("Plan", tally(plan), Style.BOLD),
        ("Approval", f"covers {envelope_words(plan, page.signs)}", Style.PLAIN),
    ]
    if is_preview:
        rows += [
            ("Exit code", exit_line(plan), Style.PLAIN),
            ("Next", next_words(plan, next_command), Style.BOLD),
        ]
    return [
        found
        for label, words, style in rows
        for found in _labelled(label, (words,), page, style, margin="")
    ]


def _labelled(
    label: str, pieces: Sequence[str], page: Page, style: Style, *, margin: str = "  "
) -> list[Line]:
    return flow(
        [Span(words, style) for words in pieces],
        width=page.width,
        start=(Span(f"{margin}{label:<{_LABEL - len(margin)}}", style),),
        indent=_LABEL,
        separator=page.signs.dot,
    )
