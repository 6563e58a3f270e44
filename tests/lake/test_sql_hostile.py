"""Queries that try to get out: to files, the network, settings, the process, or the machine."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

import pytest

from lake import lake_world as made
from loopwright.errors import LoopwrightError, SqlError
from loopwright.lake.ingest import append
from loopwright.lake.sql.asking import ask, views_of
from loopwright.lake.sql.request import Limits, Request
from loopwright.lake.sql.running import run
from loopwright.lake.store import Lake

SECRET = "not-for-queries-8812"
secret_variable = {"value": [SECRET]}  # what a replacement scan would find by its name

NOT_ONE_SELECT = [
    "",
    ";",
    "-- nothing",
    "SELECT 1; SELECT 2",
    "SELECT 1; COPY calls TO '{folder}/out'",
    "SELECT 1 /* ; */; DROP VIEW calls",
    "COPY calls TO '{folder}/out.parquet'",
    "COPY (SELECT 1) TO '{folder}/out.csv'",
    "EXPORT DATABASE '{folder}/out'",
    "IMPORT DATABASE '{folder}'",
    "ATTACH '{folder}/out.db' AS other",
    "ATTACH ':memory:' AS other",
    "INSTALL httpfs",
    "LOAD httpfs",
    "LOAD '{folder}/x.duckdb_extension'",
    "SET enable_external_access = true",
    "SET lock_configuration = false",
    "SET memory_limit = '64GB'",
    "RESET memory_limit",
    "PRAGMA enable_profiling = 'json'",
    "PRAGMA database_list",
    "CALL enable_logging()",
    "CREATE TABLE kept AS SELECT * FROM calls",
    "CREATE MACRO f(x) AS x",
    "CREATE SECRET s (TYPE s3, KEY_ID 'a', SECRET 'b')",
    "INSERT INTO calls VALUES (1)",
    "DELETE FROM calls",
    "DROP VIEW calls",
    "PREPARE p AS SELECT 1",
    "EXPLAIN ANALYZE SELECT 1",
    "BEGIN",
    "VACUUM",
    "CHECKPOINT",
    "USE memory",
    "SET VARIABLE x = 1",
    "PIVOT calls ON model USING count(*)",
]
OUT_OF_THE_LAKE = [
    "SELECT * FROM read_csv('{folder}/secret.csv')",
    "SELECT * FROM read_text('{folder}/secret.csv')",
    "SELECT * FROM READ_BLOB('/proc/self/environ')",
    "SELECT * FROM read_json_auto('{folder}/secret.csv')",
    "SELECT * FROM read_parquet('{folder}/*')",
    "SELECT * FROM parquet_metadata('{folder}/x')",
    "SELECT * FROM sniff_csv('{folder}/secret.csv')",
    "SELECT * FROM glob('{folder}/*')",
    "SELECT * FROM '{folder}/secret.csv'",
    'SELECT * FROM "{folder}/secret.csv"',
    "SELECT (SELECT content FROM read_text('{folder}/secret.csv')) FROM calls",
    "SELECT * FROM calls WHERE call_id IN (SELECT content FROM read_text('{folder}/secret.csv'))",
    "WITH t AS (FROM read_text('{folder}/secret.csv')) SELECT * FROM t",
    "WITH t AS (INSERT INTO calls VALUES (1) RETURNING *) SELECT * FROM t",
    "DESCRIBE SELECT * FROM read_csv('{folder}/secret.csv')",
    "SUMMARIZE FROM read_csv('{folder}/secret.csv')",
    "SELECT * FROM query('SELECT * FROM read_text(''{folder}/secret.csv'')')",
    "SELECT * FROM query_table('{folder}/secret.csv')",
    "SELECT * FROM json_execute_serialized_sql(json_serialize_sql('SELECT 1'))",
    "SELECT * FROM read_csv('http://127.0.0.1:9/x')",
    "SELECT * FROM read_parquet('s3://bucket/x')",
    "SELECT * FROM duckdb_secrets()",
    "SELECT * FROM duckdb_settings()",
    "SELECT * FROM duckdb_extensions()",
    "SELECT * FROM add_parquet_key('k', 'aaaaaaaaaaaaaaaa')",
    "SELECT * FROM force_checkpoint()",
    "SELECT * FROM enable_logging()",
    "SELECT * FROM register_external_resource('x', 'y')",
    "SELECT * FROM copy_database('memory', 'memory')",
    "SELECT * FROM python_map_function((SELECT 1))",
    "SELECT * FROM arrow_scan(1, 2, 3)",
    "SELECT * FROM secret_variable",
    "SELECT * FROM os",
    "SELECT getenv('HOME')",
    "SELECT load_aws_credentials()",
    "SELECT * FROM other.main.calls",
]


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    lake = made.new_lake(tmp_path_factory.mktemp("hostile") / "lake")
    append(lake, made.calls(*range(5)))
    return lake


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "secret.csv").write_text(f"value\n{SECRET}\n")
    return tmp_path


def attempt(lake: Lake, query: str, **parameters: Any) -> list[dict[str, Any]]:
    """Run it in this very process, where there is most to be had."""
    views = views_of(lake)
    request = Request(
        query=query,
        relations=tuple(view.relation for view in views),
        limits=Limits(),
        parameters=parameters,
    )
    audits = {view.name: lake.audit for view in views}
    return [row for batch in run(request, audits=audits) for row in batch.to_pylist()]


def everything_in(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("query", NOT_ONE_SELECT)
def test_anything_but_one_select_is_refused(lake: Lake, folder: Path, query: str) -> None:
    before = everything_in(folder) | everything_in(lake.root)
    with pytest.raises(SqlError, match=r"one statement at a time|only SELECT is allowed") as caught:
        attempt(lake, query.format(folder=folder))
    assert "SELECT (or SUMMARIZE, DESCRIBE) over calls, feedback" in (caught.value.hint or "")
    assert everything_in(folder) | everything_in(lake.root) == before


@pytest.mark.parametrize("query", OUT_OF_THE_LAKE)
def test_a_select_reaches_nothing_but_the_views(lake: Lake, folder: Path, query: str) -> None:
    before = everything_in(folder) | everything_in(lake.root)
    with pytest.raises(SqlError) as caught:
        attempt(lake, query.format(folder=folder))
    assert SECRET not in str(caught.value)
    assert everything_in(folder) | everything_in(lake.root) == before


@pytest.mark.parametrize(
    "query",
    [
        "SELECT 1 AS n;",
        "SELECT 1 AS n; -- the end; really",
        "/* SELECT 2; */ SELECT 1 AS n",
        "FROM range(1, 2) t(n)",
        "VALUES (1)",
        "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t WHERE n < 1) FROM t",
    ],
)
def test_harmless_forms_of_one_select_run(lake: Lake, query: str) -> None:
    assert [list(row.values()) for row in attempt(lake, query)] == [[1]]


def test_views_can_be_described_and_summarized(lake: Lake) -> None:
    described = {row["column_name"]: row["column_type"] for row in attempt(lake, "DESCRIBE calls")}
    assert described["dt"] == "DATE"
    assert described["request"] == "VARCHAR"
    summarized = attempt(lake, "SUMMARIZE SELECT output_tokens, outcome FROM calls")
    assert [row["column_name"] for row in summarized] == ["output_tokens", "outcome"]


def test_text_of_all_the_world_goes_in_and_out_unchanged(lake: Lake) -> None:
    text = "客服 🦓 e\u0301 \u202e \x01 ' \" \\ %s $x {y}"
    assert attempt(lake, "SELECT $t AS t, 'Ω' AS \"列 名\"", t=text) == [{"t": text, "列 名": "Ω"}]


def test_a_very_long_query_runs_or_is_refused_in_words(lake: Lake) -> None:
    with ask("SELECT " + " + ".join(["1"] * 900) + " AS n", views_of(lake)) as answer:
        assert next(answer.batches()).to_pylist() == [{"n": 900}]
    deep = "SELECT " + "(" * 50_000 + "1" + ")" * 50_000
    with pytest.raises(SqlError, match=r"nested too deeply|cannot be run"), ask(deep, []):
        pass
    with pytest.raises(SqlError, match="at most 1,048,576 characters"):
        attempt(lake, "SELECT '" + "x" * (1 << 20) + "'")


SMALL = Limits(seconds=300, memory_bytes=256 << 20)


@pytest.mark.parametrize(
    "query",
    [
        "SELECT repeat('x', 4000000000)",
        "SELECT length(repeat('x', 4000000000)) FROM range(4)",
        "SELECT list(a.range) FROM range(1000000) a, range(1000) b",
        "SELECT string_agg(repeat(range::VARCHAR, 100), '') FROM range(100000000)",
        "WITH RECURSIVE t AS (SELECT 'x' AS s UNION ALL SELECT s || s FROM t) FROM t",
        "SELECT * FROM range(1000000000) ORDER BY hash(range)",
    ],
)
def test_what_needs_too_much_memory_is_ended_and_said_so(lake: Lake, query: str) -> None:
    with (
        pytest.raises(SqlError, match=r"needs more than the 0\.25 GiB|a row of the result has"),
        ask(query, views_of(lake), limits=SMALL) as answer,
    ):
        for _ in answer.batches():
            pass


def test_a_huge_result_flows_through_little_memory(lake: Lake) -> None:
    query = "SELECT repeat('x', 1000) AS x FROM range(600000)"
    with ask(query, views_of(lake), limits=SMALL) as answer:
        assert sum(batch.num_rows for batch in answer.batches()) == 600_000


def test_the_child_knows_no_environment_and_can_write_no_file(lake: Lake, tmp_path: Path) -> None:
    """Whatever code should come to run there: asked of the child's own process."""
    import subprocess
    import sys

    code = f"""
import os
from loopwright.lake.sql.confining import confine
from loopwright.lake.sql.request import Limits
confine(Limits(seconds=5))
print(sorted(os.environ))
try:
    with open({str(tmp_path / "made")!r}, "wb") as file:
        file.write(b"x" * 10)
except OSError as error:
    print(error.strerror)
"""
    from loopwright.lake.sql.asking import child_environment

    told = subprocess.run(
        [sys.executable, "-P", "-c", code],
        env=child_environment({"HOME": "/root", "LAKE_KEY": SECRET}),
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    )
    names, said = told.stdout.splitlines()
    assert "LAKE_KEY" not in names
    assert "HOME" not in names
    assert said == "File too large"
    assert not (tmp_path / "made").stat().st_size


def test_queries_at_the_same_time_do_not_mix(lake: Lake) -> None:
    found: dict[int, Any] = {}

    def run_one(number: int) -> None:
        with ask(f"SELECT {number} AS n, count(request) AS c FROM calls", views_of(lake)) as answer:
            found[number] = [row for batch in answer.batches() for row in batch.to_pylist()]

    threads = [threading.Thread(target=run_one, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {number: [{"n": number, "c": 5}] for number in range(3)}


def test_errors_of_a_query_are_loopwrights_own(lake: Lake) -> None:
    with pytest.raises(LoopwrightError) as caught, ask("SELECT nope", views_of(lake)):
        pass
    assert os.fspath(lake.root) not in str(caught.value)
