"""Whole plans against files that a person has read: three widths, Markdown, and the document."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import orjson
import pytest
from plan_cases import CASES

from loopwright.planning.plan import Plan
from loopwright.planning.render import human, json, markdown

GOLDEN = Path(__file__).parents[1] / "golden" / "plans"
_PRETTY = orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE


def _texts(plan: Plan) -> Iterator[tuple[str, str]]:
    if len(plan.changes) < 100:  # a thousand no-ops say nothing to a reader
        yield "plan.json", orjson.dumps(json.to_document(plan), option=_PRETTY).decode()
    yield "plan.md", markdown.render(plan) + "\n"
    for width in (60, 80, 120):
        yield f"human-{width}.txt", human.render(plan, width=width) + "\n"
    yield "human-80-v.txt", human.render(plan, width=80, verbosity=2) + "\n"


@pytest.mark.parametrize(("case", "build"), CASES.items())
def test_renders_as_it_was_read_and_approved(
    case: str, build: Callable[[], Plan], update_golden: bool
) -> None:
    folder = GOLDEN / case
    for name, text in _texts(build()):
        if update_golden:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text, encoding="utf-8")
        assert (folder / name).read_text(encoding="utf-8") == text, name


@pytest.mark.parametrize(("case", "build"), CASES.items())
def test_a_saved_plan_renders_as_the_one_it_was_saved_from(
    case: str, build: Callable[[], Plan]
) -> None:
    document = orjson.loads(orjson.dumps(json.to_document(build())))
    for name, text in _texts(json.from_document(document)):
        assert (GOLDEN / case / name).read_text(encoding="utf-8") == text, name
