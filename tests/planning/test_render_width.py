"""Columns, cuts and line breaks of mixed Latin and Chinese text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopwright.planning.render.width import cut_middle, display_width, printable, wrap

texts = st.text(alphabet="ab /-，。（客服路由é\u0301模型", max_size=60)


@pytest.mark.parametrize(
    ("text", "columns"),
    [("", 0), ("abc", 3), ("客服", 4), ("ｗｉｄｅ", 8), ("e\u0301", 1), ("≈ ¥780 · …", 10)],
)
def test_counts_columns_as_a_terminal_does(text: str, columns: int) -> None:
    assert display_width(text) == columns


@given(texts, st.integers(2, 30), st.integers(2, 30))
def test_wrapped_lines_fit_and_lose_nothing(text: str, columns: int, first: int) -> None:
    lines = wrap(text, columns, min(first, columns))
    assert display_width(lines[0]) <= min(first, columns)
    assert all(display_width(line) <= columns for line in lines)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")


@given(texts, st.integers(1, 30))
def test_a_cut_text_fits_and_keeps_both_ends(text: str, columns: int) -> None:
    cut = cut_middle(text, columns)
    assert display_width(cut) <= columns
    head, _, tail = cut.partition("…")
    assert cut == text or (text.startswith(head) and text.endswith(tail))


def test_a_resource_name_is_not_broken_where_a_line_can_hold_it() -> None:
    assert wrap("waits for Dataset/退款客服 now", 20) == ["waits for", "Dataset/退款客服 now"]
    assert wrap("等待客服数据投递完成", 8) == ["等待客服", "数据投递", "完成"]


def test_closing_punctuation_never_begins_a_line() -> None:
    assert wrap("供应商故障，已停用", 10) == ["供应商故", "障，已停用"]


def test_what_steers_a_terminal_becomes_visible() -> None:
    assert printable("a\x1b[31mb\nc\u202ed") == r"a\x1b[31mb c\u202ed"
