"""`loopwright sql`: formats, limits, templates, history; and what it tells when it cannot."""

from __future__ import annotations

import csv
import io
import json
import stat
from datetime import date
from pathlib import Path

import click
import pyarrow.parquet as pq
import pytest

from loopwright.cli import sql_output
from loopwright.planning.render.width import display_width
from support.local_worlds import Loopwright

BY_ENDPOINT = "SELECT endpoint, count(*) AS n FROM calls GROUP BY ALL ORDER BY n"


def test_a_table_stands_straight_with_chinese_names(loopwright: Loopwright) -> None:
    code, out, err = loopwright("sql", BY_ENDPOINT)
    assert (code, err) == (0, "")
    *lines, last = out.splitlines()
    assert last == "2 rows."
    assert [line.split() for line in lines] == [
        ["endpoint", "n"],
        ["chat", "11"],
        ["客服聊天", "20"],
    ]
    assert len({display_width(line) for line in lines[1:]}) == 1


@pytest.mark.slow
@pytest.mark.parametrize("to_file", [False, True])
def test_every_format_tells_the_same_rows(
    loopwright: Loopwright, tmp_path: Path, to_file: bool
) -> None:
    def told(form: str) -> str:
        if not to_file:
            return loopwright("sql", BY_ENDPOINT, "--format", form)[1]
        path = tmp_path / f"out.{form}"
        code, out, err = loopwright("sql", BY_ENDPOINT, "-o", str(path))
        assert (code, out, err) == (0, "", f"2 rows in {path}.\n")
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        return path.read_text()

    rows = [{"endpoint": "chat", "n": 11}, {"endpoint": "客服聊天", "n": 20}]
    assert json.loads(told("json")) == rows
    assert [json.loads(line) for line in told("jsonl").splitlines()] == rows
    expected = [["endpoint", "n"], ["chat", "11"], ["客服聊天", "20"]]
    assert list(csv.reader(io.StringIO(told("csv")))) == expected


def test_parquet_keeps_types_and_needs_a_file(loopwright: Loopwright, tmp_path: Path) -> None:
    path = tmp_path / "out.parquet"
    assert loopwright("sql", "SELECT dt, ts, n_messages FROM calls", "-o", str(path))[0] == 0
    table = pq.read_table(path)
    assert table.num_rows == 31
    assert isinstance(table["dt"][0].as_py(), date)
    code, _, err = loopwright("sql", BY_ENDPOINT, "--format", "parquet")
    assert code == 2
    assert "give --output FILE" in err


def test_an_empty_result_is_valid_in_every_format(loopwright: Loopwright) -> None:
    query = "SELECT call_id FROM calls WHERE false"
    assert loopwright("sql", query, "--format", "json")[1] == "[]\n"
    assert loopwright("sql", query, "--format", "jsonl")[1] == ""
    assert loopwright("sql", query, "--format", "csv")[1] == "call_id\n"
    assert loopwright("sql", query) == (0, "call_id\n0 rows.\n", "")


def test_a_table_is_cut_and_says_so_and_files_are_not(
    loopwright: Loopwright, tmp_path: Path
) -> None:
    many = "SELECT range AS n FROM range(1500)"
    _, out, _ = loopwright("sql", many)
    *lines, last = out.splitlines()
    assert len(lines) == 1001
    assert last.startswith("The first 1,000 rows; there are more: give --limit N")
    assert len(loopwright("sql", many, "--limit", "3")[1].splitlines()) == 5
    path = tmp_path / "all.csv"
    assert loopwright("sql", many, "-o", str(path))[2] == f"1,500 rows in {path}.\n"


