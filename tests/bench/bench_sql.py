"""SQL over an encrypted lake against DuckDB on the same columns in plain Parquet, in CPU time.

Run with `pytest -m bench -n 0 -s tests/bench/bench_sql.py`; LOOPWRIGHT_BENCH_CALLS sets the number
of calls (1,000,000). Each figure is of a process of its own: CPU of the query alone, interpreter
and imports left out on both sides; ours is the child's and the asking process' together, its peak
memory the child's. The best of several, the peers taking turns.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.bench_lake import (
    CALLS,
    Figure,
    compact_lake,
    folder,
    generate,
    import_with_lake,
    measured,
    report,
    write_plain,
)

__all__ = ["folder"]

DAYS = "SELECT {day} AS day, endpoint, model_version, count(*) FROM {calls} GROUP BY ALL"
FOUND = "SELECT count(*) FROM {calls} WHERE request LIKE '%no such words%'"
QUERIES = {
    "by day, endpoint, version": (DAYS.replace("{day}", "ts::DATE"), DAYS.replace("{day}", "dt")),
    "LIKE over the request": (FOUND, FOUND),
}


def with_duckdb(where: Path, query: str) -> Callable[[], float]:
    """The peer as it comes, with as many threads as the lake's queries have."""
    import duckdb

    connection = duckdb.connect()
    for setting in ("TimeZone = 'UTC'", "threads = 2", "enable_progress_bar = false"):
        connection.execute(f"SET {setting}").complete()
    told = query.format(calls=f"'{where}/plain.parquet'")

    def run() -> float:
        connection.sql(told).to_arrow_table()
        return 0.0

    return run


def with_lake(where: Path, query: str) -> Callable[[], float]:
    """CPU that the child has used is given back."""
    from loopwright.lake.keys import MasterKey
    from loopwright.lake.sql.asking import ask, views_of
    from loopwright.lake.store import Lake

    lake = Lake.open(where / "lake", master=MasterKey.from_file(where / "master"))

    def run() -> float:
        with ask(query.format(calls="calls"), views_of(lake)) as answer:
            assert sum(batch.num_rows for batch in answer.batches())
        return answer.cpu_seconds or 0.0

    return run


def asked(peer: Callable[..., object], query: str, where: Path) -> Figure:
    """CPU seconds and peak MiB of one query, in a process of its own."""
    told = [sys.executable, "-m", "bench.bench_sql", peer.__name__, str(where), query]
    child = subprocess.run(told, stdout=subprocess.PIPE, check=True, cwd=Path(__file__).parents[1])
    cpu, peak = json.loads(child.stdout.splitlines()[-1])
    return cpu, peak


def compared(where: Path, *, title: str, rounds: int = 5) -> dict[str, tuple[Figure, Figure]]:
    """The best figures of DuckDB and of the lake, for each query."""
    found = {}
    for name, (plain, ours) in QUERIES.items():
        turns = [
            (asked(with_duckdb, plain, where), asked(with_lake, ours, where)) for _ in range(rounds)
        ]
        best = min(turn[0] for turn in turns), min(turn[1] for turn in turns)
        report(
            f"{name}, {title}", dict(zip(("duckdb", "lake"), best, strict=True)), against=["duckdb"]
        )
        found[name] = best
    return found


@pytest.mark.bench
def test_figures_of_sql(folder: Path) -> None:
    generate(folder / "calls.jsonl", CALLS)
    measured(import_with_lake, folder)
    (folder / "calls.jsonl").unlink()
    measured(write_plain, folder)
    figures = [compared(folder, title="as imported")]
    measured(compact_lake, folder)
    figures.append(compared(folder, title="compacted"))
    for found in figures:
        plain, ours = found["by day, endpoint, version"]
        assert ours[0] <= 5 * plain[0]
        plain, ours = found["LIKE over the request"]
        assert ours[0] <= 2 * plain[0]
        assert ours[1] < 1024


def _child(name: str, where: Path, query: str) -> None:
    run = globals()[name](where, query)
    before = resource.getrusage(resource.RUSAGE_SELF)
    other = run()
    after = resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    peak = max(after.ru_maxrss, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
    print(json.dumps([cpu + other, peak / 1024]))


if __name__ == "__main__":
    _child(sys.argv[1], Path(sys.argv[2]), sys.argv[3])
