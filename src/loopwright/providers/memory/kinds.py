"""What each kind turns out to be: its outputs, as pure functions of what it was made from.

No world, no time and no randomness: equal inputs give equal outputs, on any machine.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from loopwright.hashing import digest
from loopwright.providers.base import Resolved, Target
from loopwright.providers.memory.connection import Score
from loopwright.resources.base import marked_fields, marked_paths
from loopwright.resources.registry import resource_class

TOKENS_PER_ROW = 200
_SHARES = ("0.001", "0.005", "0.01", "0.025", "0.05", "0.1", "0.2", "0.3", "0.4", "0.5")


@dataclass(frozen=True, slots=True)
class Making:
    """What an object is made from. `number` counts the objects of its kind and name."""

    target: Target
    number: int
    population: int = 0
    """Calls in the source: the lake's, or the inference dataset's rows."""
    score: Score | None = None

    def input(self, *paths: str) -> Resolved | None:
        """What the first of these references that is there points at."""
        return next((found for path in paths if (found := self.target.inputs.get(path))), None)

    @property
    def digest(self) -> str:
        """Identity of the result: spec without cosmetics, and the inputs' identities."""
        target = self.target
        return digest(
            {
                "kind": target.address.kind,
                "spec": deciding(target.address.kind, target.spec),
                "inputs": {path: _identity(found) for path, found in target.inputs.items()},
                "population": self.population,
            }
        )


def outputs_of(making: Making) -> dict[str, Any]:
    """Everything a finished object tells beside its spec."""
    found = _OUTPUTS[making.target.address.kind](making)
    decided = making.target.fingerprint
    return {**found, "fingerprint": decided} if decided else found


