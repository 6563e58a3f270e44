"""The BatchInference adapter: requests answered by an endpoint here, or by a model of its own."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from loopwright import children
from loopwright.errors import LoopwrightError, PermanentError
from loopwright.hashing import digest
from loopwright.providers.base import (
    Estimate,
    LastRun,
    Observed,
    Operation,
    Opinion,
    Severity,
    Target,
)
from loopwright.providers.local.batch_output import batches_of, check_place, remove_files
from loopwright.providers.local.batch_sources import input_arguments
from loopwright.providers.local.job_adapter import JobAdapter, refusal
from loopwright.providers.local.receipts import Receipt, Receipts
from loopwright.providers.local.refusing import elsewhere, explained
from loopwright.providers.local.unfinished import Unfinished
from loopwright.providers.local.untouched import as_put
from loopwright.resources.durations import parse_duration


class BatchInferenceAdapter(JobAdapter):
    """Batches; the external id is the folder of the results and a mark of what was put there."""

    def receipts(self, target: Target) -> Receipts:
        del target
        return batches_of(self.places)

    def is_there(self, receipt: Receipt) -> bool:
        folder = self.places.path(receipt.place)
        return all((folder / name).is_file() for name in receipt.facts["files"])

    def _told(self, receipt: Receipt) -> Observed:
        folder, found = self.places.path(receipt.place), super()._told(receipt)
        return as_put(found, folder, receipt.facts["files"], self.places)

    def place_of(self, external_id: str) -> str:
        return external_id.rpartition("@")[0]

    def create(self, target: Target, key: str) -> Operation:
        """Begin to ask. What is not ours in the folder of the results makes it fail."""
        with explained(target.address, "create"):
            place, spec = str(target.spec["output"]).rstrip("/"), target.spec
            arguments = {
                "input": input_arguments(target, self.places),
                "to": place,
                "parameters": spec["parameters"],
                "concurrency": spec["concurrency"],
                "order": spec["order"],
                "window": parse_duration(spec["completionWindow"]),
                **_answered_by(target),
            }
            mark = digest([arguments, target.fingerprint, target.revision])[7:15]
            return self.begin(
                target, key, task="batch", external_id=f"{place}@{mark}", arguments=arguments
            )

    def delete(self, target: Target, observed: Observed, key: str) -> Operation:
        """Remove the results, and what an unfinished run has got."""
        place, receipts = self.place_of(observed.external_id), self.receipts(target)
        with explained(target.address, "delete"):
            found = receipts.get(place)
            if found and found.external_id == observed.external_id:
                remove_files(found, self.places.path(place))
                receipts.remove(place)
            Unfinished(self.places.unfinished).clear(target.owner)
        return Operation(key, external_id=observed.external_id)

    def estimate(self, target: Target, last: LastRun | None) -> Estimate:
        """Lines and tokens of the input; time by how fast the same answered before."""
        from loopwright.providers.local.batch_estimate import estimate_of

        with explained(target.address, "estimate"):
            return estimate_of(target, self.places, last=last)

    def opinions(self, target: Target) -> Iterable[Opinion]:
        """Whether this batch is one that the local provider runs, and its lines can be asked."""
        place = str(target.spec["output"])
        if "://" in place:
            yield refusal(
                target,
                f"provider {target.spec['provider']} is local and puts no results into {place}",
                "name a folder in spec.output" + elsewhere("BatchInference"),
            )
        elif problem := self._problem_of_place(target, place.rstrip("/")):
            yield refusal(target, problem.message, problem.hint or "")
        elif self._leaves_project(place):
            yield Opinion(
                Severity.WARNING,
                str(target.address),
                f"{place} leads out of the project, to {self.places.path(place).resolve()}",
                "name a folder of the project, or write the whole path if that is meant",
            )
        told = children.lacks("answering by a model", children.TO_SERVE)
        if "model" in target.spec and told:
            yield refusal(target, told, f"{children.INSTALL}, or name an endpoint")
        if "file" in target.spec["input"]:
            yield from self._opinions_of_lines(target)

    def _leaves_project(self, place: str) -> bool:
        """Whether a path that is relative to the project ends elsewhere."""
        written = Path(place).expanduser()
        inside = self.places.path(place).resolve().is_relative_to(self.places.project.resolve())
        return not written.is_absolute() and not inside

    def _problem_of_place(self, target: Target, place: str) -> LoopwrightError | None:
        try:
            check_place(place, self.places, owner=target.owner)
        except LoopwrightError as error:
            return error
        return None

    def _opinions_of_lines(self, target: Target) -> Iterable[Opinion]:
        from loopwright.providers.local.batch_estimate import look_at

        try:
            found = look_at(input_arguments(target, self.places), self.places)
        except LoopwrightError as error:
            yield refusal(target, error.message, error.hint or "")
            return
        if not found.usable:
            told = f"no line of {target.spec['input']['file']} can be asked"
            why = f"; the first: {found.bad[0]}" if found.bad else ": it is empty"
            yield refusal(target, told + why, "docs/batch.md shows the formats of a line")
        elif found.bad:
            yield Opinion(
                Severity.WARNING,
                str(target.address),
                f"{len(found.bad):,} of {found.usable + len(found.bad):,} lines cannot be asked; "
                f"the first: {found.bad[0]}",
                "mend them, or find each with its reason in errors.jsonl afterwards",
            )


def _answered_by(target: Target) -> dict[str, Any]:
    """Who answers, as the arguments of a job have it. Raises PermanentError."""
    by = "endpoint" if "endpoint" in target.spec else "model"
    found = target.inputs.get(by)
    needed = "url" if by == "endpoint" else "version"
    if found is None or needed not in found.outputs:
        raise PermanentError(
            f"cannot ask for {target.address}: {target.spec[by]} is not served or kept here",
            address=str(target.address),
            hint="apply it first, with a Provider of type local",
        )
    outputs = found.outputs
    if by == "endpoint":
        model_digest = str(outputs.get("modelDigest", ""))
        return {"by": by, "name": found.external_id, "modelDigest": model_digest}
    return {
        "by": by,
        "name": f"{outputs['model']}@{outputs['version']}",
        "model": outputs["model"],
        "version": outputs["version"],
        "modelDigest": str(outputs["digest"]),
    }
