"""What a FineTuneJob would do: rows and steps counted, time by earlier runs on this machine."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loopwright.errors import LoopwrightError
from loopwright.models.served import base_of
from loopwright.models.weights import read_json
from loopwright.providers.base import Estimate, Range, Resolved, Target
from loopwright.providers.local.places import Places
from loopwright.providers.local.registered import registry_of
from loopwright.providers.local.throughput import Throughput
from loopwright.providers.local.training_sources import resolved_base
from loopwright.tuning.counting import Counts, count
from loopwright.tuning.hyperparameters import Hyperparameters, parse

_NO_ROWS = "what it trains on is not there yet"
_BUILTIN = "is for demonstrations and tests"
_TOKENS = Range(1.2, 0.6, 2.6)
"""Tokens of the base's own tokenizer with the marks of its template, for each that the recorded
calls counted. Runs that were measured: 1.3 to 2.3; the next plan knows it of the last run."""
_TOKENS_OF_FEW_WORDS = Range(1.8, 0.9, 3.6)
"""The same, of a vocabulary so small that it spells words out."""
_FEW_WORDS = 8_192
_TOKENS_A_ROW = Range(250, 50, 1_000)
START = "start"
"""Under which is remembered what a run takes beside training, seconds, by where it runs."""
_START_SECONDS = Range(15, 5, 60)
_STEP_SECONDS = Range(0.08, 0.03, 0.3)
"""What every step costs beside the arithmetic, on a CPU."""
_FLOPS_A_PARAMETER = {"full": 6, "lora": 4.5}
_FLOPS_A_SECOND = {"cpu": Range(3e10, 8e9, 1.5e11), "gpu": Range(8e13, 1.5e13, 4e14)}
_ENDS = ("low", "likely", "high")


def throughput_key(base_digest: str, method: str, where: str) -> str:
    """Under which the speed of a run is remembered, tokens a second."""
    return f"train/{base_digest[:23]}/{method}/{where}"


def tokenizer_key(base_digest: str) -> str:
    """Under which is remembered how a base's own tokens compare with those of recorded calls."""
    return f"tokens/{base_digest[:23]}"


def estimate_of(target: Target, places: Places) -> Estimate:
    """Raises HyperparameterError; without a dataset there are no numbers, but a note."""
    hyperparameters = parse(target.spec["hyperparameters"], target.spec["method"])
    notes = list(_notes(target))
    found = target.inputs.get("dataset")
    rows = _rows(found) if found else None
    if found is None or rows is None:
        is_uncounted = found and found.planned and found.planned.rows is None
        return Estimate(notes=tuple(notes) if is_uncounted else (_NO_ROWS, *notes))
    start = _start(target, places)
    digest, parameters = start.digest, start.parameters
    speeds = Throughput(places.throughput)
    tokens = _tokens(found, rows, speeds, start)
    counts = {
        end: _count(target, rows, tokens, hyperparameters, end, context=start.context)
        for end in _ENDS
    }
    trained = Range(*(float(counts[end].tokens) for end in ("likely", "low", "high")))
    steps = Range(*(float(counts[end].steps) for end in ("likely", "low", "high")))
    device = device_of(places)
    where = where_of(places, target.spec)
    seconds = speeds.seconds(throughput_key(digest, hyperparameters.method, where), trained)
    known = speeds.typical(f"{START}/{where}")
    beside = Range(known, known / 2, known * 2) if known else _START_SECONDS
    if seconds is not None:
        seconds += beside
    elif parameters:
        seconds = beside + _guess(parameters, hyperparameters.method, trained, steps, device)
        notes.append("its time is a rough guess by the size of the model: no run of it here yet")
    else:
        notes.append("how long it takes is not known: the base model is not on this machine yet")
    price = float(places.prices.get("trainingPerMillionTokens", 0)) / 1_000_000
    return Estimate(
        rows=_whole(rows),
        tokens=_whole(trained),
        steps=steps,
        hours=_scaled(seconds, 1 / 3600) if seconds else None,
        cost=_scaled(trained, price),
        currency=str(places.prices.get("currency", "")),
        notes=tuple(notes),
    )


def device_of(places: Places) -> str:
    """`cpu` or `gpu`, as far as can be seen without loading anything."""
    said = places.settings.training.device
    if said == "auto":
        return "gpu" if Path("/dev/nvidia0").exists() else "cpu"
    return "cpu" if said == "cpu" else "gpu"


def where_of(places: Places, said: Mapping[str, Any]) -> str:
    """What runs of equal speed share beside model and method: `cpu`, `gpu/accelerate/4`."""
    device = device_of(places)
    return device if said["engine"] == "local" else f"{device}/accelerate/{said['processes']}"


