"""The page on training shows the table that checks, row for row."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from loopwright.tuning.describing import markdown_table

_PAGE = Path(__file__).parents[2] / "docs" / "training.md"
_BETWEEN = re.compile("(<!-- hyperparameters -->\n).*?(<!-- /hyperparameters -->)", re.DOTALL)


def test_the_table_of_hyperparameters_is_fresh(request: pytest.FixtureRequest) -> None:
    text = _PAGE.read_text(encoding="utf-8")
    fresh = _BETWEEN.sub(lambda found: found[1] + markdown_table() + found[2], text)
    if request.config.getoption("--update-golden"):
        _PAGE.write_text(fresh, encoding="utf-8")
    assert _BETWEEN.search(text)
    assert _PAGE.read_text(encoding="utf-8") == fresh