def told(kind: str, spec: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a spec that is sent to a provider at all."""
    hidden = _unsent(kind)
    return {name: value for name, value in spec.items() if name not in hidden}


def deciding(kind: str, spec: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a spec that decides a result."""
    hidden = _unsent(kind) | marked_fields(_spec_model(kind), "cosmetic")
    return {name: value for name, value in spec.items() if name not in hidden}


@cache
def secret_paths(kind: str) -> frozenset[str]:
    """Dotted paths of the fields that the world never tells back."""
    return marked_paths(_spec_model(kind), "write-only")


def object_name(target: Target) -> str:
    """What a person would call the object: a dataset may be kept under another name."""
    kept = target.spec.get("target", {}) if target.address.kind == "Dataset" else {}
    named: str = kept.get("versionOf", "").partition("/")[2] or kept.get("new", "")
    return named or target.address.name


def sampled(sampling: Mapping[str, Any], population: int) -> int:
    """Rows that a sampling takes from a population of clean calls."""
    if "count" in sampling:
        return min(int(sampling["count"]), population)
    return round(float(sampling.get("ratio", 1)) * population)


@cache
def _unsent(kind: str) -> frozenset[str]:
    return marked_fields(_spec_model(kind), "policy") | {"provider"}


@cache
def _spec_model(kind: str) -> Any:
    return resource_class(kind).model_fields["spec"].annotation


def _identity(found: Resolved) -> str:
    return found.digest or str(found.outputs.get("digest", "")) or found.external_id


def _lake(making: Making) -> dict[str, Any]:
    return {"url": f"memory://lakes/{making.target.address.name}"}


def _endpoint(making: Making) -> dict[str, Any]:
    model = making.target.spec.get("model", {})
    source = making.input("model.fineTuneJob", "model.model")
    served = _identity(source) if source else digest(model)
    name = source.outputs.get("model", source.address.name) if source else model.get("base", "")
    return {
        "url": f"memory://endpoints/{making.target.address.name}/v1",
        "model": name or model.get("upstream", {}).get("model", ""),
        "digest": served,
    }


def _delivery(making: Making) -> dict[str, Any]:
    return {"lake": making.target.spec["lake"], "enabled": making.target.spec.get("enabled", True)}


def _call_import(making: Making) -> dict[str, Any]:
    lake = making.input("lake")
    return {
        "calls": 500 + int(making.digest[-6:], 16) % 500,
        "lake": lake.external_id if lake else "",
        "digest": making.digest,
    }


def _dataset(making: Making) -> dict[str, Any]:
    spec = making.target.spec
    rows = sampled(spec.get("sampling", {}), making.population)
    validation = round(rows * spec.get("split", {}).get("validation", 0))
    return {
        "name": object_name(making.target),
        "version": making.number,
        "digest": making.digest,
        "population": making.population,
        "rows": rows,
        "trainRows": rows - validation,
        "validationRows": validation,
        "tokens": rows * TOKENS_PER_ROW,
    }


def _export(making: Making) -> dict[str, Any]:
    source = making.input("source.dataset")
    rows = source.outputs.get("rows", 0) if source else making.population
    return {"digest": making.digest, "rows": rows}


def _fine_tune_job(making: Making) -> dict[str, Any]:
    dataset = making.input("dataset")
    rows = int(dataset.outputs.get("trainRows", 0)) if dataset else 0
    epochs = float(making.target.spec.get("hyperparameters", {}).get("epochs", 1))
    return {
        "model": making.target.address.name,
        "version": making.number,
        "digest": making.digest,
        "tokens": round(rows * TOKENS_PER_ROW * epochs),
        "loss": round(0.2 + _share(making.digest), 3),
    }


def _model(making: Making) -> dict[str, Any]:
    return {"model": making.target.address.name, "digest": making.digest}


def _batch_inference(making: Making) -> dict[str, Any]:
    dataset = making.input("input.dataset")
    total = int(dataset.outputs.get("rows", 0)) if dataset else 100
    failed = total // 100
    return {
        "total": total,
        "completed": total - failed,
        "failed": failed,
        "digest": making.digest,
    }


def _eval_run(making: Making) -> dict[str, Any]:
    scores = _scores(making)
    composite = (
        making.score.composite if making.score else sum(scores.values()) / max(1, len(scores))
    )
    return {
        **_compared(making, scores),
        "composite": round(composite, 2),
        "capabilities": scores,
        "intervals": {
            "composite": _interval(composite),
            "capabilities": {name: _interval(score) for name, score in scores.items()},
        },
        "items": 100 * len(scores),
        "failed": making.score.failed if making.score else 0,
        "digest": making.digest,
    }


def _compared(making: Making, scores: Mapping[str, float]) -> dict[str, Any]:
    """Beside the baseline, on the same items; the bounds lie up to 3 points off the difference."""
    baseline = making.input("baseline")
    if baseline is None:
        return {}
    if making.score:
        steered = making.score.differences
        better = {name: steered.get(name, 0) for name in scores}
    else:
        before = _served(making, baseline)
        better = {name: score - before[name] for name, score in scores.items()}
    return {
        "comparison": {name: _difference(points) for name, points in better.items()},
        "baselineDigest": _identity(baseline),
    }


def _difference(points: float) -> dict[str, Any]:
    found = round(points, 2)
    return {
        "difference": found,
        "low": round(found - 3, 2),
        "high": round(found + 3, 2),
        "wins": 50,
        "ties": 30,
        "losses": 20,
        "quantiles": {share: round(found - 3 * (1 - 2 * float(share)), 2) for share in _SHARES},
    }


def _scores(making: Making) -> dict[str, float]:
    """By capability of the suite: steered, or 60-95 as the digest of the endpoint decides."""
    if making.score:
        steered = dict.fromkeys(_named(making), making.score.composite)
        return steered | making.score.capabilities
    return _served(making, making.input("endpoint"))


def _named(making: Making) -> list[str]:
    suite = making.input("suite")
    return [part["name"] for part in (suite.spec.get("capabilities", ()) if suite else ())]


def _served(making: Making, endpoint: Resolved | None) -> dict[str, float]:
    served = _identity(endpoint) if endpoint else ""
    named = _named(making) or ["overall"]
    return {name: round(60 + 35 * _share(digest([served, name])), 2) for name in named}


def _interval(score: float) -> list[float]:
    return [round(max(0.0, score - 2), 2), round(min(100.0, score + 2), 2)]


def _share(text: str) -> float:
    """A number in [0, 1) that a digest decides."""
    return int(text[-8:], 16) / float(1 << 32)


_OUTPUTS: Mapping[str, Callable[[Making], dict[str, Any]]] = {
    "Lake": _lake,
    "Endpoint": _endpoint,
    "Delivery": _delivery,
    "CallImport": _call_import,
    "Dataset": _dataset,
    "Export": _export,
    "FineTuneJob": _fine_tune_job,
    "Model": _model,
    "BatchInference": _batch_inference,
    "EvalRun": _eval_run,
}