def test_a_long_table_goes_through_the_pager_on_a_terminal(
    loopwright: Loopwright, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    paged: list[str] = []
    monkeypatch.setenv("LINES", "24")
    monkeypatch.setattr(sql_output.sys, "stdout", Terminal())
    monkeypatch.setattr(click, "echo_via_pager", paged.append)
    loopwright("sql", "SELECT repeat('long ', 40) AS text FROM range(30)")
    (text,) = paged
    assert len(text.splitlines()) == 31
    assert 50 < max(map(len, text.splitlines())) <= 60


def test_a_query_comes_from_a_file_or_stdin_with_typed_parameters(
    loopwright: Loopwright, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "q.sql"
    text = "-- Doubles.\n-- param n integer = 4 -- What.\nSELECT $n * 2 AS n, $x AS x"
    path.write_text(text)
    given = ("--param", "x='; SELECT 1", "--format", "jsonl")
    assert loopwright("sql", "-f", str(path), *given)[1] == '{"n":8,"x":"\'; SELECT 1"}\n'
    stdin = io.TextIOWrapper(io.BytesIO(text.encode()))
    monkeypatch.setattr("sys.stdin", stdin)
    _, out, _ = loopwright("sql", "-f", "-", *given, "--param", "n=5")
    assert json.loads(out)["n"] == 10
    code, _, err = loopwright("sql", "-f", str(path), *given, "--param", "n=five")
    assert (code, err) == (1, "error: the parameter n is an integer, not 'five'\n  hint: What.\n")


def test_every_shipped_template_runs(loopwright: Loopwright) -> None:
    _, listed, _ = loopwright("sql", "--templates", "--format", "json")
    names = {template["name"] for template in json.loads(listed)}
    assert names == {
        "duplicate-prompts",
        "error-rate",
        "feedback-summary",
        "latency-percentiles",
        "longest-prompts",
        "refusals",
        "tokens-and-cost-by-model",
        "volume-by-day",
    }
    told = {
        name: loopwright("sql", "--template", name, "--format", "json") for name in sorted(names)
    }
    assert {code for code, _, _ in told.values()} == {0}
    days = json.loads(told["volume-by-day"][1])
    assert sum(day["calls"] for day in days) == 31
    (twice,) = json.loads(told["duplicate-prompts"][1])
    assert twice["times"] == 2


def test_the_projects_own_templates_go_first(loopwright: Loopwright, project: Path) -> None:
    (project / "queries").mkdir()
    own = project / "queries/error-rate.sql"
    own.write_text("-- Ours.\n-- param top integer -- How many.\nSELECT $top AS n")
    _, listed, _ = loopwright("sql", "--templates")
    assert f"error-rate  ({own})\n  Ours.\n  --param top=<integer>  How many." in listed
    assert "volume-by-day\n  Calls, failures" in listed
    run = ("sql", "--template", "error-rate")
    assert loopwright(*run, "--param", "top=3", "--format", "csv")[1] == "n\n3\n"
    assert "the parameter top has no value" in loopwright(*run)[2]
    code, _, err = loopwright(*run, "--param", "top=3", "--param", "tpo=4")
    assert (code, "has no parameter tpo" in err) == (1, True)
    own.write_text("-- param top whole = 3\nSELECT 1")
    assert f"line 1 of {own} has an unknown type 'whole'" in loopwright(*run)[2]
    assert "did you mean refusals?" in loopwright("sql", "--template", "refusal")[2]


def test_what_was_run_is_remembered_without_its_results_and_runs_again(
    loopwright: Loopwright, project: Path
) -> None:
    loopwright("sql", BY_ENDPOINT)
    loopwright("sql", "SELECT modle FROM calls")
    loopwright("sql", "--template", "volume-by-day", "--param", "endpoint=chat")
    _, out, _ = loopwright("sql", "--history")
    rows = [line.split(maxsplit=7) for line in out.splitlines()[1:]]
    assert [(row[0], row[4], row[5]) for row in rows] == [
        ("1", "main", "2"),
        ("2", "main", "failed"),
        ("3", "main", "1"),
    ]
    assert [row[7].split()[0] for row in rows] == ["SELECT", "SELECT", "volume-by-day"]
    assert loopwright("sql", "--history", "1")[1].splitlines()[1].startswith("3 ")
    (told, *_) = json.loads(loopwright("sql", "--history", "--format", "json")[1])
    assert told["query"] == BY_ENDPOINT
    assert "客服聊天" not in (project / ".loopwright/default/sql/history.jsonl").read_text()
    assert loopwright("sql", "--rerun", "1")[1] == loopwright("sql", BY_ENDPOINT)[1]
    _, again, _ = loopwright("sql", "--rerun", "3", "--format", "jsonl")
    assert {json.loads(line)["endpoint"] for line in again.splitlines()} == {"chat"}
    assert loopwright("sql", "--rerun", "99")[2].startswith("error: no query has the number 99")


@pytest.mark.slow
def test_an_inference_dataset_is_a_view_of_its_name(loopwright: Loopwright, project: Path) -> None:
    with (project / "all.yaml").open("a") as manifests:
        manifests.write("""
---
apiVersion: loopwright.dev/v1alpha1
kind: Export
metadata: {name: chats}
spec:
  provider: local
  source: {lake: main, query: "SELECT call_id FROM calls WHERE endpoint = 'chat'"}
  to: {inferenceDataset: my-chats}
""")
    assert loopwright("apply", str(project / "all.yaml"), "--yes", "--wait")[0] == 0
    query = 'SELECT count(*) AS n FROM "my-chats" JOIN calls USING (call_id)'
    assert loopwright("sql", query, "--format", "csv")[1] == "n\n11\n"
    code, _, err = loopwright("sql", "SELECT * FROM my-chats")
    assert (code, 'hint: there are the views calls, feedback, "my-chats"' in err) == (1, True)


def test_a_failed_query_leaves_the_file_as_it_was(loopwright: Loopwright, tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    path.write_text("before\n")
    query = "SELECT CASE WHEN range > 9000 THEN error('stop') END FROM range(10000)"
    code, _, err = loopwright("sql", query, "-o", str(path))
    assert (code, "stop" in err) == (1, True)
    assert path.read_text() == "before\n"
    assert [found.name for found in tmp_path.glob("*out*")] == ["out.jsonl"]


def test_a_reader_opens_no_text(loopwright: Loopwright) -> None:
    code, out, err = loopwright("sql", "SELECT request FROM calls", "--role", "reader")
    assert (code, out) == (1, "")
    assert "role reader may not open" in err


def test_wrong_use_is_told(loopwright: Loopwright) -> None:
    assert loopwright("sql")[0] == 2
    assert loopwright("sql", "SELECT 1", "--template", "refusals")[0] == 2
    assert "says no format" in loopwright("sql", "SELECT 1", "-o", "out.txt")[2]
    assert "there is no lake 'mian'" in loopwright("sql", "SELECT 1", "--lake", "mian")[2]
    code, _, err = loopwright("sql", "SELECT 1; SELECT 2")
    assert code == 1
    assert "hint: write one SELECT" in err
    endless = "SELECT count(*) FROM range(1000000000000) WHERE range % 7 = 3"
    assert "longer than 1 s" in loopwright("sql", endless, "--timeout", "1s")[2]
