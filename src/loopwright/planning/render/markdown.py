"""A plan as the comment of a pull request: what matters first, tables, diffs folded below.

Where it would grow too long it is cut from its end, so that what matters is never lost.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from loopwright.planning.change import Action, Change
from loopwright.planning.plan import Plan
from loopwright.planning.render.consequences import Weight, consequences, envelope_words
from loopwright.planning.render.details import OPEN, fate, stated_fields
from loopwright.planning.render.drifting import differences, shortened
from loopwright.planning.render.facts import facts
from loopwright.planning.render.framing import (
    exit_line,
    header_words,
    next_words,
    nothing_words,
    selection_words,
    title,
)
from loopwright.planning.render.markup import code, fence_for, text
from loopwright.planning.render.sections import Group, Section, fold, sections
from loopwright.planning.render.untouched import left_alone
from loopwright.planning.render.width import printable
from loopwright.planning.render.wording import (
    VERBS,
    other_fields,
    reason_words,
    tally,
    value_words,
)

MARKER = "<!-- loopwright-plan -->"
"""First line, by which a later plan finds the comment that it replaces."""
_DOT = " · "


@dataclass(frozen=True, slots=True)
class _Block:
    """Rows that may be cut, between lines that stand or fall together."""

    opening: tuple[str, ...]
    rows: tuple[str, ...]
    closing: tuple[str, ...] = ()


def render(plan: Plan, *, limit: int = 60_000, next_command: str = "") -> str:
    """GitHub-flavoured Markdown without a last newline.

    Of at most `limit` bytes of UTF-8, as long as that holds the summary. `next_command` is what
    carries the plan out, where the caller knows better than `loopwright apply`.
    """
    if plan.is_empty:
        summary = _Block((MARKER, ""), (text(nothing_words(plan)),))
        return _assembled([summary, *_drift(plan), *_left_alone(plan)], limit)
    tables = [block for section in sections(plan) for block in _section(section)]
    blocks = [
        _summary(plan, next_command),
        *_dangers(plan),
        *_drift(plan),
        *tables,
        *_left_alone(plan),
    ]
    return _assembled([*blocks, *_fields(plan)], limit)


def _summary(plan: Plan, next_command: str) -> _Block:
    found = [item for item in consequences(plan) if item.weight is Weight.FACT]
    rows = [f"- {item.label}: {text(_DOT.join(item.pieces))}" for item in found]
    rows += [
        f"- Approval: covers {text(envelope_words(plan))}",
        f"- Exit code: {text(exit_line(plan))}",
        f"- Next: {text(next_words(plan, next_command))}",
    ]
    compared = [*header_words(plan.header), *selection_words(plan)]
    return _Block(
        (MARKER, f"### {text(title(plan))}", "", f"**{text(tally(plan))}**", "", *rows),
        ("", f"<sub>{text(_DOT.join(compared))}</sub>"),
    )


def _dangers(plan: Plan) -> Iterator[_Block]:
    found = [item for item in consequences(plan) if item.weight is not Weight.FACT]
    if found:
        kind = "CAUTION" if found[-1].weight is Weight.DANGER else "WARNING"
        said = [f"> - **{item.label}** {text(_DOT.join(item.pieces))}" for item in found]
        yield _Block((f"> [!{kind}]",), tuple(said))


def _drift(plan: Plan) -> Iterator[_Block]:
    found, more = shortened(differences(plan))
    if found:
        rows = [
            (
                code(str(item.drift.address)),
                text(item.drift.drift_class.value),
                text(item.what),
                text(item.reaction),
            )
            for item in found
        ]
        rows += [(f"… and {more:,} more", "", "", "")] if more else []
        yield _table("Drift", ("resource", "class", "difference", "what happens"), rows)


def _section(section: Section) -> Iterator[_Block]:
    rows = [row for group in fold(section.changes) for row in _rows(group)]
    yield _table(f"{section.title}: {section.when}", ("action", "resource", "why", "numbers"), rows)
    for change in section.changes:
        if change.action in OPEN and (body := tuple(_diff(change))):
            told = fate(change)
            heading = f"{code(str(change.address))} {VERBS[change.action]}"
            yield _fenced([f"{heading}: {text(told)}" if told else heading, ""], body)


def _rows(group: Group) -> Iterator[tuple[str, ...]]:
    for change in group.shown:
        action = f"{code(change.symbol)} {VERBS[change.action]}"
        name = f"{code(str(change.address))} {text(change.revision)}".rstrip()
        yield action, name, _why(change), text(_DOT.join(facts(change)))
    if group.hidden:
        yield "", text(group.rest_words()), "", ""


def _why(change: Change) -> str:
    others = ", ".join(other_fields(change))
    lines = [f"{reason_words(change)} {f'[{others}]' if others else ''}".strip()]
    lines += [f"by hand: {step}" for step in change.manual_steps]
    futures = (("if it passes", change.if_passed), ("if not", change.if_refused))
    lines += [f"{label}: {words}" for label, words in futures if words]
    return "<br>".join(text(words) for words in lines if words)


def _left_alone(plan: Plan) -> Iterator[_Block]:
    groups = left_alone(plan)
    if groups:
        rows = [(text(group.names()), text(group.reason)) for group in groups]
        yield _table("Not touched", ("resource", "why"), rows)


def _fields(plan: Plan) -> Iterator[_Block]:
    """The fields of everything else, folded."""
    body = []
    for section in sections(plan):
        for group in fold(section.changes):
            for change in group.shown:
                diff = list(_diff(change))
                if diff and change.action not in OPEN:
                    body += [printable(f"@@ {change.address} {change.revision}".rstrip()), *diff]
    if body:
        yield _fenced(["<details><summary>Fields</summary>", ""], body, ("", "</details>"))


def _diff(change: Change) -> Iterator[str]:
    for field in change.fields:
        forced = "  (forces replacement)" if field.forces_replace else ""
        if field.before is not None:
            yield printable(f"- {field.path}: {value_words(field.before)}")
        if field.after is not None or field.forces_replace:
            yield printable(f"+ {field.path}: {value_words(field.after)}{forced}")
    sign = "-" if change.action is Action.DELETE else "+"
    for words in stated_fields(change):
        yield printable(f"{sign} {words}")


def _fenced(opening: Sequence[str], body: Sequence[str], closing: Sequence[str] = ()) -> _Block:
    fence = fence_for(body)
    return _Block((*opening, f"{fence}diff"), tuple(body), (fence, *closing))


def _table(heading: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> _Block:
    return _Block(
        (f"#### {text(heading)}", "", f"| {' | '.join(columns)} |", "|" + "---|" * len(columns)),
        tuple(f"| {' | '.join(row)} |" for row in rows),
    )


def _assembled(blocks: Iterable[_Block], limit: int) -> str:
    """The blocks one after another; a notice stands where the first row did not fit."""
    notice = f"_Cut at {limit:,} bytes: `loopwright plan -v` shows the rest._"
    done: list[str] = []
    room = limit - _size([notice])
    for block in blocks:
        ends = (*block.closing, "")
        room -= _size(block.opening) + _size(ends)
        rows = _fitting(block.rows, room)
        if rows:
            done += [*block.opening, *rows, *ends]
        if len(rows) < len(block.rows):
            return "\n".join([*done, notice])
        room -= _size(rows)
    return "\n".join(done).rstrip("\n")


def _fitting(rows: Sequence[str], room: int) -> Sequence[str]:
    for index, row in enumerate(rows):
        room -= _size([row])
        if room < 0:
            return rows[:index]
    return rows


def _size(lines: Iterable[str]) -> int:
    return sum(len(line.encode()) + 1 for line in lines)
