"""Import and sampling against DuckDB on plain Parquet, in CPU time and peak memory.

Run with `pytest -m bench -n 0 -s tests/bench/bench_lake.py`; LOOPWRIGHT_BENCH_CALLS sets the number
of calls (1,000,000). Each figure is of a process of its own, after its imports: the best of
several, the peers taking turns, because what else runs on the machine can only make it worse.
"""

from __future__ import annotations

import json
import os
import random
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import orjson
import pytest

SAMPLE = 10_000
COPY = "TO '{plain}' (FORMAT parquet, COMPRESSION zstd)"
RANKED = "SELECT {columns} FROM '{plain}' ORDER BY md5(call_id || ':seed') LIMIT {sample}"
CALLS = int(os.environ.get("LOOPWRIGHT_BENCH_CALLS", "1000000"))  # before tests clean the names


Work = Callable[[Path], Callable[[], object]]
Figure = tuple[float, float]


def generate(path: Path, calls: int) -> None:
    """Exchanges of 2-3 KB of pseudo-words, a fiftieth of a second apart."""
    chance = random.Random(1)
    letters = "abcdefghijklmnopqrstuvwxyz"
    words = ["".join(chance.choices(letters, k=chance.randint(2, 10))) for _ in range(5_000)]
    soup = " ".join(chance.choices(words, k=1_500_000))

    def text(low: int, high: int) -> str:
        start = chance.randrange(len(soup) - high)
        return soup[start : start + chance.randint(low, high)]

    with path.open("wb") as out:
        for number in range(calls):
            messages = [
                {"role": "system", "content": "You are a helpful assistant."},
                {"role": "user", "content": text(600, 1300)},
            ]
            answer = {"role": "assistant", "content": text(700, 1500)}
            response = {
                "id": f"chatcmpl-{chance.getrandbits(128):032x}",
                "object": "chat.completion",
                "created": 1_760_000_000 + number // 50,
                "model": f"model-{number % 3}-2026",
                "choices": [{"index": 0, "message": answer, "finish_reason": "stop"}],
                "usage": {"prompt_tokens": 250, "completion_tokens": 300, "total_tokens": 550},
            }
            request = {
                "model": f"model-{number % 3}",
                "temperature": 0.7,
                "user": f"user-{number % 500}",
                "messages": messages,
            }
            line = {"request": request, "response": response, "timestamp": response["created"]}
            out.write(orjson.dumps(line) + b"\n")


def import_with_duckdb(folder: Path) -> Callable[[], object]:
    import duckdb

    source = f"read_json('{folder}/calls.jsonl', format='newline_delimited')"
    statement = f"COPY (SELECT * FROM {source}) {COPY.format(plain=folder / 'duckdb.parquet')}"
    return lambda: duckdb.sql(statement)


def import_with_lake(folder: Path) -> Callable[[], object]:
    from loopwright.lake.importing import import_calls

    shutil.rmtree(folder / "lake", ignore_errors=True)
    lake = _lake(folder)
    return lambda: import_calls(lake, [folder / "calls.jsonl"])


def compact_lake(folder: Path) -> Callable[[], object]:
    from loopwright.lake.compaction import compact

    lake = _lake(folder)
    return lambda: compact(lake)


def write_plain(folder: Path) -> Callable[[], object]:
    """The lake's rows as plain Parquet, as DuckDB writes it: what the peers sample from."""
    import duckdb
    import pyarrow as pa

    from loopwright.lake.columns import COLUMNS, SCHEMA

    batches = pa.RecordBatchReader.from_batches(SCHEMA, _lake(folder).snapshot().scan(COLUMNS))
    connection = duckdb.connect()
    connection.register("calls", batches)
    statement = f"COPY (SELECT * FROM calls) {COPY.format(plain=folder / 'plain.parquet')}"
    return lambda: connection.execute(statement)


def sample_naively(folder: Path) -> Callable[[], object]:
    import duckdb

    wanted = "call_id, request, response"
    query = RANKED.format(columns=wanted, plain=folder / "plain.parquet", sample=SAMPLE)
    return lambda: duckdb.sql(query).to_arrow_table()


def sample_in_two_phases(folder: Path) -> Callable[[], object]:
    import duckdb

    plain = folder / "plain.parquet"
    chosen = RANKED.format(columns="call_id", plain=plain, sample=SAMPLE)
    query = (
        f"WITH chosen AS ({chosen}) "
        f"SELECT call_id, request, response FROM '{plain}' SEMI JOIN chosen USING (call_id)"
    )
    return lambda: duckdb.sql(query).to_arrow_table()


