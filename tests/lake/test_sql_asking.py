"""Queries over a lake: right answers, text only when it is used, and an end in any case."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lake import lake_world as made
from loopwright.errors import LakeIntegrityError, LakeKeyError, SqlError
from loopwright.lake.columns import COLUMNS
from loopwright.lake.ingest import append, append_feedback
from loopwright.lake.keys import Role
from loopwright.lake.sql.answer import Answer
from loopwright.lake.sql.asking import View, ask, views_of
from loopwright.lake.sql.request import Limits, Request
from loopwright.lake.sql.running import run
from loopwright.lake.store import Lake

NUMBERS = range(45)
LEAST = datetime(1970, 1, 1, tzinfo=UTC)


def some_columns(number: int) -> dict[str, Any]:
    """Of every type that is filtered by, and null now and then."""
    found: dict[str, Any] = {"endpoint": ("chat", "客服")[number % 3 == 0]}
    if number % 4:
        found |= {
            "stream": number % 2 == 0,
            "http_status": 200 + number % 3,
            "capture_rate": number / 50,
            "prompt_hash": bytes([number % 5]) * 16,
            "retain_until": date(2026, 1, 1 + number % 7),
            "cost_micro_usd": number * 1000,
        }
    return found


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """Five days, two endpoints, several files a day."""
    lake = made.new_lake(tmp_path_factory.mktemp("sql") / "lake")
    for start in (0, 20):
        chosen = [n for n in NUMBERS if start <= n < start + 25]
        append(lake, [made.call(n, **some_columns(n)) for n in chosen])
    append_feedback(
        lake,
        [
            {
                "feedback_id": f"f{n}",
                "call_id": f"call-{n}",
                "ts": n,
                "endpoint": "chat",
                "name": "helpful",
                "kind": "bool",
                "source": "human",
                "value_bool": n % 2 == 0,
            }
            for n in range(4)
        ],
    )
    return lake


@pytest.fixture(scope="module")
def plain(lake: Lake) -> pa.Table:
    """Everything in the lake, in the clear, as a plain table with the day."""
    rows = pa.Table.from_batches(list(lake.snapshot().scan(COLUMNS, purpose="test")))
    return rows.append_column("dt", rows["ts"].cast(pa.date32()))


@pytest.fixture
def root(lake: Lake) -> Path:
    return lake.root


def opened(lake: Lake, role: Role = Role.STANDARD) -> Lake:
    return Lake.open(lake.root, master=made.MASTER, role=role, disk=made.QuickDisk())


def rows(answer: Answer) -> list[dict[str, Any]]:
    return [row for batch in answer.batches() for row in batch.to_pylist()]


def asked(lake: Lake, query: str, **options: Any) -> list[dict[str, Any]]:
    with ask(query, views_of(lake), **options) as answer:
        return rows(answer)


def inside(lake: Lake, query: str, **parameters: Any) -> list[dict[str, Any]]:
    """The same without a child: what a query means does not depend on where it runs."""
    views = views_of(lake)
    request = Request(
        query=query,
        relations=tuple(view.relation for view in views),
        limits=Limits(),
        parameters=parameters,
    )
    audits = {view.name: lake.audit for view in views}
    return [row for batch in run(request, audits=audits) for row in batch.to_pylist()]


def test_a_query_is_answered_over_calls_and_feedback(lake: Lake) -> None:
    query = """
        SELECT dt, endpoint, count(*) AS calls, count(value_bool) AS judged
        FROM calls LEFT JOIN feedback USING (call_id)
        WHERE calls.dt < $until GROUP BY ALL ORDER BY ALL
    """
    query = query.replace("dt, endpoint", "calls.dt, calls.endpoint")
    found = asked(lake, query, parameters={"until": date(1970, 1, 2)})
    assert found == [
        {"dt": date(1970, 1, 1), "endpoint": "chat", "calls": 6, "judged": 2},
        {"dt": date(1970, 1, 1), "endpoint": "客服", "calls": 4, "judged": 2},
    ]


def test_every_type_of_parameter_is_bound_and_never_pasted(lake: Lake) -> None:
    parameters = {
        "words": "'; DROP TABLE calls; --",
        "whole": 7,
        "part": 0.5,
        "yes": True,
        "day": date(2026, 2, 3),
        "moment": datetime(2026, 2, 3, 4, 5, tzinfo=UTC),
    }
    query = "SELECT " + ", ".join(f"${name} AS {name}" for name in parameters)
    assert asked(lake, query, parameters=parameters) == [parameters]


def test_an_answer_can_be_cut_and_tells_it(lake: Lake) -> None:
    with ask("SELECT call_id FROM calls", views_of(lake), most_rows=7) as answer:
        assert (len(rows(answer)), answer.is_cut) == (7, True)
    with ask("FROM calls SELECT call_id LIMIT 7", views_of(lake), most_rows=7) as answer:
        assert (len(rows(answer)), answer.is_cut) == (7, False)


def test_an_empty_answer_still_has_its_columns(lake: Lake) -> None:
    with ask("SELECT ts, call_id FROM calls WHERE false", views_of(lake)) as answer:
        assert answer.schema.names == ["ts", "call_id"]
        assert rows(answer) == []


def test_text_is_opened_only_when_it_is_used_and_once_on_record(lake: Lake) -> None:
    before = len(lake.audit.openings())
    asked(lake, "SELECT count(*), max(ts) FROM calls WHERE outcome = 'ok'")
    assert len(lake.audit.openings()) == before
    query = "SELECT call_id FROM calls WHERE request LIKE $words"
    words = f"%{made.MARKER} 7%"
    assert asked(lake, query, parameters={"words": words}) == [{"call_id": "call-7"}]
    (opening,) = lake.audit.openings()[before:]
    assert (opening.purpose, opening.rows) == ("sql", len(NUMBERS))
    assert (opening.query["sql"], opening.query["view"]) == (query, "calls")
    assert opening.query["parameters"] == {"words": words}
    assert opening.query["columns"] == ["call_id", "request"]


def test_a_reader_counts_and_is_refused_text_in_the_lakes_own_words(lake: Lake) -> None:
    reader = opened(lake, Role.READER)
    assert asked(reader, "SELECT count(*) AS n FROM calls") == [{"n": len(NUMBERS)}]
    before = len(lake.audit.openings())
    for query in ("SELECT response FROM calls", "SELECT * FROM calls", "SELECT text FROM feedback"):
        with pytest.raises(LakeKeyError, match="role reader may not open"):
            asked(reader, query)
    assert len(lake.audit.openings()) == before


def test_an_opening_that_cannot_be_recorded_lets_no_text_out(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    reading = opened(lake)

    def refuse(**facts: Any) -> str:
        raise OSError("no room for the record")

    monkeypatch.setattr(reading.audit, "begin", refuse)
    with (
        pytest.raises(OSError, match="no room for the record"),
        ask("SELECT request FROM calls", views_of(reading)) as answer,
    ):
        rows(answer)


def test_a_query_sees_the_lake_up_to_its_cut(lake: Lake) -> None:
    view = View("earlier", lake, "calls", 10)
    with ask("SELECT count(*) AS n, max(seq) AS last FROM earlier", [view]) as answer:
        assert rows(answer) == [{"n": 10, "last": 10}]


def test_only_files_that_can_hold_a_wanted_row_are_opened(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    original = type(lake.reader).open

    def noted(self: Any, file: Any) -> Any:
        read.append(f"{file.dt}/{file.endpoint}")
        return original(self, file)

    monkeypatch.setattr(type(lake.reader), "open", noted)
    for condition, expected in (
        ("dt = '1970-01-02' AND endpoint = 'chat'", {"1970-01-02/chat"}),
        ("ts < TIMESTAMPTZ '1970-01-01 12:00:00Z'", {"1970-01-01/chat", "1970-01-01/客服"}),
        ("endpoint = 'nobody'", set()),
    ):
        read.clear()
        inside(lake, f"SELECT count(*) FROM calls WHERE {condition}")
        assert set(read) == expected


_MOMENTS = st.integers(0, 5 * 86_400).map(lambda seconds: LEAST + timedelta(seconds=seconds))
_COMPARED = st.sampled_from(["=", "<>", "<", "<=", ">", ">="])
_CONDITIONS = st.one_of(
    st.builds(lambda op, at: f"ts {op} TIMESTAMPTZ '{at.isoformat()}'", _COMPARED, _MOMENTS),
    st.builds(lambda op, at: f"dt {op} DATE '{at.date()}'", _COMPARED, _MOMENTS),
    st.builds(lambda op, e: f"endpoint {op} '{e}'", _COMPARED, st.sampled_from(["chat", "客服"])),
    st.builds(lambda n: f"model IN ('m{n}', 'x')", st.integers(0, 2)),
    st.builds(lambda n: f"request LIKE '%{made.MARKER} {n}%'", st.integers(0, 50)),
    st.builds(lambda n: f"seq BETWEEN {n} AND {n + 9}", st.integers(0, 50)),
    st.sampled_from(
        [
            "tags['n'] IS NULL",
            "stream",
            "stream IS NOT TRUE",
            "http_status BETWEEN 201 AND 299",
            "capture_rate >= 0.5",
            "capture_rate <> 0.5",
            "prompt_hash = unhex(repeat('02', 16))",
            "retain_until < DATE '2026-01-04'",
            "cost_micro_usd IN (1000, 5000, 7000)",
            "stream IS DISTINCT FROM (model = 'm1')",
        ]
    ),
    st.just("tenant IS NOT NULL"),
    st.just("date_trunc('day', ts) = '1970-01-03'"),
)
_WHERES = st.recursive(
    _CONDITIONS,
    lambda inner: st.one_of(
        st.builds(lambda a, b: f"({a} AND {b})", inner, inner),
        st.builds(lambda a, b: f"({a} OR {b})", inner, inner),
        st.builds(lambda a: f"(NOT {a})", inner),
    ),
    max_leaves=5,
)


@settings(max_examples=20, deadline=None)
@given(where=_WHERES)
def test_pushing_conditions_into_the_scan_changes_no_answer(
    lake: Lake, plain: pa.Table, where: str
) -> None:
    answers_as_told_plainly(lake, plain, where)


@pytest.mark.slow
@settings(max_examples=1000, deadline=None)
@given(where=_WHERES)
def test_pushing_a_thousand_conditions_changes_no_answer(
    lake: Lake, plain: pa.Table, where: str
) -> None:
    answers_as_told_plainly(lake, plain, where)


def answers_as_told_plainly(lake: Lake, plain: pa.Table, where: str) -> None:
    """The same rows as DuckDB finds in a plain table."""
    query = f"SELECT call_id FROM calls WHERE {where} ORDER BY call_id"
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'").complete()
        connection.execute("SET python_enable_replacements = false").complete()
        connection.register("calls", plain)
        expected = connection.sql(query).to_arrow_table().to_pylist()
    assert inside(lake, query) == expected


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    lake = made.new_lake(tmp_path / "lake")
    append(lake, made.calls(1, 2, 3))
    (path,) = made.data_files(lake)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(LakeIntegrityError, match=path.name):
        asked(lake, "SELECT count(*) FROM calls")


def test_a_wrong_query_is_told_with_where_it_is_wrong(lake: Lake) -> None:
    with pytest.raises(SqlError, match='column "modle" not found'):
        asked(lake, "SELECT modle FROM calls")


@pytest.fixture
def children(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Process ids of the children that were started; none may be left."""
    import subprocess

    pids: list[int] = []
    original = subprocess.Popen.__init__

    def noted(self: Any, *args: Any, **options: Any) -> None:
        original(self, *args, **options)
        pids.append(self.pid)

    monkeypatch.setattr(subprocess.Popen, "__init__", noted)
    yield pids
    assert pids
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


