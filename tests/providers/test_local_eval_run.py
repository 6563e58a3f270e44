"""Evaluations of the local provider, of endpoints that a small server stands for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from loopwright.daemon.access import Access
from loopwright.daemon.canary import Stage
from loopwright.daemon.declared import Declared
from loopwright.daemon.stages import Stages
from loopwright.evaluation.run_folder import RunFolder
from loopwright.providers.base import LastRun, OperationStatus, Range, Resolved, Severity, Target
from loopwright.providers.local.erasing_evaluations import erase_evaluations, items_by_evaluation
from loopwright.providers.local.serving import Serving
from loopwright.providers.local.tasks import eval_run as task
from loopwright.resources.address import Address
from loopwright.resources.eval_suite import EvalSuite
from support.chat_servers import ChatServer, chat_server
from support.local_worlds import LocalWorld, do_jobs_inline, succeeded, write_lines

ITEMS = 30
QUESTIONS = [{"question": f"ticket {n}", "expected": str(n % 3)} for n in range(ITEMS)]


def answer(request: Mapping[str, Any]) -> str:
    """`good` knows all but one, `poor` always says the same, `judge` likes short answers."""
    text = request["messages"][-1]["content"]
    if request["model"] == "judge":
        return '{"reason": "short", "score": 5}'
    number = int(text.split()[1])
    return str(number % 3) if request["model"] == "good" and number != 4 else "0"


@pytest.fixture
def server() -> Iterator[ChatServer]:
    with chat_server(answer) as running:
        yield running


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: ChatServer) -> LocalWorld:
    do_jobs_inline(monkeypatch)
    monkeypatch.setattr(task, "gateway_access", lambda _: Access(server.url, "key"))
    write_lines(tmp_path / "questions.jsonl", QUESTIONS)
    return LocalWorld(tmp_path)


def suite(world: LocalWorld, *sets: Mapping[str, Any]) -> Resolved:
    declared = EvalSuite.model_validate(
        {
            "apiVersion": "loopwright.dev/v1alpha1",
            "kind": "EvalSuite",
            "metadata": {"name": "router"},
            "spec": {"capabilities": [{"name": "routing", "datasets": list(sets)}]},
        }
    )
    return Resolved(declared.address, spec=declared.desired(), base_dir=world.folder)


def endpoint(name: str, model: str = "") -> Resolved:
    outputs = {"modelDigest": f"sha256:{name}", "serves": model or f"{name}-model@1"}
    return Resolved(Address("Endpoint", name), name, digest=f"d-{name}", outputs=outputs)


def eval_run(
    world: LocalWorld,
    *sets: Mapping[str, Any],
    inputs: Mapping[str, Resolved] | None = None,
    **spec: Any,
) -> Target:
    one = {"name": "plain", "file": "questions.jsonl", "method": "exactMatch"}
    given = {
        "suite": suite(world, *(sets or (one,))),
        "endpoint": endpoint("good"),
        "baseline": endpoint("poor"),
        **(inputs or {}),
    }
    said = {path: str(one.address) for path, one in given.items() if "." not in path}
    target = world.target("EvalRun", "candidate", inputs=given, **said, **spec)
    return replace(target, fingerprint="f1")


def test_scores_comparisons_and_a_report_come_of_it(world: LocalWorld, server: ChatServer) -> None:
    made = succeeded(world.made(eval_run(world)))
    assert made.external_id == "candidate@v1"
    assert made.message == "composite 96.7 (poor-model@1 33.3) on 30 items"
    told = made.outputs
    assert (told["composite"], told["items"], told["failed"]) == (96.666667, 30, 0)
    assert told["models"] == {"good-model@1": "sha256:good", "poor-model@1": "sha256:poor"}
    assert told["baselineDigest"] == "d-poor"
    apart = told["comparison"]["routing"]
    assert (apart["wins"], apart["ties"], apart["losses"]) == (19, 11, 0)
    assert apart["low"] <= apart["difference"] <= apart["high"]
    assert apart["low"] == apart["quantiles"]["0.025"]
    assert server.asked == {"good": 30, "poor": 30}
    folder = RunFolder((world.folder / told["report"]).parent)
    result, records = folder.load()
    assert (result.digest, len(records)) == (told["digest"], 30)
    (missed,) = [one for one in records if one.answers["good-model@1"].score == 0]
    assert missed.answers["good-model@1"].reason == "is '0'"
    assert "good-model@1" in folder.page.read_text(encoding="utf-8")
    observed = world.adapter("EvalRun").observe(eval_run(world), None)
    assert observed.outputs["fingerprint"] == "f1"


def test_no_answer_is_asked_twice_and_the_report_is_the_same(
    world: LocalWorld, server: ChatServer
) -> None:
    first = succeeded(world.made(eval_run(world)))
    again = succeeded(world.made(replace(eval_run(world), revision=2)))
    assert server.asked == {"good": 30, "poor": 30}
    assert (again.external_id, again.outputs["version"]) == ("candidate@v2", 2)
    assert (again.outputs["cached"], again.outputs["answers"]) == (60, 60)
    assert again.outputs["digest"] == first.outputs["digest"]
    assert again.outputs["comparison"] == first.outputs["comparison"]
    # Another model behind the endpoint is asked anew; the baseline is not.
    other = {"endpoint": replace(endpoint("good"), outputs={"modelDigest": "sha256:2"})}
    succeeded(world.made(replace(eval_run(world, inputs=other), revision=3)))
    assert server.asked == {"good": 60, "poor": 30}


def test_a_killed_run_goes_on_with_the_answers_it_has(
    world: LocalWorld, server: ChatServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def kill(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(task, "result_of", kill)
        with pytest.raises(Killed):
            world.made(eval_run(world), key="one")
    made = succeeded(world.made(eval_run(world), key="one"))
    assert server.asked == {"good": 30, "poor": 30}
    assert made.external_id == "candidate@v1"
    assert made.outputs["cached"] == 0  # it was this run that paid


def test_an_endpoint_that_is_away_fails_it_for_now(
    world: LocalWorld, server: ChatServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(task, "_PATIENCE", 0.01)
    server.status = 503
    made = world.made(eval_run(world))
    assert (made.status, made.transient) == (OperationStatus.FAILED, True)
    assert "does not answer: status 503" in made.message
    monkeypatch.setattr(task, "gateway_access", lambda _: None)
    made = world.made(eval_run(world))
    assert "no daemon of this project serves its endpoints" in made.message


def test_single_items_that_fail_score_nothing_and_are_told(
    world: LocalWorld, server: ChatServer
) -> None:
    server.refuse = lambda request: request["messages"][-1]["content"] == "ticket 3"
    made = succeeded(world.made(eval_run(world)))
    assert made.message.endswith("on 30 items, 1 failed")
    result, records = RunFolder((world.folder / made.outputs["report"]).parent).load()
    assert "1 of 30 items of good-model@1 failed and score 0" in result.notes
    (failed,) = [one for one in records if one.answers["good-model@1"].error]
    assert "status 400" in failed.answers["good-model@1"].error
    assert failed.answers["good-model@1"].score == 0


def test_floors_and_judges_stand_beside(world: LocalWorld, server: ChatServer) -> None:
    version = world.folder / "datasets/sft/v1"
    train = [
        {
            "messages": [
                {"role": "user", "content": f"a ticket {n}"},
                {"role": "assistant", "content": said},
            ]
        }
        for n, said in ((1, "1"), (4, "1"), (7, "1"), (2, "2"))
    ]
    write_lines(version / "train.jsonl", train)
    dataset = Resolved(Address("Dataset", "sft"), outputs={"path": "datasets/sft/v1"})
    made = succeeded(world.made(eval_run(world, inputs={"floors": dataset})))
    assert made.outputs["floors"] == {
        "most frequent answer": 33.333333,
        "nearest question": 36.666667,
    }
    judged = {
        "name": "tone",
        "file": "questions.jsonl",
        "method": "judge",
        "judge": {"endpoint": "Endpoint/judge", "rubric": "short"},
    }
    inputs = {"suite.capabilities.0.datasets.0.judge.endpoint": endpoint("judge")}
    made = succeeded(world.made(replace(eval_run(world, judged, inputs=inputs), revision=2)))
    assert made.outputs["composite"] == 100
    assert server.asked["judge"] == 30 * 2 - 11  # equal answers to a question are judged once


def test_a_model_that_is_taken_meanwhile_makes_it_plan_again(
    world: LocalWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf = Serving(world.provider.places).folder.endpoints
    shelf.put(Declared("good", "me", {"model": {"base": "a"}, "rateLimit": {"rpm": 1}}))
    evaluate = task.evaluate

    def meanwhile(changed: Mapping[str, Any]) -> Callable[..., Any]:
        def run(*given: Any, **named: Any) -> Any:
            shelf.put(Declared("good", "me", changed))
            return evaluate(*given, **named)

        return run

    monkeypatch.setattr(task, "evaluate", meanwhile({"model": {"base": "a"}}))
    succeeded(world.made(eval_run(world)))
    monkeypatch.setattr(task, "evaluate", meanwhile({"model": {"base": "b"}}))
    made = world.made(replace(eval_run(world), revision=2))
    assert made.transient
    assert "took another model while it was evaluated" in made.message


def test_nobody_is_asked_while_two_models_answer_under_a_name(
    world: LocalWorld, server: ChatServer
) -> None:
    folder = Serving(world.provider.places).folder
    rules = {"steps": [5], "interval": "1h", "minCalls": 1, "maxErrorRate": 0.1}
    before = {"spec": {"model": {"base": "a"}}, "serves": None}
    canary = {"key": "takes-over", "rules": rules, "before": before}
    folder.endpoints.put(Declared("poor", "me", {"model": {"base": "b"}}, canary=canary))
    for stage in (None, Stage(datetime(2026, 1, 1, tzinfo=UTC))):
        if stage:
            Stages(folder.canaries).write("poor", "takes-over", stage)
        made = world.made(eval_run(world), key="one")
        assert made.waiting == "Endpoint/poor is being taken over by another model"
    assert not server.asked
    ended = Stage(datetime(2026, 1, 1, tzinfo=UTC), outcome="refused", why="slow")
    Stages(folder.canaries).write("poor", "takes-over", ended)
    succeeded(world.made(eval_run(world), key="two"))


def test_a_takeover_that_begins_meanwhile_makes_it_run_again(
    world: LocalWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf = Serving(world.provider.places).folder.endpoints
    shelf.put(Declared("good", "me", {"model": {"base": "a"}}))
    evaluate = task.evaluate

    def meanwhile(*given: Any, **named: Any) -> Any:
        shelf.put(Declared("good", "me", {"model": {"base": "a"}}, canary={"key": "k"}))
        return evaluate(*given, **named)

    monkeypatch.setattr(task, "evaluate", meanwhile)
    made = world.made(eval_run(world))
    assert made.transient
    assert "began to take over the endpoint good" in made.message


def test_an_answer_of_another_model_is_not_kept_as_this_ones(
    world: LocalWorld, server: ChatServer
) -> None:
    mine = replace(endpoint("good", "m@1"), spec={"model": {"model": "Model/m@1"}})
    inputs = {"endpoint": mine}
    succeeded(world.made(eval_run(world, inputs=inputs)))  # the server says that it is `good`
    succeeded(world.made(replace(eval_run(world, inputs=inputs), revision=2)))
    assert server.asked == {"good": 60, "poor": 30}
    named = {"endpoint": replace(mine, outputs={**mine.outputs, "serves": "good"})}
    succeeded(world.made(replace(eval_run(world, inputs=named), revision=3)))
    succeeded(world.made(replace(eval_run(world, inputs=named), revision=4)))
    assert server.asked == {"good": 90, "poor": 30}


def test_a_model_that_is_its_own_baseline_is_asked_and_paid_once(
    world: LocalWorld, server: ChatServer
) -> None:
    same = replace(endpoint("poor"), outputs=endpoint("good").outputs)
    target, adapter = eval_run(world, inputs={"baseline": same}), world.adapter("EvalRun")
    both = adapter.estimate(eval_run(world), None).tokens
    assert adapter.estimate(target, None).tokens.likely == both.likely / 2
    made = succeeded(world.made(target))
    assert server.asked == {"good": 30}
    assert (made.outputs["cached"], made.outputs["answers"]) == (30, 60)
    assert made.outputs["comparison"]["routing"]["ties"] == 30


def test_all_problems_of_questions_are_told_while_planning(world: LocalWorld) -> None:
    write_lines(world.folder / "bad.jsonl", [{"question": "q"}, b"{", QUESTIONS[0]])
    sets = [
        {"name": "bad", "file": "bad.jsonl", "method": "f1"},
        {
            "name": "pairs",
            "file": "questions.jsonl",
            "method": "judge",
            "judge": {"endpoint": "Endpoint/good", "rubric": "r", "pairwise": True},
        },
    ]
    target = eval_run(world, *sets)
    alone = replace(target, inputs={k: v for k, v in target.inputs.items() if k != "baseline"})
    bad, pairs, own = world.adapter("EvalRun").check(alone)
    assert bad.message == (
        "routing/bad: bad.jsonl:1: says nothing that is expected, and f1 compares with that\n"
        "bad.jsonl:2: is not JSON: unexpected end of data, at column 2"
    )
    assert "there is no baseline" in pairs.message
    assert (own.severity, own.message) == (Severity.WARNING, "Endpoint/good judges its own answers")
    assert list(world.adapter("EvalRun").check(eval_run(world))) == []


def test_an_estimate_counts_what_is_left_to_ask(world: LocalWorld) -> None:
    adapter = world.adapter("EvalRun")
    before = adapter.estimate(eval_run(world), None)
    assert (before.rows, before.notes) == (Range.exact(30), ("asked of 2 models",))
    made = succeeded(world.made(eval_run(world)))
    last = LastRun(1, made.outputs, "2026-01-01T00:00:00Z")
    other = {"endpoint": replace(endpoint("good"), outputs={"modelDigest": "sha256:2"})}
    write_lines(
        world.folder / "questions.jsonl", [*QUESTIONS, {"question": "ticket 99", "expected": "0"}]
    )
    after = adapter.estimate(eval_run(world, inputs=other), last)
    assert (after.rows, after.notes) == (
        Range.exact(31),
        ("asked of 2 models, 30 answers are known",),
    )
    assert after.tokens.likely < before.tokens.likely


def test_runs_are_removed_and_found_again(world: LocalWorld) -> None:
    made = succeeded(world.made(eval_run(world)))
    adapter = world.adapter("EvalRun")
    lost = replace(eval_run(world), owner="another/EvalRun/candidate")
    assert adapter.observe(lost, None) is None
    (found,) = adapter.find(lost)
    adapter.adopt(lost, found, "adopt")
    assert adapter.observe(lost, None).external_id == made.external_id
    adapter.delete(lost, found, "delete")
    assert adapter.observe(lost, made.external_id) is None


def test_the_same_evaluation_has_the_same_report_but_for_times(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, world: LocalWorld
) -> None:
    told = []
    for name in ("one", "two"):
        fresh = LocalWorld(tmp_path / name)
        write_lines(fresh.folder / "questions.jsonl", QUESTIONS)
        made = succeeded(fresh.made(eval_run(fresh)))
        result, records = RunFolder((fresh.folder / made.outputs["report"]).parent).load()
        timeless = [replace(one, seconds={}) for one in result.subjects]
        answers = [
            [(label, replace(given, seconds=0)) for label, given in one.answers.items()]
            for one in records
        ]
        told.append((replace(result, subjects=timeless, started_at="", finished_at=""), answers))
    assert told[0] == told[1]


def test_an_erasure_takes_all_text_out_of_what_was_drawn_from_a_dataset(world: LocalWorld) -> None:
    places = world.provider.places
    secret = [{"question": f"ticket {n} of Li Lei", "expected": str(n % 3)} for n in range(3)]
    version = write_lines(places.datasets / "sft/v2/validation.jsonl", secret).parent
    drawn = Resolved(Address("Dataset", "sft"), outputs={"path": str(version)})
    one = {"name": "held", "dataset": "Dataset/sft", "method": "exactMatch"}
    inputs = {"suite.capabilities.0.datasets.0.dataset": drawn}
    made = succeeded(world.made(eval_run(world, one, inputs=inputs)))
    other = succeeded(world.made(replace(eval_run(world), revision=2)))
    assert items_by_evaluation(places, ["sft@v1"]) == {}
    assert items_by_evaluation(places, ["sft@v2"]) == {made.external_id: 3}
    for _ in range(2):
        erase_evaluations(places, ["sft@v2"])
    left = [path for path in places.evaluations.rglob("*") if path.is_file()]
    assert not [path for path in left if b"Li Lei" in path.read_bytes()]
    assert not (places.evaluations / "cache").exists()
    result, records = RunFolder((world.folder / made.outputs["report"]).parent).load()
    assert (result.digest, len(records)) == (made.outputs["digest"], 3)
    _, kept = RunFolder((world.folder / other.outputs["report"]).parent).load()
    assert kept[0].messages
    assert world.adapter("EvalRun").observe(eval_run(world), made.external_id).ready


def test_a_report_that_somebody_changed_shows_in_the_plan(world: LocalWorld) -> None:
    made = succeeded(world.made(eval_run(world)))
    report = (world.folder / made.outputs["report"]).parent / "report.json"
    report.write_text(report.read_text("utf-8").replace('"score"', ' "score"', 1), "utf-8")
    found = world.adapter("EvalRun").observe(eval_run(world), made.external_id)
    assert not found.ready
    assert "report.json is not what the run put there" in found.status
