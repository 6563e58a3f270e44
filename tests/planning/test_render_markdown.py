"""The pull request comment: one comment, safe text, never too long, never left open."""

from __future__ import annotations

import re
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st
from plan_cases import CASES, change, plan
from plan_strategies import plans

from loopwright.planning.change import Action
from loopwright.planning.plan import Plan
from loopwright.planning.render import markdown


def _fences(text: str) -> list[str]:
    """Fences still open at the end."""
    opened: list[str] = []
    for line in text.split("\n"):
        ticks = re.match(r"(`{3,})(diff)?$", line)
        if ticks and opened and len(ticks[1]) >= len(opened[0]) and not ticks[2]:
            opened.pop()
        elif ticks and ticks[2] and not opened:
            opened.append(ticks[1])
    return opened


@settings(max_examples=15)
@given(plans, st.integers(1_500, 6_000))
def test_a_cut_comment_keeps_its_bounds_its_marker_and_closes_what_it_opened(
    plan: Plan, limit: int
) -> None:
    text = markdown.render(plan, limit=limit)
    assert len(text.encode()) <= limit
    assert _fences(text) == []
    assert text.count("<details>") == text.count("</details>")


@settings(max_examples=15)
@given(plans)
def test_rows_of_a_table_have_the_columns_of_its_head(plan: Plan) -> None:
    columns = 0
    for line in markdown.render(plan).split("\n"):
        if not line.startswith("|"):
            columns = 0
            continue
        found = len(re.findall(r"(?<!\\)\|", line))
        columns = columns or found
        assert found == columns, line


def test_the_marker_is_the_first_line_of_every_comment() -> None:
    for build in CASES.values():
        assert markdown.render(build()).startswith("<!-- loopwright-plan -->\n")


def test_text_of_others_is_shown_and_not_interpreted() -> None:
    odd = change("Endpoint/a", Action.UPDATE, "x | y `z` <script> **bold** [a](b)\n# title")
    text = markdown.render(plan(odd))
    assert r"x \| y \`z\` &lt;script> \*\*bold\*\* \[a\](b) \# title" in text


def test_what_matters_survives_the_cut() -> None:
    lost = change("Lake/calls", Action.DELETE, "absent", external_id="lake-1")
    many = [change(f"CallImport/i{i}", Action.DELETE, f"reason {i} " * 40) for i in range(400)]
    text = markdown.render(replace(plan(*many, lost)), limit=3_000)
    assert "**Deleted** 401: 400 CallImports, 1 Lake" in text
    assert text.endswith("_Cut at 3,000 bytes: `loopwright plan -v` shows the rest._")
