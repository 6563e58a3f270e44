"""What the fake cloud makes of each kind follows from what it is made from, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from memory_bench import Bench, resolved, target

from loopwright.providers.base import LastRun, OperationStatus, Range
from loopwright.providers.memory.fields import at, changed, nodes, without

SUITE = {"capabilities": [{"name": "routing"}, {"name": "tone"}]}


def _loop(bench: Bench, **sampling: Any) -> dict[str, Any]:
    """Lake, dataset, job, endpoint and evaluation, each made from the one before."""
    lake = bench.create(target("Lake", "main", storage="lake"), "lake")
    source = {"source.lake": resolved("Lake", "main", lake)}
    dataset_target = target("Dataset", "d", sampling=sampling, inputs=source, revision=1)
    dataset = bench.create(dataset_target, "dataset")
    fed = {"dataset": resolved("Dataset", "d", dataset)}
    job_target = target(
        "FineTuneJob", "tune", base="tiny", hyperparameters={"epochs": 2}, inputs=fed
    )
    job = bench.create(job_target, "job")
    served = {"model.fineTuneJob": resolved("FineTuneJob", "tune", job)}
    endpoint_target = target(
        "Endpoint", "chat", model={"fineTuneJob": "FineTuneJob/tune"}, inputs=served
    )
    endpoint = bench.create(endpoint_target, "endpoint")
    judged = {
        "endpoint": resolved("Endpoint", "chat", endpoint),
        "suite": resolved("EvalSuite", "s", **SUITE),
    }
    run = bench.create(target("EvalRun", "judge", inputs=judged), "run")
    return {
        "dataset_target": dataset_target,
        "job_target": job_target,
        "lake": lake,
        "dataset": dataset.outputs,
        "job": job.outputs,
        "endpoint": endpoint.outputs,
        "run": run.outputs,
    }


def test_one_loop_gives_the_same_on_any_machine_and_another_sample_another() -> None:
    first, second = _loop(Bench(), ratio=0.5), _loop(Bench(), ratio=0.5)
    other = _loop(Bench(), ratio=0.25)
    for name in ("dataset", "job", "endpoint", "run"):
        assert first[name] == second[name]
        assert first[name]["digest"] != other[name]["digest"]
    assert (first["dataset"]["rows"], first["dataset"]["version"]) == (5000, 1)
    assert first["endpoint"]["digest"] == first["job"]["digest"]
    assert {"routing", "tone"} == set(first["run"]["capabilities"])


def test_a_dataset_waits_for_the_rows_it_is_to_have() -> None:
    bench = Bench(lakeCalls=312)
    lake = resolved("Lake", "main", bench.create(target("Lake", "main", storage="l"), "lake"))
    wanted = target("Dataset", "d", sampling={"count": 1000}, inputs={"source.lake": lake})
    adapter = bench.adapter("Dataset")
    assert adapter.estimate(wanted, None).waiting == "312 of 1,000 rows"
    assert bench.create(wanted, "early").status is OperationStatus.FAILED
    bench.world.calls("main", 1500)
    ready = adapter.estimate(wanted, LastRun(1, {"population": 312}, "2026-01-01T00:00:00Z"))
    assert ("", 1188, Range.exact(1500)) == (ready.waiting, ready.new_calls, ready.population)
    assert bench.create(wanted, "late").outputs["rows"] == 1000


def test_what_is_not_there_yet_gives_no_numbers_and_no_reason_to_wait() -> None:
    bench = Bench()
    planned = {"source.lake": resolved("Lake", "main"), "dataset": resolved("Dataset", "d")}
    for kind in ("Dataset", "FineTuneJob"):
        wanted = target(kind, sampling={"count": 5}, inputs=planned)
        found = bench.adapter(kind).estimate(wanted, None)
        assert (found.rows, found.cost, found.waiting) == (None, None, "")
        assert found.notes == ("what it reads is not there yet",)


def test_imported_calls_count_once_their_import_is_done() -> None:
    bench = Bench(lakeCalls=0, jobSeconds={"CallImport": 60})
    lake = resolved("Lake", "main", bench.create(target("Lake", "main", storage="l"), "lake"))
    importing = target("CallImport", "old", files=["a.jsonl"], inputs={"lake": lake})
    wanted = target("Dataset", "d", sampling={}, inputs={"source.lake": lake})
    begun = bench.create(importing, "import")
    assert bench.adapter("Dataset").estimate(wanted, None).rows.likely == 0
    bench.clock.advance(60)
    imported = bench.poll(importing, begun).outputs["calls"]
    assert imported == bench.adapter("Dataset").estimate(wanted, None).rows.likely > 0


def test_versions_count_up_by_dataset_name_and_skip_what_failed() -> None:
    bench = Bench(faults={"failJobs": [{"kind": "Dataset", "name": "more"}]})
    mine = target("Dataset", "d", sampling={})
    more = target("Dataset", "more", sampling={}, target={"versionOf": "Dataset/d"})
    assert bench.create(more, "doomed").status is OperationStatus.FAILED
    made = [bench.create(found, key) for found, key in ((mine, "1"), (more, "2"), (mine, "3"))]
    assert [found.outputs["version"] for found in made] == [1, 2, 3]
    assert {"d"} == {found.outputs["name"] for found in made}


def test_training_is_estimated_from_its_dataset_and_prices() -> None:
    bench = Bench(jobSeconds={"FineTuneJob": 7200})
    loop = _loop(bench, count=1000)
    found = bench.adapter("FineTuneJob").estimate(loop["job_target"], None)
    assert (found.rows.likely, found.tokens.likely, found.hours.likely) == (1000, 400_000, 2)
    assert (found.cost.likely, found.currency) == (20.0, "CNY")
    assert loop["job"] == {}  # still at work


def test_evaluations_find_what_they_are_told_to_find() -> None:
    bench = Bench(scores={"judge": {"composite": 91.5, "capabilities": {"tone": 80}}})
    found = _loop(bench, ratio=1)["run"]
    assert found["composite"] == 91.5
    assert found["capabilities"] == {"routing": 91.5, "tone": 80}
    low, high = found["intervals"]["composite"]
    assert low < 91.5 < high


def test_a_cloud_adds_defaults_that_nobody_declared() -> None:
    bench = Bench(serverDefaults={"Endpoint": {"rateLimit": {"rpm": 60}, "running": True}})
    wanted = target("Endpoint", "chat", model={"base": "tiny"}, running=False)
    found = bench.adapter("Endpoint").observe(wanted, bench.create(wanted).external_id)
    assert found.spec["rateLimit"] == {"rpm": 60}
    assert found.spec["running"] is False


def test_an_endpoint_follows_a_newer_model_when_it_is_updated() -> None:
    bench = Bench()
    jobs = [
        resolved("FineTuneJob", "t", bench.create(target("FineTuneJob", "t", seed=n), f"job {n}"))
        for n in range(2)
    ]
    spec = {"model": {"fineTuneJob": "FineTuneJob/t"}}
    before, after = (
        target("Endpoint", "e", inputs={"model.fineTuneJob": job}, **spec) for job in jobs
    )
    made = bench.create(before)
    adapter = bench.adapter("Endpoint")
    updated = adapter.update(after, adapter.observe(before, made.external_id), (), "update")
    assert [jobs[0].digest, jobs[1].digest] == [made.outputs["digest"], updated.outputs["digest"]]
    assert updated.outputs == adapter.observe(after, made.external_id).outputs


def test_a_run_is_found_by_tag_and_revision_and_its_series_by_tag_alone() -> None:
    bench = Bench(idempotency="name")
    runs = [target("EvalRun", "judge", revision=number) for number in (1, 2)]
    made = [bench.create(run, f"key {run.revision}").external_id for run in runs]
    look = bench.adapter("EvalRun").observe
    assert made == [look(run, None).external_id for run in runs]
    assert made[1] == look(target("EvalRun", "judge"), None).external_id
    assert look(target("EvalRun", "judge", revision=3), None) is None


def test_a_cancelled_job_stops_and_says_so() -> None:
    bench = Bench(jobSeconds={"FineTuneJob": 3600})
    job = target("FineTuneJob", "tune", base="tiny")
    begun = bench.create(job)
    bench.clock.advance(600)
    adapter = bench.adapter("FineTuneJob")
    assert adapter.cancel(job, begun).status is OperationStatus.CANCELLED
    bench.clock.advance(3600)
    assert adapter.poll(job, begun).status is OperationStatus.CANCELLED
    assert adapter.observe(job, begun.external_id).status == "cancelled"
    assert list(adapter.logs(job, begun))[-1:] == ["cancelled: cancelled"]


VALUES = st.recursive(
    st.integers() | st.text(max_size=3),
    lambda inner: st.dictionaries(st.sampled_from("abc."), inner, max_size=3),
    max_leaves=6,
)
SPECS = st.dictionaries(st.sampled_from("abc."), VALUES, max_size=3)


def _leaves(spec: dict[str, Any]) -> dict[tuple[str, ...], Any]:
    found = {keys: at(spec, keys) for _, keys in nodes(spec)}
    return {keys: value for keys, value in found.items() if not isinstance(value, dict)}


@given(spec=SPECS, desired=SPECS)
def test_changing_no_field_changes_nothing_and_changing_all_gives_what_is_desired(
    spec: dict[str, Any], desired: dict[str, Any]
) -> None:
    assert spec == changed(spec, desired, [])
    everything = {*spec, *desired}
    assert _leaves(desired) == _leaves(dict(changed(spec, desired, everything)))


@given(spec=SPECS, data=st.data())
def test_leaving_fields_out_leaves_the_rest_and_the_original_alone(
    spec: dict[str, Any], data: st.DataObject
) -> None:
    before = _leaves(spec)
    path = data.draw(st.sampled_from(["a", "a.b", "b", "c.a"]))
    left = dict(without(spec, {path}))
    assert before == _leaves(spec)
    gone = [keys for found, keys in nodes(spec) if found == path]
    assert _leaves(left) == {
        keys: value
        for keys, value in before.items()
        if not any(keys[: len(cut)] == cut for cut in gone)
    }


@pytest.mark.parametrize(
    ("paths", "expected"),
    [
        (["rateLimit.rpm"], {"rateLimit": {"rpm": 5, "tpm": 1}, "note": "drifted"}),
        (["rateLimit"], {"rateLimit": {"rpm": 5}, "note": "drifted"}),
        (["note"], {"rateLimit": {"rpm": 1, "tpm": 1}}),
        (
            ["subject.header"],
            {"rateLimit": {"rpm": 1, "tpm": 1}, "note": "drifted", "subject": {"header": "x"}},
        ),
    ],
)
def test_only_the_named_fields_are_taken_over(paths: list[str], expected: dict[str, Any]) -> None:
    spec = {"rateLimit": {"rpm": 1, "tpm": 1}, "note": "drifted"}
    desired = {"rateLimit": {"rpm": 5}, "subject": {"header": "x"}}
    assert expected == changed(spec, desired, paths)