def sample_from_lake(folder: Path) -> Callable[[], object]:
    """The nearest keys after a start, then the text of exactly those calls."""
    import pyarrow as pa

    from loopwright.lake.columns import SKEY_RING

    lake = _lake(folder)

    def sample() -> object:
        snapshot = lake.snapshot()
        rows = sum(file.rows for file in snapshot.files)
        window = min(SKEY_RING, int(SKEY_RING * (SAMPLE + 4 * SAMPLE**0.5) / rows))
        start = (SKEY_RING - window) // 3
        near = snapshot.scan(["call_id", "skey"], skey_range=(start, start + window))
        chosen = pa.Table.from_batches(list(near)).sort_by("skey").slice(0, SAMPLE)
        found = snapshot.take(chosen["call_id"].to_pylist(), ["call_id", "request", "response"])
        assert found.num_rows == min(SAMPLE, rows)
        return found

    return sample


def _lake(folder: Path) -> object:
    from loopwright.lake.keys import MasterKey
    from loopwright.lake.store import Lake

    return Lake.create(folder / "lake", master=MasterKey.from_file(folder / "master"))


def measured(work: Work, folder: Path) -> Figure:
    """CPU seconds and peak MiB of `work`, run in a process of its own."""
    child = subprocess.run(
        [sys.executable, __file__, work.__name__, str(folder)],
        stdout=subprocess.PIPE,
        check=True,
    )
    cpu, peak = json.loads(child.stdout.splitlines()[-1])
    return cpu, peak


def best(works: dict[str, Work], folder: Path, *, rounds: int) -> dict[str, Figure]:
    """The least CPU of each work, and the peak that went with it."""
    turns = [{name: measured(work, folder) for name, work in works.items()} for _ in range(rounds)]
    return {name: min(turn[name] for turn in turns) for name in works}


def report(title: str, rows: dict[str, Figure], *, against: Sequence[str]) -> None:
    heads = "".join(f"{'of ' + peer:>14}" for peer in against)
    print(f"\n{title:<28}{'CPU s':>9}{heads}{'peak MiB':>10}")
    for name, (cpu, peak) in rows.items():
        ratios = "".join(f"{cpu / rows[peer][0]:>14.3f}" for peer in against)
        print(f"{name:<28}{cpu:>9.2f}{ratios}{peak:>10.0f}")


@pytest.fixture
def folder() -> Iterator[Path]:
    """On a disk: a million calls do not belong into a folder in memory."""
    with tempfile.TemporaryDirectory(prefix="loopwright-bench-", dir="/var/tmp") as name:
        yield Path(name)


@pytest.mark.bench
def test_figures_of_import_and_sampling(folder: Path) -> None:
    generate(folder / "calls.jsonl", CALLS)
    print(f"\n{CALLS} calls, {(folder / 'calls.jsonl').stat().st_size / CALLS:.0f} bytes each")
    imports = best({"duckdb": import_with_duckdb, "lake": import_with_lake}, folder, rounds=2)
    report("import", imports, against=["duckdb"])
    (folder / "calls.jsonl").unlink()
    (folder / "duckdb.parquet").unlink()
    measured(write_plain, folder)
    peers: dict[str, Work] = {"naive": sample_naively, "two-phase": sample_in_two_phases}
    samples = best({**peers, "lake as imported": sample_from_lake}, folder, rounds=3)
    compaction = measured(compact_lake, folder)
    samples |= best({"lake compacted": sample_from_lake}, folder, rounds=3)
    report(f"sample of {SAMPLE}", samples, against=list(peers))
    report("compaction", {"import": imports["lake"], "compaction": compaction}, against=["import"])
    assert imports["lake"][0] <= 3 * imports["duckdb"][0]
    for name in ("lake as imported", "lake compacted"):
        cpu, peak = samples[name]
        assert cpu <= 0.1 * samples["naive"][0]
        assert cpu <= 0.25 * samples["two-phase"][0]
        assert peak < 500


def _child(name: str, folder: Path) -> None:
    run = globals()[name](folder)
    before = resource.getrusage(resource.RUSAGE_SELF)
    run()
    after = resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    print(json.dumps([cpu, after.ru_maxrss / 1024]))


if __name__ == "__main__":
    _child(sys.argv[1], Path(sys.argv[2]))
