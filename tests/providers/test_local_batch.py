"""Batches of the local provider: what they read, who answers, what they leave, and kills."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest
from aiohttp import web

from loopwright.daemon.access import Access
from loopwright.lake.keys import Role
from loopwright.lake.sql.request import Limits
from loopwright.providers.base import LastRun, OperationStatus, Range, Resolved, Severity, Target
from loopwright.providers.local.export_sources import QuerySource
from loopwright.providers.local.lake_place import lake_arguments
from loopwright.providers.local.serving import Serving
from loopwright.providers.local.tasks import batch as task
from loopwright.resources.address import Address
from support.local_worlds import (
    LocalWorld,
    do_jobs_inline,
    line,
    resolved,
    succeeded,
    write_lines,
)
from support.upstreams import MockUpstream, chat, upstream_in_thread

ENDPOINT = Resolved(
    Address("Endpoint", "chat"),
    external_id="chat",
    outputs={"url": "http://127.0.0.1:1/v1", "model": "chat", "modelDigest": "sha256:m"},
)


class Killed(BaseException):
    """What nothing catches stands for a kill."""


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LocalWorld:
    do_jobs_inline(monkeypatch)
    return LocalWorld(tmp_path)


@pytest.fixture
def gateway(monkeypatch: pytest.MonkeyPatch) -> Iterator[MockUpstream]:
    """What answers for the project's gateway; jobs find it as they find a daemon's."""

    async def behave(request: web.Request, said: dict[str, Any]) -> web.StreamResponse:
        text = said["messages"][-1]["content"]
        if "refused" in text:
            return web.json_response({"error": {"message": "too long"}}, status=400)
        return web.json_response(chat(said), headers={"x-loopwright-call-id": f"call of {text}"})

    with upstream_in_thread(behave) as upstream:
        found = Access(upstream.url, "derived-key")
        monkeypatch.setattr(task, "gateway_access", lambda folder, records: found)
        yield upstream


def question(number: int, text: str = "question") -> dict[str, Any]:
    body = {"messages": [{"role": "user", "content": f"{text} {number}"}], "max_tokens": 8}
    return {"custom_id": f"id-{number}", "body": body}


def of_file(world: LocalWorld, *lines: Any, revision: int = 1, **spec: Any) -> Target:
    write_lines(world.folder / "in.jsonl", lines)
    return batch(world, {"file": "in.jsonl"}, revision=revision, **spec)


def batch(world: LocalWorld, said: dict[str, Any], **spec: Any) -> Target:
    inputs = {"endpoint": ENDPOINT, **spec.pop("inputs", {})}
    spec.setdefault("output", "out/answers")
    target = world.target(
        "BatchInference", "ask", inputs=inputs, endpoint="chat", input=said, **spec
    )
    return replace(target, fingerprint=f"fingerprint of {target.revision}")


def rows(world: LocalWorld, name: str, place: str = "out/answers") -> list[dict[str, Any]]:
    return [orjson.loads(row) for row in (world.folder / place / name).read_bytes().splitlines()]


def test_a_file_is_asked_through_the_gateway_as_the_endpoint(
    world: LocalWorld, gateway: MockUpstream
) -> None:
    target = of_file(world, question(1), b"{", question(2, "refused"), question(3))
    made = succeeded(world.made(target))
    assert made.message == (
        "2 of 4 lines answered to out/answers, 1 failed, 1 unusable (errors.jsonl); 24 tokens"
    )
    assert [row["custom_id"] for row in rows(world, "output.jsonl")] == ["id-1", "id-3"]
    assert rows(world, "output.jsonl")[0]["response"]["request_id"] == "call of question 1"
    assert [row["error"]["code"] for row in rows(world, "errors.jsonl")] == [
        "invalid_line", "request_failed",
    ]  # fmt: skip
    outputs = made.outputs
    told = {name: outputs[name] for name in ("lines", "completed", "failed", "invalid", "expired")}
    assert told == {"lines": 4, "completed": 2, "failed": 1, "invalid": 1, "expired": 0}
    assert (outputs["path"], outputs["modelDigest"]) == ("out/answers", "sha256:m")
    assert {asked.headers["authorization"] for asked in gateway.asked} == {"Bearer derived-key"}
    assert {asked.json["model"] for asked in gateway.asked} == {"chat"}
    found = world.adapter("BatchInference").observe(target, made.external_id)
    assert (found.outputs, found.ready) == (made.outputs, True)
    assert not list((world.folder / ".loopwright/default/unfinished").iterdir())


def test_results_that_somebody_changed_show_in_the_plan(
    world: LocalWorld, gateway: MockUpstream
) -> None:
    target = of_file(world, question(1))
    made = succeeded(world.made(target))
    with (world.folder / "out/answers/output.jsonl").open("a") as handle:
        handle.write("{}\n")
    found = world.adapter("BatchInference").observe(target, made.external_id)
    assert not found.ready
    assert found.status == "out/answers/output.jsonl is not what the run put there"


def test_what_was_answered_is_handed_to_the_lake_before_the_run_ends(
    world: LocalWorld, gateway: MockUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    answered: list[int] = []
    monkeypatch.setattr(Serving, "handed_over", lambda _: answered.append(len(gateway.asked)))
    succeeded(world.made(of_file(world, question(1), question(2))))
    assert answered == [2]


def test_a_dataset_version_is_asked_for_its_last_answers_by_call(
    world: LocalWorld, gateway: MockUpstream
) -> None:
    write_lines(world.folder / "calls.jsonl", [line(n) for n in range(12)])
    lake = world.lake()
    world.imported(lake, "calls.jsonl")
    dataset = world.dataset(lake, sampling={"ratio": 1.0}, split={"validation": 0.3})
    made = resolved(dataset, world.made(dataset))
    inputs = {"input.dataset": made}
    target = batch(world, {"dataset": "Dataset/set"}, inputs=inputs, parameters={"temperature": 0})
    succeeded(world.made(target))
    answers = rows(world, "output.jsonl")
    assert {asked.json["temperature"] for asked in gateway.asked} == {0}
    assert all(len(asked.json["messages"]) == 1 for asked in gateway.asked)
    source = QuerySource(lake=lake_arguments(lake), query="SELECT call_id, request FROM calls")
    with source.asked(world.provider.places, role=Role.STANDARD, limits=Limits()) as found:
        table = [row for batch in found.batches() for row in batch.to_pylist()]
    calls = {row["call_id"]: row["request"] for row in table}
    assert len(answers) == 12
    for answer in answers:
        said = answer["response"]["body"]["choices"][0]["message"]["content"]
        assert f'"{said}"' in calls[answer["custom_id"]]


def test_answers_for_an_erased_call_go_with_it(world: LocalWorld, gateway: MockUpstream) -> None:
    asked = [question(1) | {"custom_id": f"call-{n}"} for n in range(4)]
    target = of_file(world, *asked, question(2, "refused") | {"custom_id": "call-9"})
    made = succeeded(world.made(target))
    erasing = world.provider.erasing
    (copy,) = erasing.copies({"call-2", "call-9", "other"}, lakes=())
    assert (copy.kind, copy.name, copy.lines, copy.erasable) == ("batch", made.external_id, 2, True)
    for _ in range(2):
        erasing.erase({"call-2", "call-9"}, lakes=())
    assert [row["custom_id"] for row in rows(world, "output.jsonl")] == [
        "call-0",
        "call-1",
        "call-3",
    ]
    assert rows(world, "errors.jsonl") == []
    assert erasing.copies({"call-2", "call-9"}, lakes=()) == ()
    assert world.adapter("BatchInference").observe(target, made.external_id).ready
    assert list(world.adapter("BatchInference").check(target)) == []  # the folder is still ours


@pytest.mark.parametrize("to", [{"path": "calls"}, {"inferenceDataset": "calls"}])
def test_what_an_export_has_put_is_asked_again(
    world: LocalWorld, gateway: MockUpstream, to: dict[str, str]
) -> None:
    write_lines(world.folder / "calls.jsonl", [line(n) for n in range(5)])
    lake = world.lake()
    world.imported(lake, "calls.jsonl")
    export = world.target(
        "Export",
        "copy",
        inputs={"source.lake": lake},
        source={"query": "SELECT call_id, request FROM calls ORDER BY ts", "lake": "main"},
        to=to,
    )
    made = resolved(export, world.made(export))
    target = batch(world, {"export": "Export/copy"}, inputs={"input.export": made})
    assert world.adapter("BatchInference").estimate(target, None).rows == Range.exact(5)
    succeeded(world.made(target))
    asked = [one.json["messages"] for one in gateway.asked]
    assert sorted(messages[-1]["content"] for messages in asked) == [
        f"question {n}" for n in range(5)
    ]
    assert len(rows(world, "output.jsonl")) == 5


def test_a_killed_batch_goes_on_where_it_was(
    world: LocalWorld, gateway: MockUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = of_file(world, *map(question, range(30)), concurrency=2)
    real, answers = task._Watch.__call__, [0]

    def dying(self: Any, counts: Any) -> None:
        answers[0] += 1
        if answers[0] == 11:
            raise Killed
        real(self, counts)

    with monkeypatch.context() as dies:
        dies.setattr(task._Watch, "__call__", dying)
        with pytest.raises(Killed):
            world.made(target, "one")
    paid = len(gateway.asked)
    succeeded(world.made(target, "one"))
    assert len(rows(world, "output.jsonl")) == 30
    assert 30 <= len(gateway.asked) <= 32  # none that was answered, at most those on their way
    assert paid < 30


def test_another_attempt_after_a_failure_pays_for_no_answer_twice(
    world: LocalWorld, gateway: MockUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = of_file(world, *map(question, range(10)))
    with monkeypatch.context() as full:

        def fails(*args: Any, **kwargs: Any) -> None:
            raise OSError(28, "No space left on device")

        full.setattr(task, "put_files", fails)
        failed = world.made(target, "one")
    assert (failed.status, failed.transient) == (OperationStatus.FAILED, True)
    succeeded(world.made(target, "another"))
    assert len(gateway.asked) == 10


def test_a_gateway_that_is_away_is_no_failure_of_a_line(
    world: LocalWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(task, "gateway_access", lambda folder, records: None)
    monkeypatch.setattr(task, "_PATIENCE", 0.0)
    made = world.made(of_file(world, question(1)))
    assert (made.status, made.transient) == (OperationStatus.FAILED, True)
    assert "the endpoint chat does not answer: no daemon of this project" in made.message


def test_later_results_take_the_place_of_earlier_ones_and_of_nothing_else(
    world: LocalWorld, gateway: MockUpstream
) -> None:
    succeeded(world.made(of_file(world, question(1))))
    later = of_file(world, question(1), question(2), revision=2)
    made = succeeded(world.made(later))
    assert len(rows(world, "output.jsonl")) == 2
    (world.folder / "out/answers/notes.txt").write_text("mine")
    target = of_file(world, question(3), revision=3)
    (opinion,) = world.adapter("BatchInference").check(target)
    assert (opinion.severity, opinion.message) == (
        Severity.ERROR,
        "out/answers holds something that this BatchInference did not put there",
    )
    asked = len(gateway.asked)
    refused = world.made(target)
    assert (refused.status, len(gateway.asked)) == (OperationStatus.FAILED, asked)
    adapter = world.adapter("BatchInference")
    adapter.delete(later, adapter.observe(later, made.external_id), "k")
    assert [path.name for path in (world.folder / "out/answers").iterdir()] == ["notes.txt"]
    assert adapter.observe(later, made.external_id) is None


def test_a_batch_without_any_answer_fails_and_leaves_what_was_there(
    world: LocalWorld, gateway: MockUpstream
) -> None:
    succeeded(world.made(of_file(world, question(1))))
    made = world.made(of_file(world, question(2, "refused"), revision=2))
    assert (made.status, made.transient) == (OperationStatus.FAILED, False)
    assert made.message == "none of 1 line was answered; the first: status 400: too long"
    assert [row["custom_id"] for row in rows(world, "output.jsonl")] == ["id-1"]


def test_the_plan_knows_lines_tokens_and_cost(world: LocalWorld, gateway: MockUpstream) -> None:
    target = of_file(world, *map(question, range(10)), completionWindow="1h")
    adapter = world.adapter("BatchInference")
    found = adapter.estimate(target, None)
    size = (world.folder / "in.jsonl").stat().st_size
    assert found.rows == Range.exact(10)
    assert found.tokens.likely == pytest.approx(size / 4 + 80, abs=1)
    assert (found.hours, found.notes) == (None, ("how long it takes is not known before a run",))
    made = succeeded(world.made(target))
    after = adapter.estimate(target, LastRun(1, made.outputs, "2026-01-01T00:00:00Z"))
    assert after.hours is not None
    assert 0 < after.hours.low < after.hours.likely < after.hours.high
    nothing = batch(world, {"dataset": "Dataset/set"})
    assert adapter.estimate(nothing, None).notes == ("what it reads is not there yet",)


@pytest.mark.parametrize(
    ("lines", "severity", "said"),
    [
        (
            [question(1), b"x"],
            Severity.WARNING,
            "1 of 2 lines cannot be asked; the first: in.jsonl",
        ),
        ([b"x"], Severity.ERROR, "no line of in.jsonl can be asked; the first: in.jsonl:1: is not"),
        ([], Severity.ERROR, "no line of in.jsonl can be asked: it is empty"),
    ],
)
def test_lines_are_looked_at_in_the_plan(
    world: LocalWorld, lines: list[Any], severity: Severity, said: str
) -> None:
    (opinion,) = world.adapter("BatchInference").check(of_file(world, *lines))
    assert opinion.severity is severity
    assert opinion.message.startswith(said)


def test_results_outside_of_the_project_are_warned_of(world: LocalWorld) -> None:
    write_lines(world.folder / "in.jsonl", [question(1)])
    check = world.adapter("BatchInference").check
    (told,) = check(batch(world, {"file": "in.jsonl"}, output="../../elsewhere"))
    assert told.severity is Severity.WARNING
    assert "../../elsewhere leads out of the project" in told.message
    assert not [*check(batch(world, {"file": "in.jsonl"}, output="out/../answers"))]


def test_an_object_store_is_no_place_for_results_here(world: LocalWorld) -> None:
    target = of_file(world, question(1), output="s3://bucket/answers")
    (opinion,) = world.adapter("BatchInference").check(target)
    assert "puts no results into s3://bucket/answers" in opinion.message