def _notes(target: Target) -> Iterator[str]:
    base = str(target.spec.get("base", ""))
    if base.startswith("builtin:"):
        yield f"{base} {_BUILTIN}"


def _rows(found: Resolved) -> Range | None:
    """Training rows: of the version that is there, or that the plan makes first. None: unknown,
    as while the version itself waits for more calls."""
    if found.planned:
        if found.planned.waiting or not found.planned.rows or not found.planned.rows.high:
            return None
        kept = 1.0 - float(found.spec.get("split", {}).get("validation", 0))
        return _scaled(found.planned.rows, kept)
    rows = found.outputs.get("trainRows")
    return None if rows is None else Range.exact(float(rows))


def _tokens(found: Resolved, rows: Range, speeds: Throughput, start: _Start) -> Range:
    """Tokens of one pass over those rows, by the base's own tokenizer."""
    counted: Range | None = None
    if found.planned:
        kept = 1.0 - float(found.spec.get("split", {}).get("validation", 0))
        counted = _scaled(found.planned.tokens, kept) if found.planned.tokens else None
    elif found.outputs.get("tokens"):
        share = rows.likely / max(1, found.outputs["rows"])
        counted = Range.exact(found.outputs["tokens"] * share)
    if counted is None or not counted.high:
        return Range(*(getattr(rows, end) * getattr(_TOKENS_A_ROW, end) for end in _LIKELY_FIRST))
    known = speeds.typical(tokenizer_key(start.digest))
    guess = _TOKENS_OF_FEW_WORDS if 0 < start.vocabulary <= _FEW_WORDS else _TOKENS
    ratio = Range(known, known * 0.9, known * 1.1) if known else guess
    return Range(*(getattr(counted, end) * getattr(ratio, end) for end in _LIKELY_FIRST))


_LIKELY_FIRST = ("likely", "low", "high")


def _count(
    target: Target,
    rows: Range,
    tokens: Range,
    hyperparameters: Hyperparameters,
    end: str,
    *,
    context: int | None,
) -> Counts:
    validation = target.spec.get("validation") or {}
    return count(
        round(getattr(rows, end)),
        round(getattr(tokens, end)),
        hyperparameters,
        validation_percentage=validation.get("percentage", 0),
        processes=target.spec["processes"],
        context=context,
    )


@dataclass(frozen=True, slots=True)
class _Start:
    """What a plan needs to know of the model that a run starts from; empty: it is not here yet."""

    digest: str = ""
    parameters: int = 0
    context: int | None = None
    """Tokens that it takes at once; None: it says none."""
    vocabulary: int = 0


def _start(target: Target, places: Places) -> _Start:
    """What is trained; nothing where it is not on this machine yet."""
    try:
        if "base" in target.spec:
            base = resolved_base(target, places)
            return _described(base.digest, base.parameters, base.folder)
        outputs, registry = target.inputs["model"].outputs, registry_of(places)
        model = registry.get(outputs["model"], outputs["version"])
        if model.kind == "full":
            return _described(model.digest, model.parameters, model.folder)
        base = base_of(model, registry=registry, project=places.project, environ=places.environ)
        return _described(base.digest, base.parameters, base.folder)
    except (LoopwrightError, KeyError):
        return _Start()


def _described(digest: str, parameters: int, folder: Path) -> _Start:
    """Raises ModelError."""
    config = read_json(folder / "config.json")
    inner = config.get("text_config")  # of models that take more than text
    said = {**config, **inner} if isinstance(inner, dict) else config
    context, vocabulary = (said.get(name) for name in ("max_position_embeddings", "vocab_size"))
    return _Start(
        digest,
        parameters,
        context if isinstance(context, int) and context > 0 else None,
        vocabulary if isinstance(vocabulary, int) else 0,
    )


def _guess(parameters: int, method: str, tokens: Range, steps: Range, device: str) -> Range:
    """By the arithmetic of the model alone, on a machine that nobody has measured."""
    work, speed = parameters * _FLOPS_A_PARAMETER[method], _FLOPS_A_SECOND[device]
    return Range(
        tokens.likely * work / speed.likely + steps.likely * _STEP_SECONDS.likely,
        tokens.low * work / speed.high + steps.low * _STEP_SECONDS.low,
        tokens.high * work / speed.low + steps.high * _STEP_SECONDS.high,
    )


def _scaled(found: Range, factor: float) -> Range:
    return Range(found.likely * factor, found.low * factor, found.high * factor)


def _whole(found: Range) -> Range:
    return Range(round(found.likely), round(found.low), round(found.high))
