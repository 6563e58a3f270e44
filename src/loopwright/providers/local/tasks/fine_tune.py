"""The fine-tune task: trains in a child, goes on after a kill, and registers what came of it."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loopwright.clock import SystemClock, to_text
from loopwright.errors import TransientError
from loopwright.models.version import ModelVersion
from loopwright.providers.base import Progress
from loopwright.providers.local.fine_tune_estimate import (
    START,
    throughput_key,
    tokenizer_key,
    where_of,
)
from loopwright.providers.local.kept_models import bring, keep_checkpoints, prune
from loopwright.providers.local.receipts import Receipt
from loopwright.providers.local.registered import model_outputs, model_receipts, registry_of
from loopwright.providers.local.tasks import Outcome
from loopwright.providers.local.throughput import Throughput
from loopwright.providers.local.training_sources import Start, rows_of, start_of
from loopwright.providers.local.unfinished import Unfinished
from loopwright.tuning import launching
from loopwright.tuning.hyperparameters import Hyperparameters, parse
from loopwright.tuning.outcome import RESULT, Tuned, TuningCut, TuningStopped
from loopwright.tuning.progress import METRICS
from loopwright.tuning.progress import Progress as Step
from loopwright.tuning.settings import RunSettings

if TYPE_CHECKING:
    from loopwright.providers.local.worker import Work

log = logging.getLogger("loopwright.worker")
_MODEL = "model"


def run(work: Work) -> Outcome:
    """Train unless this very job has registered its model already; then tell of it.

    Raises TuningError with the child's own words, ModelError, DatasetError.
    """
    arguments, places, job = work.arguments, work.places, work.job
    unfinished = Unfinished(places.unfinished)
    folder = unfinished.folder(job.owner, job.fingerprint or work.folder.path.name)
    made = registry_of(places).made_by(arguments["name"], work.folder.path.name)
    if made is None:
        made = _trained(work, folder)
    outputs = work.told(_outputs(work, made, folder))
    model_receipts(places).put(Receipt(made.label, job.owner, job.revision, outputs))
    gone = prune(made.name, places)
    unfinished.clear(job.owner)
    return Outcome(made.label, outputs, _message(made, gone))


def _trained(work: Work, folder: Path) -> ModelVersion:
    arguments, places = work.arguments, work.places
    work.report(Progress(note="looks for the base model"))
    start = start_of(
        arguments["start"],
        places,
        method=arguments["method"],
        trusted=arguments["trustRemoteCode"],
    )
    settings, began = _settings(work, start, folder), time.monotonic()
    log.info("trains %s, %s, in %s", start.facts.reference, settings.method, folder)
    try:
        tuned = launching.run(
            settings,
            on_progress=_Told(work),
            stop=threading.Event(),  # a request to stop the job is raised instead
        )
    except (TuningCut, TuningStopped) as error:
        raise TransientError(error.message, hint=error.hint or "") from error
    beside = time.monotonic() - began - tuned.seconds
    _remember(work, start, settings.hyperparameters, tuned, beside=beside)
    return _registered(work, start, settings, tuned)


def _settings(work: Work, start: Start, folder: Path) -> RunSettings:
    arguments, training = work.arguments, work.places.settings.training
    rows = rows_of(arguments["rows"], work.places)
    validates = bool(rows.validation or arguments["rows"]["validationPercentage"])
    known = parse(arguments["hyperparameters"], arguments["method"], validates=validates)
    # One more than is kept beside it: the last checkpoint is the model itself.
    known = replace(known, checkpoints_kept=max(known.checkpoints_kept, arguments["modelsKept"]))
    return RunSettings(
        base=start.folder,
        base_name=start.facts.reference,
        method=arguments["method"],
        hyperparameters=known,
        train=rows.train,
        validation=rows.validation,
        validation_percentage=arguments["rows"]["validationPercentage"],
        run_folder=folder,
        output_folder=folder / _MODEL,
        seed=arguments["seed"],
        adapter=start.adapter,
        trust_remote_code=arguments["trustRemoteCode"],
        threads=training.threads,
        device=training.device,
        engine=arguments["engine"],
        processes=arguments["processes"],
    )


class _Told:
    """Reports how far a run is, and logs each tenth of it and what goes on beside training."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._logged: tuple[object, ...] = ()

    def __call__(self, step: Step) -> None:
        unit = "steps" if step.steps else ""
        self._work.show(Progress(step.step, step.steps, unit, step.note, step.eta_seconds))
        now = (10 * step.step // max(1, step.steps), step.phase)
        if step.note and now != self._logged:
            self._logged = now
            done = f"step {step.step:,} of {step.steps:,}: " if step.steps else ""
            log.info("%s%s", done, step.note)


def _registered(work: Work, start: Start, settings: RunSettings, tuned: Tuned) -> ModelVersion:
    """Once, however often it is killed: the registry knows what this job has committed."""
    arguments, registry = work.arguments, registry_of(work.places)
    name = arguments["name"]
    version = registry.next_version(name)
    staged = registry.staging(name, version)
    bring(tuned.folder, staged)
    for beside in (launching.CURVE, METRICS):
        if (settings.run_folder / beside).is_file():
            (staged / beside).write_bytes((settings.run_folder / beside).read_bytes())
    return registry.commit(
        name,
        version,
        owner=work.job.owner,
        base=start.facts,
        lineage=_lineage(work, settings.hyperparameters),
        metrics=_metrics(tuned),
        created_at=to_text(SystemClock().now()),
        run=work.folder.path.name,
        licence=start.licence,
        trust_remote_code=arguments["trustRemoteCode"],
    )


def _lineage(work: Work, hyperparameters: Hyperparameters) -> dict[str, Any]:
    arguments, rows = work.arguments, work.arguments["rows"]
    held_out = rows["validationDataset"]
    percentage = rows["validationPercentage"]
    told = {
        "job": "/".join(work.job.owner.split("/")[-2:]),
        "revision": work.job.revision,
        "dataset": _version(rows["dataset"]),
        "datasetDigest": rows["datasetDigest"],
        "validation": _version(held_out) if held_out else f"{percentage} %" if percentage else "",
        "method": arguments["method"],
        "seed": arguments["seed"],
        "processes": arguments["processes"] if arguments["processes"] > 1 else None,
        "hyperparameters": hyperparameters.stated(),
    }
    return {name: value for name, value in told.items() if value not in (None, "")}


def _version(version: Mapping[str, Any]) -> str:
    return f"{version['name']}@v{version['version']}"


def _metrics(tuned: Tuned) -> dict[str, Any]:
    told = {
        "steps": tuned.steps,
        "epochs": round(tuned.epochs, 3),
        "tokens": tuned.tokens,
        "loss": tuned.loss,
        "validationLoss": tuned.validation_loss,
        "seconds": round(tuned.seconds, 1),
        "tokensPerSecond": round(tuned.tokens_per_second, 1),
        "rows": tuned.rows.get("trained"),
        "validationRows": tuned.rows.get("validation"),
        "rowsTooLong": tuned.rows.get("tooLong"),
        "rowsWithNothingToLearn": tuned.rows.get("nothingToLearn"),
        "trainedParameters": tuned.trained_parameters,
        "stoppedEarly": tuned.stopped_early or None,
        "device": tuned.device,
    }
    return {name: value for name, value in told.items() if value is not None}


def _outputs(work: Work, made: ModelVersion, folder: Path) -> dict[str, Any]:
    """Like those of an imported model, and how the run went."""
    places = work.places
    outputs = {**model_outputs(made, places), **made.metrics}
    if launching.CURVE in made.files:
        outputs["curve"] = places.text(made.folder / launching.CURVE)
    tuned = Tuned.read(folder / RESULT)
    beside = work.arguments["modelsKept"] - 1
    if tuned and (kept := keep_checkpoints(made, tuned.checkpoints, places, count=beside)):
        outputs["checkpoints"] = kept
    return outputs


def _remember(
    work: Work, start: Start, known: Hyperparameters, tuned: Tuned, *, beside: float
) -> None:
    """For the next plan's estimate: how fast it went, what it took beside training (loading,
    saving), and how many tokens its rows have."""
    speeds, digest = Throughput(work.places.throughput), start.facts.digest
    where = where_of(work.places, work.arguments)
    speeds.note(throughput_key(digest, known.method, where), tuned.tokens_per_second)
    speeds.note(f"{START}/{where}", beside)
    counted = work.arguments["rows"].get("countedTokens") or 0
    if counted and tuned.epochs:
        speeds.note(tokenizer_key(digest), tuned.tokens / tuned.epochs / counted)


def _message(made: ModelVersion, gone: tuple[str, ...]) -> str:
    """E.g. `router@2: loss 0.412, validation 0.530, after 300 steps in 41 s`."""
    metrics = made.metrics
    losses = (("loss", metrics.get("loss")), ("validation", metrics.get("validationLoss")))
    told = "".join(f"{name} {loss:.3f}, " for name, loss in losses if loss is not None)
    went = f"; let go of {', '.join(gone)}" if gone else ""
    steps, seconds = metrics["steps"], metrics["seconds"]
    return f"{made.label}: {told}{steps:,} steps in {seconds:,.0f} s{went}"
