"""What a dataset costs: drawing and reading apart from rendering and validation, against DuckDB.

Run: LOOPWRIGHT_BENCH_CALLS=200000 pytest -m bench -n 0 -s tests/bench/bench_dataset.py
Every part runs in a process of its own, so that its CPU time and its peak memory are its own.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import orjson
import pytest

CALLS = int(os.environ.get("LOOPWRIGHT_BENCH_CALLS", "1000000"))
SAMPLE = CALLS // 100
BATCH = 50_000
WORDS = [f"w{number:x}" for number in range(20_000)]
MEASURED = """
import json, resource, sys, time
from pathlib import Path
lake_root, key, plain, out, sample = *map(Path, sys.argv[1:5]), int(sys.argv[5])
{setup}
before = resource.getrusage(resource.RUSAGE_SELF)
{body}
after = resource.getrusage(resource.RUSAGE_SELF)
cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
print(json.dumps({{"cpu": cpu, "mib": after.ru_maxrss / 1024, "rows": rows}}))
"""
OPEN = """
from loopwright.lake.building import build
from loopwright.lake.estimating import estimate
from loopwright.lake.catalog import Catalog
from loopwright.lake.keys import MasterKey
from loopwright.lake.lines import Lines
from loopwright.lake.recipe import Recipe
from loopwright.lake.rendering import Exchange, render
from loopwright.lake.store import Lake
from loopwright.lake.walking import Draw
lake = Lake.open(lake_root, master=MasterKey.from_file(key))
recipe = Recipe.from_spec({"sampling": {"count": sample, "salt": "bench"}})
def kept():
    for stretch in Draw(lake.snapshot(), recipe).stretches():
        rows = stretch.filter(stretch["reason"].is_null()).slice(0, sample)
        return rows
"""
TAKE = 'taken = lake.snapshot().take(kept()["call_id"].to_pylist(), ["request", "response"])'
PARTS = {
    "estimate (metadata only)": (OPEN, "rows = estimate(lake.snapshot(), recipe).rows[1]"),
    "draw and read text": (OPEN, f"{TAKE}\nrows = taken.num_rows"),
    "render and validate": (
        OPEN + TAKE + "\ntexts = list(zip(*(taken[n].to_pylist() for n in taken.column_names)))",
        "rows = sum(bool(render(Exchange.parse(*one), recipe.line_format)) for one in texts)",
    ),
    "build a version": (
        OPEN,
        "rows = build(lake, recipe, catalog=Catalog(out), name='b', owner='bench').kept",
    ),
    "DuckDB, naive, plain Parquet": (
        "import duckdb\nduckdb.sql('SET threads = 1; SET enable_progress_bar = false')",
        "rows = duckdb.sql(f\"FROM '{plain}/*.parquet' ORDER BY md5(call_id || 'bench')"
        ' LIMIT {sample}").to_arrow_table().num_rows',
    ),
}


def calls() -> Iterator[dict[str, Any]]:
    """Calls of 2 to 3 KB of made-up words, two thousand a second."""
    choose = random.Random(1).choices
    start = datetime(2026, 3, 1, tzinfo=UTC)
    for number in range(CALLS):
        question, answer = " ".join(choose(WORDS, k=180)), " ".join(choose(WORDS, k=220))
        messages = [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": question},
        ]
        request = orjson.dumps({"model": "m", "messages": messages}).decode()
        message = {"role": "assistant", "content": answer}
        response = orjson.dumps({"choices": [{"index": 0, "message": message}]}).decode()
        yield {
            "call_id": f"call-{number:012}",
            "ts": start + timedelta(microseconds=500 * number),
            "endpoint": "chat",
            "operation": "chat",
            "outcome": "ok",
            "input_tokens": 400,
            "output_tokens": 500,
            "exchange_hash": hashlib.sha256(response.encode()).digest()[:16],
            "request": request,
            "response": response,
        }


def make(folder: Path) -> None:
    """The same calls as an encrypted lake and as plain Parquet."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from loopwright.lake.ingest import append
    from loopwright.lake.keys import MasterKey
    from loopwright.lake.store import Lake

    master = MasterKey.from_file(folder / "key", create=True)
    lake = Lake.create(folder / "lake", master=master)
    (folder / "plain").mkdir()
    every = calls()
    for number in range(0, CALLS, BATCH):
        batch = list(islice(every, BATCH))
        append(lake, batch)
        table = pa.Table.from_pylist(batch)
        pq.write_table(table, folder / f"plain/{number}.parquet", compression="zstd")


def measured(folder: Path, setup: str, body: str) -> dict[str, float]:
    script = MEASURED.format(setup=setup, body=body)
    paths = [folder / name for name in ("lake", "key", "plain", "out")]
    done = subprocess.run(
        [sys.executable, "-c", script, *map(str, paths), str(SAMPLE)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return dict(json.loads(done.stdout))


@pytest.mark.bench
def test_dataset_costs(tmp_path: Path) -> None:
    # In a process of its own too: a child's peak memory never reads lower than its parent's.
    subprocess.run([sys.executable, __file__, str(tmp_path)], check=True)
    found = {name: measured(tmp_path, *part) for name, part in PARTS.items()}
    naive = found["DuckDB, naive, plain Parquet"]["cpu"]
    print(f"\n{SAMPLE} of {CALLS} calls{'':14}CPU s   of naive   peak MiB")
    for name, figures in found.items():
        assert figures["rows"] == SAMPLE
        cpu = figures["cpu"]
        print(f"{name:32}{cpu:8.2f}{cpu / naive:10.2f}{figures['mib']:11.0f}")


if __name__ == "__main__":
    make(Path(sys.argv[1]))
