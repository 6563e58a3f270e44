"""The FineTuneJob adapter: supervised fine-tuning on this machine, registered as a model."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from loopwright import children
from loopwright.errors import PermanentError
from loopwright.providers.base import (
    Estimate,
    LastRun,
    Observed,
    Operation,
    Opinion,
    Target,
)
from loopwright.providers.local.base_opinions import base_opinions
from loopwright.providers.local.job_adapter import refusal
from loopwright.providers.local.refusing import explained
from loopwright.providers.local.registered import (
    registry_of,
)
from loopwright.providers.local.registered_adapter import RegisteredAdapter
from loopwright.providers.local.training_sources import (
    base_pin,
    rows_arguments,
    start_arguments,
)
from loopwright.providers.local.unfinished import Unfinished
from loopwright.tuning.hyperparameters import HyperparameterError, normal, parse


class FineTuneJobAdapter(RegisteredAdapter):
    """Fine-tune jobs; the external id is the revision that is registered, `name@N`."""

    def create(self, target: Target, key: str) -> Operation:
        """Begin to train, or go on. Raises PermanentError when the model's name is another's."""
        from loopwright.tuning.launching import GRACE_SECONDS

        with explained(target.address, "create"):
            name, spec = target.address.name, target.spec
            registry = registry_of(self.places)
            holder = registry.owner(name)
            if holder not in (None, target.owner):
                raise PermanentError(
                    f"the model {name} belongs to {holder}",
                    address=str(target.address),
                    hint="give the job a name that no model has",
                )
            return self.begin(
                target,
                key,
                task="fine_tune",
                external_id=f"{name}@{registry.next_version(name)}",
                grace=GRACE_SECONDS + _MARGIN_SECONDS,
                arguments={
                    "name": name,
                    "start": start_arguments(target, self.places),
                    "rows": rows_arguments(target),
                    **{field: spec[field] for field in _TAKEN},
                },
            )

    def delete(self, target: Target, observed: Observed, key: str) -> Operation:
        """Remove every revision that this job registered; their numbers stay used."""
        with explained(target.address, "delete"):
            registry, receipts = registry_of(self.places), self.receipts(target)
            ours = {found.external_id for found in receipts.owned(target.owner)}
            for label in sorted(ours | {observed.external_id}):
                name, _, number = label.rpartition("@")
                if number.isdigit() and registry.owner(name) in (None, target.owner):
                    registry.remove(name, int(number), owner=target.owner)
                receipts.remove(label)
            Unfinished(self.places.unfinished).clear(target.owner)
        return Operation(key, external_id=observed.external_id)

    def pins(self, target: Target) -> Mapping[str, str]:
        """The weights behind the base's name; of a custom model the reference says it."""
        return {"base": base_pin(target, self.places)} if "base" in target.spec else {}

    def normal(self, target: Target) -> Mapping[str, Any]:
        """Hyperparameters as they decide the weights."""
        return {"hyperparameters": normal(target.spec["hyperparameters"], target.spec["method"])}

    def estimate(self, target: Target, last: LastRun | None) -> Estimate:
        """Rows, tokens and steps by the dataset; time by earlier runs on this machine."""
        from loopwright.providers.local.fine_tune_estimate import estimate_of

        del last
        with explained(target.address, "estimate"):
            return estimate_of(target, self.places)

    def opinions(self, target: Target) -> Iterable[Opinion]:
        """What would keep the run from its end, as far as a plan can see."""
        yield from _extra(target)
        yield from _hyperparameters(target)
        if base := target.spec.get("base"):
            trusted = target.spec["trustRemoteCode"]
            yield from base_opinions(target, base, self.places, path="base", trusted=trusted)
        dataset = target.inputs.get("dataset")
        line_format = dataset.spec.get("format", "sft") if dataset else "sft"
        if line_format != "sft":
            yield refusal(
                target,
                f"{target.spec['dataset']} has lines of the format {line_format}",
                "training takes format: sft",
                path="dataset",
            )


_MARGIN_SECONDS = 5.0
"""For the worker itself, once its training child has written a checkpoint and gone."""
_TAKEN = (
    "method",
    "hyperparameters",
    "seed",
    "modelsKept",
    "engine",
    "processes",
    "trustRemoteCode",
)
"""Fields of the spec that the job takes as they are."""


def _extra(target: Target) -> Iterator[Opinion]:
    several = ("accelerate",) if target.spec["engine"] == "accelerate" else ()
    if told := children.lacks("training", (*children.TO_TRAIN, *several)):
        yield refusal(target, told, children.INSTALL)


def _hyperparameters(target: Target) -> Iterator[Opinion]:
    """Every problem at its field."""
    dataset = target.inputs.get("dataset")
    own_split = bool(dataset and dataset.spec.get("split", {}).get("validation"))
    validates = bool(target.spec.get("validation")) or own_split
    try:
        parse(target.spec["hyperparameters"], target.spec["method"], validates=validates)
    except HyperparameterError as error:
        for problem in error.problems:
            path = f"hyperparameters.{problem.name}"
            yield refusal(target, f"spec.{path}: {problem.message}", error.hint or "", path=path)
