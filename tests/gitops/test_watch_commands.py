"""`status`, `suspend`, `resume` and the usage of `watch`, as people type them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from watch_bench import Bench, dataset, job, lake, provider

from loopwright.cli import run

Typed = Callable[..., tuple[int, str, str]]


@pytest.fixture
def typed(bench: Bench, capsys: pytest.CaptureFixture[str]) -> Typed:
    """Type a command in the bench's project; its exit code, stdout and stderr."""

    def type_it(*arguments: str) -> tuple[int, str, str]:
        code = run([arguments[0], "--project", str(bench.folder), *arguments[1:]])
        out = capsys.readouterr()
        return code, out.out, out.err

    return type_it


def test_status_tells_what_stands_runs_fails_and_is_suspended(bench: Bench, typed: Typed) -> None:
    doomed = {"kind": "FineTuneJob", "name": "bad", "how": "permanent", "times": 9}
    slow = {"FineTuneJob": 10**9}
    bench.write(provider(jobSeconds=slow), lake(), dataset(), job("long"))
    bench.watch(30)
    bench.write(provider(faults={"failJobs": [doomed]}), lake(), dataset(), job("long"), job("bad"))
    bench.watch(30)
    assert typed("suspend", "Dataset/d", "--reason", "relabelling", "--for", "4h")[0] == 0
    code, out, _ = typed("status")
    rows = {line.split()[0]: line for line in out.splitlines() if "/" in line.split(" ")[0]}
    assert code == 0
    assert rows["Lake/main"].split()[1:3] == ["Ready", "yes"]
    assert "run since 2026-03-01" in rows["FineTuneJob/long"]
    assert "Stalled" in rows["FineTuneJob/bad"]
    assert "relabelling" in rows["Dataset/d"]
    assert "Watcher      not running" in out
    told = json.loads(typed("status", "--json")[1])
    assert told["counts"] == {"Ready": 2, "Running": 1, "Stalled": 1, "Suspended": 1}
    assert {line["address"] for line in told["resources"]} == set(rows)


def test_status_says_so_where_there_is_nothing_yet(typed: Typed) -> None:
    code, out, err = typed("status")
    assert code == 0
    assert out.startswith("Environment  default: no resources\nWatcher      none;")
    assert "Nothing is recorded yet" in err


def test_suspend_and_resume_are_journalled_with_who_why_and_until(
    bench: Bench, typed: Typed
) -> None:
    bench.write(provider(), lake())
    bench.watch(30)
    code, out, _ = typed("suspend", "--all", "--reason", "demo", "--until", "2099-12-01")
    assert code == 0
    assert "until 2099-12-01T00:00:00Z: demo" in out
    assert "Suspended    suspended by" in typed("status")[1]
    lines = bench.journal("suspended")
    assert {line.address for line in lines} == {"Lake/main", "Provider/mem", "*"}
    assert all(line.data["reason"] == "demo" for line in lines)
    assert typed("resume", "Lake/main")[1] == "Lake/main is no longer suspended.\n"
    assert typed("resume", "--all")[1] == "Everything is no longer suspended.\n"
    assert "was not suspended" in typed("resume", "Lake/main")[2]
    assert "Suspended" not in typed("status")[1]


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["suspend", "--reason", "x"], 2, "name one ADDRESS, or give --all"),
        (["suspend", "Lake/main", "--all", "--reason", "x"], 2, "name one ADDRESS"),
        (["suspend", "Lake/mian", "--reason", "x"], 1, "did you mean Lake/main?"),
        (["suspend", "Lake/main", "--reason", "x", "--until", "2020-01-01"], 1, "is over"),
        (["suspend", "Lake/main", "--reason", "x", "--for", "4"], 2, "30s, 10m"),
        (["suspend", "Lake/main", "--reason", "x", "--until", "soon"], 2, "2026-12-01"),
        (["resume"], 2, "name one ADDRESS, or give --all"),
        (["watch", "flows", "--git", "x"], 2, "give DIR or --git, not both"),
        (["watch", "-"], 1, "stdin cannot be watched"),
        (["watch", "--git", "x", "--ref", "a:b"], 1, "is not a branch, tag or commit"),
        (["watch", "--listen", "nowhere"], 1, "cannot listen on nowhere"),
    ],
)
def test_a_wrong_command_line_says_what_to_write(
    bench: Bench, typed: Typed, arguments: list[str], code: int, told: str
) -> None:
    bench.write(provider(), lake())
    bench.watch(30)
    found, _, err = typed(*arguments)
    assert found == code
    assert told in err
    assert not Path("x").exists()