ENDLESS = "SELECT count(*) FROM range(1000000000000) WHERE range % 7 = 3"


def test_a_query_that_takes_too_long_is_ended(lake: Lake, children: list[int]) -> None:
    with pytest.raises(SqlError, match=r"took longer than 0\.8 s"):
        asked(lake, ENDLESS, limits=Limits(seconds=0.8))


def test_ctrl_c_ends_a_query_and_its_child(lake: Lake, children: list[int]) -> None:
    def interrupt() -> None:
        """Once the query runs: Arrow, which reads before, has a moment of its own for signals."""
        while not children:
            time.sleep(0.05)
        time.sleep(0.5)
        os.kill(os.getpid(), signal.SIGINT)

    interrupting = threading.Thread(target=interrupt)
    interrupting.start()
    with pytest.raises(KeyboardInterrupt):
        asked(lake, ENDLESS)
    interrupting.join()


def test_who_stops_reading_leaves_no_child(lake: Lake, children: list[int]) -> None:
    with ask("SELECT * FROM range(100000000)", views_of(lake)) as answer:
        assert next(answer.batches()).num_rows


def test_a_child_ends_when_its_parent_is_gone(lake: Lake) -> None:
    import subprocess
    import sys

    request = Request(
        query=ENDLESS, relations=(views_of(lake)[0].relation,), limits=Limits(seconds=600)
    )
    with subprocess.Popen(
        [sys.executable, "-P", "-m", "loopwright.lake.sql.child"],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        env={},
    ) as child:
        try:
            assert child.stdin is not None
            child.stdin.write(request.to_line())
            child.stdin.flush()
            time.sleep(0.2)
            child.stdin.close()
            assert child.wait(timeout=60) == 1
        finally:
            child.kill()


def test_a_killed_child_leaves_an_opening_of_unknown_size(
    lake: Lake, children: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    reading = opened(lake)
    original, before = reading.audit.begin, len(lake.audit.openings())

    def begin_and_kill(**facts: Any) -> str:
        opening = original(**facts)
        os.kill(children[-1], signal.SIGKILL)
        return opening

    monkeypatch.setattr(reading.audit, "begin", begin_and_kill)
    with pytest.raises(SqlError, match="needs more than"):
        asked(reading, "SELECT max(request) FROM calls")
    assert [opening.rows for opening in lake.audit.openings()[before:]] == [None]
