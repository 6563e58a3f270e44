"""How problems are shown: goldens of a whole broken folder, carets, widths, masking."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

from loopwright.manifests.diagnostics import (
    Diagnostic,
    Severity,
    Span,
    field_path,
    nearest,
    ordered,
    render,
)
from loopwright.manifests.loader import load

HERE = Path(__file__).parent


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> list[Diagnostic]:
    monkeypatch.chdir(HERE)
    manifests = load(
        ["broken"],
        project_dir=HERE / "broken",
        stdin=lambda: b"",
        environ={"SALT": "x"},
        environment="prd",
    )
    return manifests.diagnostics


def golden(request: pytest.FixtureRequest, name: str, text: str) -> str:
    """The recorded text; with --update-golden it is written first."""
    path = HERE / name
    if request.config.getoption("--update-golden", default=False):
        path.write_text(text, encoding="utf-8")
    return path.read_text(encoding="utf-8")


def test_all_problems_of_a_broken_folder_as_text(
    broken: list[Diagnostic], request: pytest.FixtureRequest
) -> None:
    text = render(broken)
    assert text == golden(request, "broken.txt", text)


def test_all_problems_of_a_broken_folder_as_json(
    broken: list[Diagnostic], request: pytest.FixtureRequest
) -> None:
    lines = b"".join(orjson.dumps(one.to_json()) + b"\n" for one in broken).decode()
    assert lines == golden(request, "broken.jsonl", lines)


def test_no_secret_is_echoed_in_any_form(broken: list[Diagnostic]) -> None:
    shown = render(broken) + str([one.to_json() for one in broken])
    for secret in ("abcdefghijklmnop1234", "eyJhbGciOiJIUzI1NiJ9", "correct-horse"):
        assert secret not in shown


def at(line: str, column: int, **facts: Any) -> Diagnostic:
    span = Span("m.yaml", 7, column)
    return Diagnostic(Severity.ERROR, "code", "message", span, source_line=line, **facts)


def caret_cell(text: str) -> tuple[str, int]:
    _, source, caret, *_ = text.splitlines()
    start = source.index("| ") + 2
    return source[start:], caret.index("^") - start


@pytest.mark.parametrize(
    ("line", "column", "cell"),
    [
        ("  ratio: 1.5", 10, 9),
        ("采样: {比例: 1.5}", 9, 12),
        ("e\u0301: x", 5, 3),
        ("\ta: x", 5, 4),
        ("a: b", 99, 4),
    ],
)
def test_the_caret_stands_under_its_character(line: str, column: int, cell: int) -> None:
    assert caret_cell(render([at(line, column)]))[1] == cell


@pytest.mark.parametrize("width", [40, 60, 120])
@pytest.mark.parametrize("char", ["x", "湖"])
def test_a_long_line_is_cut_around_the_caret(width: int, char: str) -> None:
    shown, cell = caret_cell(render([at(char * 300 + "!" + char * 300, 301)], width=width))
    cells = "".join(one * 2 if one == "湖" else one for one in shown)
    assert cells[cell] == "!"
    assert len(cells) <= width - 7


def test_a_manifest_cannot_drive_the_terminal() -> None:
    text = render([at("a: \x1b[31m\u202e", 4, found="\x1b", hint="\x1b]0;x\x07")])
    assert "\x1b" not in text
    assert "\u202e" not in text


def test_colour_changes_nothing_but_colour() -> None:
    plain, coloured = render([at("a", 1)]), render([at("a", 1)], color=True)
    assert "\x1b[1;31merror[code]\x1b[0m" in coloured
    for code in ("\x1b[1;31m", "\x1b[1;36m", "\x1b[0m"):
        coloured = coloured.replace(code, "")
    assert coloured == plain


def test_order_is_by_place_and_repeats_are_dropped() -> None:
    later, earlier = at("a", 2), at("a", 1)
    placeless = Diagnostic(Severity.WARNING, "code", "message")
    assert ordered([later, earlier, later, placeless]) == [placeless, earlier, later]
    assert render([later, placeless]).endswith("1 error, 1 warning in 1 file\n")
    assert render([]) == ""


def test_paths_name_list_positions_and_quote_dotted_keys() -> None:
    path = ("metadata", "labels", "a.b/c", 0, "x")
    assert field_path(path) == 'metadata.labels["a.b/c"][0].x'


@pytest.mark.parametrize(
    ("name", "meant"),
    [("max_rows", "maxRows"), ("Ratio", "ratio"), ("ratoi", "ratio"), ("banana", "")],
)
def test_nearest_sees_through_case_and_separators(name: str, meant: str) -> None:
    assert nearest(name, ["ratio", "maxRows"]) == meant
