"""What goes wrong in the fake cloud goes wrong as often, as late and as lastingly as told."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from memory_bench import Bench, target
from pydantic import ValidationError

from loopwright.errors import AmbiguousError, PermanentError, ProviderError, TransientError
from loopwright.providers.base import Observed, Operation, OperationStatus, Target
from loopwright.providers.memory import Connection

JOB = target("FineTuneJob", "tune", dataset="Dataset/d", base="tiny")


def _fails(how: str, action: str = "create", **more: Any) -> dict[str, Any]:
    return {"fail": [{"action": action, "kind": "FineTuneJob", "how": how, **more}]}


@pytest.mark.parametrize(
    ("how", "error", "made"),
    [
        ("transient", TransientError, 0),
        ("permanent", PermanentError, 0),
        ("timeoutBefore", AmbiguousError, 0),
        ("timeoutAfter", AmbiguousError, 1),
    ],
)
def test_a_create_fails_once_before_or_after_its_effect(
    how: str, error: type[ProviderError], made: int
) -> None:
    bench = Bench(faults=_fails(how))
    with pytest.raises(error) as caught:
        bench.create(JOB)
    assert type(caught.value) is error
    facts = (caught.value.provider, caught.value.address, caught.value.action)
    assert facts == ("fake", "FineTuneJob/tune", "create")
    assert made == len(bench.world.objects())
    assert bench.create(JOB).status is OperationStatus.SUCCEEDED
    assert len(bench.world.objects()) == 1


@pytest.mark.parametrize(("mode", "made"), [("token", 1), ("name", 1), ("none", 2)])
def test_a_create_whose_answer_was_lost_repeats_as_the_mode_allows(mode: str, made: int) -> None:
    bench = Bench(idempotency=mode, faults=_fails("timeoutAfter"))
    with pytest.raises(AmbiguousError):
        bench.create(JOB)
    bench.create(JOB)
    assert made == len(bench.world.objects())
    assert [True] * made + [False] * (2 - made) == [write.effective for write in bench.world.writes]


def test_a_tag_that_is_not_yet_shown_does_not_stop_a_second_object() -> None:
    bench = Bench(idempotency="name", faults={"listLagSeconds": 30})
    first = bench.create(JOB)
    second = bench.create(JOB)
    bench.clock.advance(30)
    assert first.external_id != second.external_id
    assert first.external_id == bench.create(JOB).external_id


def test_rules_are_used_up_in_the_world_and_not_in_the_process(tmp_path: Path) -> None:
    bench = Bench(folder=tmp_path, world="world.jsonl", faults=_fails("transient", times=2))
    failures = 0
    for _ in range(4):
        try:
            bench.again().adapters["FineTuneJob"].create(JOB, "key")
        except TransientError:
            failures += 1
    assert failures == 2


@pytest.mark.parametrize("action", ["observe", "update", "delete", "poll", "cancel", "adopt"])
def test_every_verb_can_fail_and_only_for_whom_the_rule_names(action: str) -> None:
    bench = Bench(
        jobSeconds={"FineTuneJob": 60},
        faults=_fails("permanent", action, name="tune", times=9),
    )
    other = target("FineTuneJob", "other", dataset="Dataset/d", base="tiny")
    for subject in (other, JOB):
        begun = bench.create(subject, subject.address.name)
        if subject is other:
            _call(bench.adapter("FineTuneJob"), action, subject, begun)
        else:
            with pytest.raises(PermanentError, match=f"cannot {action} FineTuneJob/tune"):
                _call(bench.adapter("FineTuneJob"), action, subject, begun)


def _call(adapter: Any, action: str, subject: Target, begun: Operation) -> None:
    seen = Observed(begun.external_id)
    given: dict[str, tuple[Any, ...]] = {
        "observe": (begun.external_id,),
        "update": (seen, (), "key u"),
        "delete": (seen, "key d"),
        "poll": (begun,),
        "cancel": (begun,),
        "adopt": (seen, "key a"),
    }
    getattr(adapter, action)(subject, *given[action])


def test_a_list_fails_when_one_of_its_targets_does() -> None:
    bench = Bench(faults=_fails("transient", "observe", name="tune"))
    other = target("FineTuneJob", "other")
    with pytest.raises(TransientError, match="2 objects"):
        bench.adapter("FineTuneJob").observe_all([(other, None), (JOB, None)])


def _drawn(seed: int) -> list[str]:
    bench = Bench(faults={"transientRate": 0.3, "permanentRate": 0.2, "seed": seed})
    found = []
    for _ in range(200):
        try:
            bench.adapter("FineTuneJob").observe(JOB, "nothing")
        except ProviderError as error:
            found.append(type(error).__name__)
        else:
            found.append("fine")
    return found


def test_random_failures_are_decided_by_the_seed_and_come_at_their_rates() -> None:
    first = _drawn(1)
    assert first == _drawn(1)
    assert first != _drawn(2)
    assert 40 <= first.count("TransientError") <= 80
    assert 25 <= first.count("PermanentError") <= 55


def test_every_call_takes_its_latency_on_the_clock() -> None:
    bench = Bench(faults={"latencySeconds": 2})
    before = bench.clock.now()
    bench.create(JOB)
    bench.adapter("FineTuneJob").observe(JOB, None)
    assert (bench.clock.now() - before).total_seconds() == 4


def test_a_new_object_is_shown_only_after_the_lag_which_the_adapter_declares() -> None:
    bench = Bench(faults={"listLagSeconds": 30})
    adapter = bench.adapter("FineTuneJob")
    begun = bench.create(JOB)
    assert adapter.capabilities.settling.total_seconds() == 30
    for look in (begun.external_id, None):
        assert adapter.observe(JOB, look) is None
    bench.clock.advance(30)
    for look in (begun.external_id, None):
        assert adapter.observe(JOB, look).external_id == begun.external_id


@pytest.mark.parametrize("how", ["transient", "permanent"])
def test_a_doomed_job_runs_its_time_and_fails_and_the_next_succeeds(how: str) -> None:
    bench = Bench(
        jobSeconds={"FineTuneJob": 3600},
        faults={"failJobs": [{"kind": "FineTuneJob", "how": how, "name": "tune"}]},
    )
    begun = bench.create(JOB, "first")
    assert begun.status is OperationStatus.RUNNING
    bench.clock.advance(1800)
    halfway = bench.poll(JOB, begun)
    assert (
        halfway.progress.done,
        halfway.progress.total,
        halfway.progress.eta_seconds,
    ) == (1800, 3600, 1800)
    bench.clock.advance(1800)
    ended = bench.poll(JOB, halfway)
    assert (ended.status, ended.transient) == (OperationStatus.FAILED, how == "transient")
    assert ended.outputs == {}
    again = bench.create(JOB, "second")
    bench.clock.advance(3600)
    assert bench.poll(JOB, again).status is OperationStatus.SUCCEEDED


def test_a_job_that_somebody_removes_has_failed() -> None:
    bench = Bench(jobSeconds={"FineTuneJob": 60})
    begun = bench.create(JOB)
    bench.world.remove(begun.external_id)
    polled = bench.poll(JOB, begun)
    assert polled.status is OperationStatus.FAILED
    assert begun.external_id in polled.message


def test_threads_that_create_with_the_same_keys_make_each_object_once() -> None:
    bench = Bench(faults={"fail": [{"action": "create", "kind": "FineTuneJob", "times": 5}]})

    def create(number: int) -> str:
        while True:
            try:
                return bench.create(JOB, f"key-{number % 10}").external_id
            except TransientError:
                continue

    with ThreadPoolExecutor(8) as pool:
        made = set(pool.map(create, range(100)))
    assert 10 == len(made) == len(bench.world.objects())


@pytest.mark.parametrize(
    "wrong",
    [
        {"faults": {"transientRate": 2}},
        {"faults": {"fail": [{"action": "explode", "kind": "Lake"}]}},
        {"idempotency": "maybe"},
        {"wrld": "typo.jsonl"},
    ],
)
def test_a_connection_that_says_nothing_sensible_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Connection.model_validate(wrong)
