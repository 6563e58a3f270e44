"""Each exit code, reached by a situation that a user meets, with words that say what to do."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from loopwright.engine.workspace import Workspace
from support.command_lines import (
    LAKE,
    Shell,
    dataset,
    export,
    job,
    manifest,
    provider,
    shell,
    write,
)


@pytest.fixture
def loopwright(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Shell:
    write(tmp_path, provider(), LAKE, dataset("{ratio: 0.2}"), export())
    return shell(tmp_path, monkeypatch, capsys)


def test_0_done_and_then_nothing_to_do_in_one_line(loopwright: Shell) -> None:
    assert loopwright("apply", "--yes", "--wait").code == 0
    again = loopwright("apply", "--yes", "--wait")
    assert again.code == 0
    assert re.fullmatch(r"No changes. 4 resources match the manifests \(state \d+\).\n", again.out)
    assert again.err == ""
    assert loopwright("plan", "--detailed-exitcode").code == 0
    assert loopwright("diff") == (0, "", "")


def test_1_every_problem_of_the_manifests_at_its_place(loopwright: Shell, tmp_path: Path) -> None:
    write(tmp_path, provider(), dataset("{ratio: 2, cuont: 3}"), manifest("Lak", "main", "{}"))
    ended = loopwright("apply", "--yes")
    assert ended.code == 1
    assert ended.out == ""
    assert ended.err.count("error[") == 4  # with the lake, whose kind is misspelt
    assert "all.yaml:9:" in ended.err
    assert "did you mean: count" in ended.err
    assert ended.err.rstrip().endswith("4 errors in 1 file")


def test_1_a_held_lock_is_told_with_its_holder(loopwright: Shell, tmp_path: Path) -> None:
    with Workspace(tmp_path).state().session(holder="li@laptop", command="apply"):
        ended = loopwright("apply", "--yes")
        assert loopwright("plan").code == 0
    assert ended.code == 1
    assert "locked by li@laptop (apply)" in ended.err
    assert loopwright("apply", "--yes").code == 0


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["plann"], "Did you mean 'plan'?"),
        (["plan", "--jsn"], "--json"),
        (["plan", "--var", "=1"], "'=1' is not NAME=VALUE"),
        (["rollback"], "Missing argument"),
        (["history", "-n", "0"], "0 is not in the range"),
    ],
)
def test_2_a_command_line_that_is_not_understood(
    loopwright: Shell, arguments: list[str], told: str
) -> None:
    ended = loopwright(*arguments)
    assert ended.code == 2
    assert told in ended.err


def test_3_changes_are_pending_when_a_script_asks(loopwright: Shell) -> None:
    assert loopwright("plan").code == 0
    assert loopwright("plan", "--detailed-exitcode").code == 3
    assert loopwright("diff").code == 3


def test_4_waiting_for_data_says_how_much_is_missing(loopwright: Shell, tmp_path: Path) -> None:
    write(tmp_path, provider("lakeCalls: 10"), LAKE, dataset("{count: 5000}"), export())
    ended = loopwright("apply", "--yes", "--wait")
    assert ended.code == 4
    assert "of 5,000 rows" in ended.out
    assert "Done: 2 created; 2 waiting." in ended.out
    assert loopwright("plan", "--detailed-exitcode").code == 4
    assert "it waits: " in loopwright("why", "Dataset/set").out


def test_4_a_running_job_goes_on_by_itself(loopwright: Shell, tmp_path: Path) -> None:
    slow = provider("jobSeconds: {Dataset: 3600}")
    write(tmp_path, slow, LAKE, dataset("{ratio: 0.2}"))
    ended = loopwright("apply", "--yes")
    assert ended.code == 4
    assert "Running: Dataset/set" in ended.out
    assert "Next: loopwright apply --wait" in ended.out
    assert "nothing is started" in loopwright("plan").out


def test_5_what_does_not_depend_on_a_failure_is_done(loopwright: Shell, tmp_path: Path) -> None:
    failing = provider("faults: {failJobs: [{kind: FineTuneJob, how: permanent}]}")
    write(tmp_path, failing, LAKE, dataset("{ratio: 0.2}"), job(), export())
    ended = loopwright("apply", "--yes", "--wait")
    assert ended.code == 5
    assert "Failed: FineTuneJob/tune" in ended.out
    assert "Done: 2 created, 2 run; 1 failed." in ended.out
    assert "Next: loopwright why FineTuneJob/tune" in ended.out
    assert "--replace FineTuneJob/tune" in loopwright("why", "FineTuneJob/tune").out


def test_6_with_nobody_to_ask_nothing_is_done(loopwright: Shell, tmp_path: Path) -> None:
    ended = loopwright("apply")
    assert ended.code == 6
    assert "nobody is there to ask" in ended.err
    assert "add --yes" in ended.err
    assert loopwright("get").err == "Nothing is recorded yet.\n"


def test_6_a_saved_plan_is_refused_when_the_manifests_moved_on(
    loopwright: Shell, tmp_path: Path
) -> None:
    assert loopwright("plan", "--out", "week.plan").code == 0
    write(tmp_path, provider(), LAKE, dataset("{ratio: 0.3}"), export())
    ended = loopwright("apply", "week.plan")
    assert ended.code == 6
    assert "stale: the manifests changed since" in ended.err
    assert loopwright("get").err == "Nothing is recorded yet.\n"


def test_6_a_promotion_waits_for_a_person(loopwright: Shell, tmp_path: Path) -> None:
    write(
        tmp_path,
        provider(),
        LAKE,
        dataset("{ratio: 0.2}"),
        job(),
        manifest("Endpoint", "new", "{provider: cloud, model: {fineTuneJob: tune}}"),
        manifest(
            "EvalSuite",
            "suite",
            "{capabilities: [{name: all, datasets: "
            "[{name: held, dataset: Dataset/set, method: exactMatch}]}]}",
        ),
        manifest("EvalRun", "new", "{provider: cloud, suite: suite, endpoint: new}"),
        manifest(
            "Endpoint",
            "prod",
            "{provider: cloud, model: {base: tiny}, promote: {from: FineTuneJob/tune, "
            "approve: manual, gate: {evalRun: EvalRun/new, minComposite: 1}}}",
        ),
    )
    ended = loopwright("apply", "--yes", "--wait")
    assert ended.code == 6
    assert "loopwright approve Endpoint/prod" in ended.out
    assert loopwright("approve", "Endpoint/prod").code == 0
    assert loopwright("apply", "--yes").code == 0
    assert loopwright("rollback", "Endpoint/prod").code == 0
    assert "model.base (unset) -> tiny" in loopwright("plan").out


def test_7_a_budget_below_the_estimate_is_refused(loopwright: Shell, tmp_path: Path) -> None:
    prices = ", prices: {trainingPerMillionTokens: 1000}"
    documents = provider(more=prices), LAKE, dataset("{ratio: 0.2}")
    write(tmp_path, *documents)
    assert loopwright("apply", "--yes", "--wait").code == 0
    write(tmp_path, *documents, job(", budget: {cost: 0.01}"))
    planned = loopwright("plan")
    assert planned.code == 7
    assert "over spec.budget.cost 0.01" in planned.out
    assert loopwright("apply", "--yes").code == 7


def test_7_what_is_protected_is_not_destroyed(loopwright: Shell, tmp_path: Path) -> None:
    kept = manifest(
        "Endpoint",
        "prod",
        "{provider: cloud, model: {base: tiny}, lifecycle: {preventDestroy: true}}",
    )
    write(tmp_path, provider(), kept)
    loopwright("apply", "--yes")
    ended = loopwright("destroy", "--yes")
    assert ended.code == 7
    assert "Refused: Endpoint/prod: preventDestroy is set" in ended.out
    assert "Endpoint/prod" in loopwright("state", "list").out
