"""What a dataset costs: its parts apart, and a build against DuckDB and Hugging Face `datasets`.

Run: LOOPWRIGHT_BENCH_CALLS=200000 pytest -m bench -n 0 -s tests/bench/bench_dataset.py
Every part runs in a process of its own, so that its CPU time and its peak memory are its own;
imports are left out for all. The build samples, cleans (exact duplicates), renders, validates,
compares with the population and commits a version of an encrypted lake. The peer loads the same
calls from plain Parquet or JSONL, filters by outcome, shuffles, selects and writes JSON. `datasets`
is not a dependency: LOOPWRIGHT_BENCH_HF names a Python that has it; without, it is left out.
With LOOPWRIGHT_BENCH_DATA the calls are made once, in that folder, and kept.
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
HF_PYTHON = os.environ.get("LOOPWRIGHT_BENCH_HF", "")
DATA = os.environ.get("LOOPWRIGHT_BENCH_DATA", "")
MOST_OF_PEER = 0.2
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
from loopwright.lake.datasets.building import build
from loopwright.lake.datasets.estimating import estimate
from loopwright.lake.datasets.catalog import Catalog
from loopwright.lake.keys import MasterKey
from loopwright.lake.datasets.lines import Lines
from loopwright.lake.datasets.recipe import Recipe
from loopwright.lake.datasets.rendering import Exchange, render
from loopwright.lake.store import Lake
from loopwright.lake.datasets.walking import Draw
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
    "build, near-duplicates left out": (
        OPEN.replace('"salt": "bench"}', '"salt": "bench"}, "cleaning": {"dedup": "near"}'),
        "rows = build(lake, recipe, catalog=Catalog(out), name='n', owner='bench').kept",
    ),
    "DuckDB, naive, plain Parquet": (
        "import duckdb\nduckdb.sql('SET threads = 1; SET enable_progress_bar = false')",
        "rows = duckdb.sql(f\"FROM '{plain}/*.parquet' ORDER BY md5(call_id || 'bench')"
        ' LIMIT {sample}").to_arrow_table().num_rows',
    ),
}
HUGGING_FACE = (
    "import datasets\ndatasets.disable_progress_bars()",
    """
files = [str(path) for path in plain.glob("*.SUFFIX")]
found = datasets.load_dataset("FORM", data_files=files, split="train", cache_dir=str(out))
found = found.filter(lambda ones: [one == "ok" for one in ones], input_columns="outcome",
                     batched=True)
found = found.shuffle(seed=1).select(range(sample)).select_columns(["request", "response"])
found.to_json(str(out / "lines.jsonl"))
rows = found.num_rows
""",
)
PEERS = {
    "Hugging Face, plain Parquet": ("parquet", "parquet"),
    "Hugging Face, plain JSONL": ("json", "jsonl"),
}
COSTLY = {"build, near-duplicates left out"}
"""Reads the text of every call: left out of large runs."""
SMALL = 200_000


def calls() -> Iterator[dict[str, Any]]:
    """Calls of 2 to 3 KB of made-up words, two thousand a second."""
    choose = random.Random(1).choices
    spoken = [" ".join(choose(WORDS, k=20)) for _ in range(20_000)]
    start = datetime(2026, 3, 1, tzinfo=UTC)
    for number in range(CALLS):
        question, answer = " ".join(choose(spoken, k=9)), " ".join(choose(spoken, k=11))
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
    """The same calls as an encrypted lake, as plain Parquet and as plain JSONL."""
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
        with (folder / "plain/calls.jsonl").open("ab") as lines:
            for call in batch:
                del call["exchange_hash"]  # bytes, which JSON has not
                lines.write(orjson.dumps(call) + b"\n")
        table = pa.Table.from_pylist(batch)
        pq.write_table(table, folder / f"plain/{number}.parquet", compression="zstd")


def measured(
    folder: Path, out: Path, setup: str, body: str, *, python: str = sys.executable
) -> dict[str, float]:
    script = MEASURED.format(setup=setup, body=body)
    paths = [*(folder / name for name in ("lake", "key", "plain")), out]
    done = subprocess.run(
        [python, "-c", script, *map(str, paths), str(SAMPLE)],
        capture_output=True, text=True, check=True, env={**os.environ, "HF_HUB_OFFLINE": "1"},
    )  # fmt: skip
    return dict(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.bench
def test_dataset_costs(tmp_path: Path) -> None:
    folder = Path(DATA) if DATA else tmp_path
    if not (folder / "lake").exists():
        # In a process of its own too: a child's peak memory never reads lower than its parent's.
        subprocess.run([sys.executable, __file__, str(folder), str(CALLS)], check=True)
    out = tmp_path / "out"
    parts = {name: part for name, part in PARTS.items() if CALLS <= SMALL or name not in COSTLY}
    found = {name: measured(folder, out, *part) for name, part in parts.items()}
    for name, (form, suffix) in PEERS.items() if HF_PYTHON else ():
        setup, body = HUGGING_FACE
        body = body.replace("FORM", form).replace("SUFFIX", suffix)
        found[name] = measured(folder, tmp_path / form, setup, body, python=HF_PYTHON)
    peer_cpu = found[list(found)[-1]]["cpu"]
    print(f"\n{SAMPLE} of {CALLS} calls{'':14}CPU s    of last   peak MiB")
    for name, figures in found.items():
        assert figures["rows"] == SAMPLE
        cpu = figures["cpu"]
        print(f"{name:32}{cpu:8.2f}{cpu / peer_cpu:10.2f}{figures['mib']:11.0f}")
    if HF_PYTHON:
        assert found["build a version"]["cpu"] <= MOST_OF_PEER * peer_cpu


if __name__ == "__main__":
    CALLS = int(sys.argv[2])  # the environment of a test has lost ours
    make(Path(sys.argv[1]))
