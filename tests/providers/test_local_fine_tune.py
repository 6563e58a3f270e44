"""Fine-tune jobs of the local provider, with a training child that is told what to come to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from loopwright.errors import PermanentError, TuningError
from loopwright.providers.base import (
    Estimate,
    OperationStatus,
    Range,
    Resolved,
    Severity,
    Target,
)
from loopwright.providers.local.job_folder import Job, JobFolder, Status
from loopwright.providers.local.jobs import job_id
from loopwright.providers.local.registered import registry_of
from loopwright.providers.local.tasks import fine_tune as task
from loopwright.tuning.outcome import TuningCut
from loopwright.tuning.progress import Progress as Step
from support.local_worlds import (
    LocalWorld,
    do_jobs_inline,
    line,
    resolved,
    succeeded,
    write_lines,
)
from support.tiny_models import make_light_base
from support.trainers import Trainer


class Killed(BaseException):
    """What nothing catches stands for a kill."""


@pytest.fixture
def trainer(monkeypatch: pytest.MonkeyPatch) -> Trainer:
    found = Trainer()
    monkeypatch.setattr(task.launching, "run", found)
    return found


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LocalWorld:
    do_jobs_inline(monkeypatch)
    make_light_base(tmp_path / "base")
    return LocalWorld(tmp_path)


@pytest.fixture
def dataset(world: LocalWorld) -> Resolved:
    return version(world)


def version(world: LocalWorld, name: str = "set", **spec: Any) -> Resolved:
    write_lines(world.folder / "calls.jsonl", [line(n) for n in range(40)])
    lake = world.lake(name)
    world.imported(lake, "calls.jsonl", name=f"into-{name}")
    target = world.target(
        "Dataset", name, inputs={"source.lake": lake}, source={"lake": name}, **spec
    )
    return resolved(target, world.made(target))


def job(world: LocalWorld, dataset: Resolved | None, **spec: Any) -> Target:
    revision, name = spec.pop("revision", 1), spec.pop("name", "router")
    inputs = {**({"dataset": dataset} if dataset else {}), **spec.pop("inputs", {})}
    if "model" not in spec:
        spec.setdefault("base", "base")
    spec.setdefault("method", "full")
    target = world.target(
        "FineTuneJob", name, inputs=inputs, revision=revision, dataset="Dataset/set", **spec
    )
    return replace(target, fingerprint=f"fingerprint of {revision}")


def test_a_run_is_registered_with_where_it_comes_from(
    world: LocalWorld, dataset: Resolved, trainer: Trainer
) -> None:
    target = job(world, dataset, hyperparameters={"epochs": 2}, seed=7)
    made = succeeded(world.made(target))
    assert made.external_id == "router@1"
    assert made.message == "router@1: loss 0.250, validation 0.500, 10 steps in 20 s"
    outputs = made.outputs
    told = ("model", "version", "kind", "base", "steps", "loss", "validationLoss", "rows")
    assert [outputs[name] for name in told] == ["router", 1, "full", "base", 10, 0.25, 0.5, 8]
    assert outputs["curve"] == ".loopwright/default/models/router/v1/loss.svg"
    model = registry_of(world.provider.places).get("router", 1)
    assert model.lineage["job"] == "FineTuneJob/router"
    assert model.lineage["dataset"] == "set@v1"
    assert model.lineage["datasetDigest"] == dataset.digest
    assert model.lineage["hyperparameters"]["epochs"] == 2
    assert model.lineage["seed"] == 7
    assert outputs["digest"] == model.digest
    assert "set@v1" in (model.folder / "README.md").read_text()
    assert {"loss.svg", "model.safetensors", "config.json"} <= model.files.keys()
    settings = trainer.runs[0]
    assert (settings.base, settings.seed, settings.threads) == (world.folder / "base", 7, 1)
    assert settings.train[0].name == "train.jsonl"
    found = world.adapter("FineTuneJob").observe(target, "router@1")
    assert (found.outputs, found.ready) == (outputs, True)
    assert world.adapter("FineTuneJob").observe(target, None).external_id == "router@1"
    assert not list((world.folder / ".loopwright/default/unfinished").iterdir())
    with (model.folder / "model.safetensors").open("r+b") as weights:
        weights.seek(-4, 2)
        weights.write(b"????")
    found = world.adapter("FineTuneJob").observe(target, "router@1")
    assert not found.ready
    assert "model.safetensors is not what was registered" in found.status


@pytest.mark.parametrize("when", ["bring", "_registered", "model_receipts", "prune"])
def test_a_kill_at_any_point_leaves_one_training_run_and_one_revision(
    world: LocalWorld,
    dataset: Resolved,
    trainer: Trainer,
    monkeypatch: pytest.MonkeyPatch,
    when: str,
) -> None:
    target = job(world, dataset)
    real = getattr(task, when)

    def dies(*args: Any, **kwargs: Any) -> Any:
        if when == "_registered":
            real(*args, **kwargs)  # it was committed, and nobody heard of it
        raise Killed

    with monkeypatch.context() as killing:
        killing.setattr(task, when, dies)
        with pytest.raises(Killed):
            world.made(target, "one")
    made = succeeded(world.made(target, "one"))
    registry = registry_of(world.provider.places)
    assert (trainer.trained, registry.versions("router")) == (1, (1,))
    registry.verify(registry.get("router", 1))
    assert (made.external_id, made.outputs["loss"]) == ("router@1", 0.25)


def test_another_attempt_goes_on_in_the_folder_of_the_run(
    world: LocalWorld, dataset: Resolved, trainer: Trainer
) -> None:
    trainer.fails = TuningCut("the training process ended without a word", hint="again")
    target = job(world, dataset)
    failed = world.made(target, "one")
    assert failed.status is OperationStatus.FAILED
    assert (failed.transient, "ended without a word" in failed.message) == (True, True)
    trainer.fails = None
    succeeded(world.made(target, "another"))
    first, second = trainer.runs
    assert first.run_folder == second.run_folder
    succeeded(world.made(job(world, dataset, revision=2), "a new revision"))
    assert trainer.runs[2].run_folder != first.run_folder
    assert not first.run_folder.exists()


def test_what_the_child_says_is_the_failure(
    world: LocalWorld, dataset: Resolved, trainer: Trainer
) -> None:
    trainer.fails = TuningError("training ran out of memory at step 3", hint="try batchSize: 4")
    failed = world.made(job(world, dataset))
    assert (failed.transient, failed.message) == (
        False, "training ran out of memory at step 3; try batchSize: 4",
    )  # fmt: skip
    assert registry_of(world.provider.places).versions("router") == ()


def test_progress_is_told_with_the_time_left(
    world: LocalWorld, dataset: Resolved, trainer: Trainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[Any] = []
    monkeypatch.setattr(
        "loopwright.providers.local.worker.Work.show", lambda self, one: told.append(one)
    )
    succeeded(world.made(job(world, dataset)))
    assert (told[-1].done, told[-1].total, told[-1].unit) == (5, 10, "steps")
    assert (told[-1].note, told[-1].eta_seconds) == ("loss 0.500, 100 tokens/s", 9.0)


def test_a_cancelled_run_has_the_time_to_write_a_checkpoint(
    world: LocalWorld, dataset: Resolved, trainer: Trainer
) -> None:
    succeeded(world.made(job(world, dataset), "one"))
    begun = JobFolder(world.provider.places.jobs / job_id("one")).job()
    assert begun
    assert begun.grace > task.launching.GRACE_SECONDS


def test_the_log_has_each_tenth_of_a_run_once_and_no_empty_line(
    world: LocalWorld, caplog: pytest.LogCaptureFixture
) -> None:
    class Silent:
        def show(self, progress: Any) -> None: ...

    told = task._Told(Silent())  # type: ignore[arg-type]
    with caplog.at_level("INFO", logger="loopwright.worker"):
        told(Step())
        told(Step(phase="reads rows"))
        told(Step(step=0, steps=20))
        for step in range(1, 21):
            told(Step(step=step, steps=20, loss=0.5))
    said = [record.getMessage() for record in caplog.records]
    assert said[0] == "reads rows"
    assert said[1:3] == ["step 1 of 20: loss 0.500", "step 2 of 20: loss 0.500"]
    assert len(said) == len(set(said)) == 12


def test_rows_are_held_out_as_is_said_or_as_the_version_has_them(
    world: LocalWorld, trainer: Trainer
) -> None:
    parted = version(world, split={"validation": 0.25})
    other = version(world, "held")
    succeeded(world.made(job(world, parted)))
    said = {"validation": {"percentage": 10}}
    succeeded(world.made(job(world, parted, revision=2, **said)))
    inputs = {"validation.dataset": other}
    said = {"validation": {"dataset": "Dataset/held"}}
    succeeded(world.made(job(world, parted, revision=3, inputs=inputs, **said)))
    own, share, elsewhere = trainer.runs
    assert [path.name for path in own.validation] == ["validation.jsonl"]
    assert (share.validation, share.validation_percentage) == ((), 10)
    assert [path.parent.parent.name for path in elsewhere.validation] == ["held"]


def test_a_version_that_was_changed_is_not_trained_on(
    world: LocalWorld, dataset: Resolved, trainer: Trainer
) -> None:
    with (world.folder / dataset.outputs["path"] / "train.jsonl").open("ab") as rows:
        rows.write(b'{"messages": []}\n')
    failed = world.made(job(world, dataset))
    assert "train.jsonl is not the file that was built" in failed.message
    assert not trainer.runs


def test_a_base_that_changes_between_plan_and_run_is_not_tuned(
    world: LocalWorld, dataset: Resolved, trainer: Trainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    target, adapter = job(world, dataset), world.adapter("FineTuneJob")
    planned, real = adapter.pins(target), task.start_of

    def late(*args: Any, **kwargs: Any) -> Any:
        make_light_base(world.folder / "base", content=b"other weights")
        return real(*args, **kwargs)

    monkeypatch.setattr(task, "start_of", late)
    failed = world.made(target)
    assert "the base model base has changed since this run was planned" in failed.message
    assert (adapter.pins(target) != planned, trainer.runs) == (True, [])


def test_a_run_goes_on_from_a_model_and_from_an_adapter(
    world: LocalWorld, dataset: Resolved, trainer: Trainer
) -> None:
    first = job(world, dataset, method="lora")
    made = resolved(first, world.made(first))
    assert made.outputs["kind"] == "adapter"
    more = job(
        world, dataset, name="more", model="Model/router@1", method="lora", inputs={"model": made}
    )
    succeeded(world.made(more))
    settings = trainer.runs[1]
    assert settings.base == world.folder / "base"
    assert settings.adapter == registry_of(world.provider.places).get("router", 1).folder
    found = registry_of(world.provider.places).get("more", 1)
    assert found.base is not None
    assert found.base.reference == "base"
    merged = job(
        world, dataset, name="full", model="Model/router@1", method="full", inputs={"model": made}
    )
    succeeded(world.made(merged))
    found = registry_of(world.provider.places).get("full", 1)
    assert found.base is not None
    assert found.base.reference == "router@1"


def test_models_of_earlier_checkpoints_and_of_earlier_revisions_are_kept_as_said(
    world: LocalWorld, dataset: Resolved, trainer: Trainer
) -> None:
    made = succeeded(world.made(job(world, dataset, modelsKept=3)))
    assert trainer.runs[0].hyperparameters.checkpoints_kept == 3
    (kept,) = made.outputs["checkpoints"].values()
    assert sorted(path.name for path in (world.folder / kept).iterdir()) == [
        "config.json", "model.safetensors", "tokenizer.json",
    ]  # fmt: skip
    registry = registry_of(world.provider.places)
    registry.verify(registry.get("router", 1))
    for revision in (2, 3):
        world.keep_models = 2
        succeeded(world.made(job(world, dataset, revision=revision)))
    assert registry.versions("router") == (2, 3)


@pytest.mark.parametrize("holds", ["batch", "start", "nothing any more"])
def test_a_revision_that_a_running_job_holds_stays(
    world: LocalWorld, dataset: Resolved, trainer: Trainer, holds: str
) -> None:
    succeeded(world.made(job(world, dataset)))
    held = {"model": "router", "version": 1}
    folder = JobFolder(world.provider.places.jobs / "elsewhere")
    arguments = {"start": held} if holds == "start" else held
    folder.write_job(Job("batch", "answers@1", "owner", arguments, {}))
    done = holds == "nothing any more"
    folder.write_status(Status(OperationStatus.SUCCEEDED if done else OperationStatus.RUNNING))
    world.keep_models = 1
    succeeded(world.made(job(world, dataset, revision=2)))
    assert registry_of(world.provider.places).versions("router") == ((2,) if done else (1, 2))


def test_a_name_of_another_resource_is_refused(
    world: LocalWorld, dataset: Resolved, trainer: Trainer
) -> None:
    succeeded(world.made(job(world, dataset)))
    with pytest.raises(PermanentError, match="the model router belongs to lineage-1/FineTuneJob"):
        world.adapter("FineTuneJob").create(
            replace(job(world, dataset), owner="lineage-2/FineTuneJob/router"), "k2"
        )


def test_lost_state_finds_the_models_again_and_takes_them_over(
    world: LocalWorld, dataset: Resolved, trainer: Trainer
) -> None:
    made = succeeded(world.made(job(world, dataset)))
    adapter = world.adapter("FineTuneJob")
    newer = replace(job(world, dataset), owner="lineage-2/FineTuneJob/router")
    (found,) = adapter.find(newer)
    taken = adapter.adopt(newer, found, "k2")
    assert taken.outputs == {**made.outputs}
    assert adapter.observe(newer, None).external_id == "router@1"
    second = replace(job(world, dataset, revision=2), owner=newer.owner)
    assert succeeded(world.made(second)).external_id == "router@2"
    adapter.delete(second, adapter.observe(second, "router@2"), "k3")
    assert registry_of(world.provider.places).versions("router") == ()
    assert adapter.observe(second, None) is None


def opinions(world: LocalWorld, target: Target) -> Iterator[tuple[Severity, str]]:
    for opinion in world.adapter("FineTuneJob").check(target):
        yield opinion.severity, opinion.message


def test_a_plan_says_all_that_would_keep_a_run_from_its_end(
    world: LocalWorld, dataset: Resolved, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert list(opinions(world, job(world, dataset))) == []
    wrong = job(world, dataset, hyperparameters={"epochs": -1, "learningrate": 1, "loraRank": 8})
    told = [message for _, message in opinions(world, wrong)]
    assert told[0].startswith("spec.hyperparameters.epochs: found -1, allowed is a number, above 0")
    assert told[1].endswith("did you mean learningRate?")
    assert (
        told[2] == "spec.hyperparameters.loraRank: is for method: lora; this job tunes all weights"
    )
    (missing,) = opinions(world, job(world, dataset, base="./nowhere"))
    assert (missing[0], "there is no folder" in missing[1]) == (Severity.ERROR, True)
    (world.folder / "base/model.safetensors").rename(world.folder / "base/pytorch_model.bin")
    (pickled,) = opinions(world, job(world, dataset))
    assert "a pickle" in pickled[1]
    monkeypatch.setattr("loopwright.children.find_spec", lambda name: None)
    first, *_ = opinions(world, job(world, dataset))
    assert first[1].startswith("training needs torch, transformers, peft and trl")


def estimate(world: LocalWorld, target: Target) -> Estimate:
    found = world.adapter("FineTuneJob").estimate(target, None)
    assert isinstance(found, Estimate)
    return found


def test_the_plan_knows_rows_steps_tokens_and_after_a_run_its_time(
    world: LocalWorld, dataset: Resolved, trainer: Trainer
) -> None:
    knobs = {"epochs": 2, "batchSize": 8}
    target = job(world, dataset, hyperparameters=knobs)
    found = estimate(world, target)
    assert (found.rows, found.steps) == (Range.exact(40), Range.exact(10))
    assert found.tokens is not None
    assert found.hours is not None
    assert any("a rough guess" in note for note in found.notes)
    before = found.hours.high / found.hours.low
    succeeded(world.made(target))
    after = estimate(world, target)
    assert after.hours is not None
    assert after.hours.high / after.hours.low < before
    assert not any("a rough guess" in note for note in after.notes)
    assert after.tokens is not None
    assert after.tokens.likely == pytest.approx(2_000, rel=0.01)  # by its own tokenizer now
    nothing = estimate(world, job(world, None))
    assert (nothing.rows, nothing.notes[0]) == (None, "what it trains on is not there yet")


def test_what_an_earlier_stage_will_make_is_counted_with_its_range(
    world: LocalWorld, dataset: Resolved
) -> None:
    planned = Estimate(rows=Range(80, 60, 100), tokens=Range(800, 600, 1_000))
    spec = {**dataset.spec, "split": {"validation": 0.5}}
    ahead = replace(dataset, planned=planned, spec=spec)
    found = estimate(world, job(world, ahead, hyperparameters={"epochs": 1, "batchSize": 10}))
    assert found.rows == Range(40, 30, 50)
    assert found.steps == Range(4, 3, 5)
