"""Logs for other tools: their own readers take them, and say the same scores."""

from __future__ import annotations

import json
import os
import stat
import subprocess
from collections.abc import Mapping
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest

from loopwright.evaluation.formats import inspect, lm_eval
from loopwright.evaluation.formats.answers import tool_call
from support.evaluations import EVALUATED, an_evaluation

INSPECT = "INSPECT_PYTHON"
LM_EVAL = "LM_EVAL_PYTHON"
READ_INSPECT = """
import json, sys
from inspect_ai.log import list_eval_logs, read_eval_log
logs = [read_eval_log(info) for info in list_eval_logs(sys.argv[1])]
print(json.dumps({
    log.eval.model: {
        "status": log.status,
        "mean": log.results.scores[0].metrics["mean"].value,
        "samples": sum(s.scores["loopwright"].as_float() for s in log.samples) / len(log.samples),
        "calls": sum(bool(s.output.message.tool_calls) for s in log.samples),
        "errors": sum(bool(s.error) for s in log.samples),
    } for log in logs}))
"""
READ_LM_EVAL = """
import glob, json, os, sys
from lm_eval.utils import (get_file_task_name, get_results_filenames, get_sample_results_filenames,
                           make_table)
names = glob.glob(sys.argv[1] + "/*")
results = json.load(open(get_results_filenames(names)[0]))
print(json.dumps({
    "tasks": sorted(
        get_file_task_name(os.path.basename(n)) for n in get_sample_results_filenames(names)),
    "known": sorted(results["configs"]),
    "table": make_table(results) + make_table(results, "groups")}))
"""


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_lm_eval_logs_have_a_line_an_item_whose_mean_is_the_tasks_score(tmp_path: Path) -> None:
    result, records = an_evaluation(items=60)
    paths = lm_eval.write(result, records, tmp_path)
    folder = tmp_path / EVALUATED
    assert {path.parent.name for path in paths} >= {EVALUATED, "builtin__tiny-chat"}
    assert {stat.S_IMODE(path.stat().st_mode) for path in paths} == {0o600}
    told = json.loads(next(folder.glob("results_*.json")).read_text(encoding="utf-8"))
    samples = {path.name: lines(path) for path in folder.glob("samples_*.jsonl")}
    assert sum(map(len, samples.values())) == len(records)
    for name, task in told["configs"].items():
        metric = task["metric_list"][0]["metric"]
        own = next(found for path, found in samples.items() if path.startswith(f"samples_{name}_"))
        assert told["results"][name][f"{metric},none"] == pytest.approx(
            fmean(sample[metric] for sample in own)
        )
        assert [sample["doc_id"] for sample in own] == list(range(len(own)))
    assert result.subjects[0].composite is not None
    whole = result.subjects[0].composite.score
    assert told["groups"]["group:router"]["score,none"] == pytest.approx(whole / 100)


def test_inspect_logs_hold_every_sample_with_its_messages_and_calls(tmp_path: Path) -> None:
    result, records = an_evaluation(items=60)
    logs = [
        json.loads(path.read_text("utf-8")) for path in inspect.write(result, records, tmp_path)
    ]
    assert [log["eval"]["model"] for log in logs] == [
        f"loopwright/{s.label}" for s in result.subjects
    ]
    own = logs[0]
    ids = [sample["id"] for sample in own["samples"]]
    assert len(set(ids)) == len(ids) == len(records)
    assert own["eval"]["dataset"]["sample_ids"] == ids
    called = [s for s in own["samples"] if s["messages"][-1].get("tool_calls")]
    assert called[0]["messages"][-1]["tool_calls"][0]["function"] == "look_up_order"
    assert isinstance(called[0]["messages"][-1]["tool_calls"][0]["arguments"]["order"], int)


def test_arguments_that_are_no_json_are_kept_and_told() -> None:
    call: Mapping[str, Any] = {"function": {"name": "f", "arguments": "{oops"}}
    found = tool_call(call, 7)
    assert (found["id"], found["arguments"]) == ("call-7", {"arguments": "{oops"})
    assert found["parse_error"].startswith("arguments are not JSON")
    assert tool_call({"name": "g", "arguments": {"a": 1}}, 0)["arguments"] == {"a": 1}


@pytest.mark.slow
def test_inspects_own_reader_takes_the_logs(tmp_path: Path) -> None:
    result, records = an_evaluation()
    inspect.write(result, records, tmp_path)
    told = _read(INSPECT, READ_INSPECT, tmp_path)
    assert len(told) == len(result.subjects)
    own = told[f"loopwright/{EVALUATED}"]
    assert own["status"] == "success"
    assert result.subjects[0].composite is not None
    assert own["mean"] == pytest.approx(result.subjects[0].composite.score / 100)
    assert own["samples"] == pytest.approx(fmean(r.answers[EVALUATED].score for r in records) / 100)
    assert own["calls"] == sum(bool(r.answers[EVALUATED].tool_calls) for r in records)
    assert own["errors"] == sum(bool(r.answers[EVALUATED].error) for r in records)


@pytest.mark.slow
def test_lm_evals_own_tools_take_the_logs(tmp_path: Path) -> None:
    result, records = an_evaluation()
    lm_eval.write(result, records, tmp_path)
    told = _read(LM_EVAL, READ_LM_EVAL, tmp_path / EVALUATED)
    assert told["tasks"] == told["known"]
    assert len(told["tasks"]) == 5
    assert "answers_客服问答" in told["table"]
    assert result.subjects[0].composite is not None
    assert f"{result.subjects[0].composite.score / 100:.4f}" in told["table"]


def _read(variable: str, script: str, folder: Path) -> Any:
    """What a tool says that lives in an environment of its own, as its needs are not ours."""
    python = os.environ.get(variable)
    if not python:
        pytest.skip(f"{variable} names no Python that has it")
    done = subprocess.run(
        [python, "-c", script, str(folder)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])
