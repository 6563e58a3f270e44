"""The EvalRun adapter: evaluations, each a folder with a report."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

from loopwright.daemon.stages import Stages
from loopwright.errors import EvaluationError
from loopwright.hashing import digest
from loopwright.providers.base import (
    Estimate,
    LastRun,
    Observed,
    Operation,
    OperationStatus,
    Opinion,
    Severity,
    Target,
)
from loopwright.providers.local.job_adapter import JobAdapter, refusal
from loopwright.providers.local.places import Places
from loopwright.providers.local.receipts import Receipt, Receipts
from loopwright.providers.local.refusing import explained
from loopwright.providers.local.serving import Serving
from loopwright.providers.local.untouched import as_put

RECEIPTS = ".receipts"
"""Folder beside the runs; none of them can have this name."""
CACHE = "cache"
"""Folder beside the runs that answers are kept in."""
_PASSING_BY = ("rateLimit", "description", "lifecycle", "promote", "running")
"""Fields of an endpoint that do not decide what its model answers."""


class EvalRunAdapter(JobAdapter):
    """Evaluations; the external id is `name@vN`."""

    def receipts(self, target: Target) -> Receipts:
        """Beside the runs, so that they move together."""
        del target
        return receipts_of(self.places)

    def is_there(self, receipt: Receipt) -> bool:
        """A run is one while its report is in place."""
        folder = run_folder(self.places, receipt.external_id)
        return folder is not None and (folder / "report.json").is_file()

    def _told(self, receipt: Receipt) -> Observed:
        folder, found = run_folder(self.places, receipt.external_id), super()._told(receipt)
        files = receipt.facts.get("files", {})
        return as_put(found, folder, files, self.places) if folder else found

    def create(self, target: Target, key: str) -> Operation:
        """Begin to evaluate. What is asked of which model is settled now."""
        from loopwright.providers.local.eval_sets import (
            contestants,
            floors_file,
            model_digest,
            question_sets,
        )

        with explained(target.address, "create"):
            asked, name = contestants(target), target.address.name
            floors = floors_file(target, self.places)
            baseline = target.inputs.get("baseline")
            sets = question_sets(target, self.places)
            judges = {one.judging.endpoint for one in sets if one.judging}
            endpoints = sorted({one["endpoint"] for one in asked} | judges)
            mixed = [one for one in endpoints if is_taken_over(self.places, one)]
            if mixed and not self.jobs.knows(key):
                waits = f"Endpoint/{mixed[0]} is being taken over by another model"
                return Operation(key, OperationStatus.FAILED, waiting=waits)
            return self.begin(
                target,
                key,
                task="eval_run",
                external_id=f"{name}@v{next_version(self.places, name)}",
                arguments={
                    "name": name,
                    "suite": target.inputs["suite"].address.name,
                    "sets": [one.to_json() for one in sets],
                    "contestants": asked,
                    "declared": {one: declared_digest(self.places, one) for one in endpoints},
                    "floors": str(floors) if floors else None,
                    "confidence": target.spec.get("confidence", 0.95),
                    "concurrency": target.spec.get("concurrency", 8),
                    "baselineDigest": baseline.digest if baseline else "",
                    "baselineModelDigest": model_digest(baseline) if baseline else "",
                    "prices": dict(self.places.prices),
                },
            )

    def delete(self, target: Target, observed: Observed, key: str) -> Operation:
        """Remove every run that this resource made; answers that were paid for stay."""
        with explained(target.address, "delete"):
            receipts = self.receipts(target)
            ours = {found.external_id for found in receipts.owned(target.owner)}
            for external_id in sorted(ours | {observed.external_id}):
                if folder := run_folder(self.places, external_id):
                    shutil.rmtree(folder, ignore_errors=True)
                receipts.remove(external_id)
        return Operation(key, external_id=observed.external_id)

    def estimate(self, target: Target, last: LastRun | None) -> Estimate:
        """Counted in the files of questions, and in the answers that are kept."""
        from loopwright.providers.local.eval_estimate import estimate_of

        with explained(target.address, "estimate"):
            return estimate_of(target, self.places, last=last)

    def opinions(self, target: Target) -> Iterable[Opinion]:
        """Every problem of the questions, while a plan is all that there is."""
        from loopwright.providers.local.eval_sets import drawn_without_split, floors_file

        yield from self._bad_questions(target)
        for name in drawn_without_split(target, self.places):
            yield refusal(
                target,
                f"the dataset {name} has no validation split to ask questions from",
                "give it split: {validation: 0.1}, or name a file",
            )
        floors = floors_file(target, self.places)
        if floors is not None and not floors.is_file():
            message = f"{floors.parent.parent.name} has no training split to learn floors from"
            yield refusal(target, message, "leave out spec.floors")
        yield from self._strange_judges(target)

    def _bad_questions(self, target: Target) -> Iterator[Opinion]:
        from loopwright.evaluation.items import load_items
        from loopwright.providers.local.eval_sets import question_sets

        for asked in question_sets(target, self.places):
            if not asked.path or not asked.file.is_file():
                continue  # a file that is missing is the manifests' own problem
            try:
                load_items(asked)
            except EvaluationError as error:
                said = f"{asked.capability}/{asked.name}: {error.message}"
                yield refusal(target, said, error.hint or "")

    def _strange_judges(self, target: Target) -> Iterator[Opinion]:
        from loopwright.providers.local.eval_sets import question_sets

        judged = [one for one in question_sets(target, self.places) if one.judging]
        compared = "baseline" in target.inputs
        for asked in judged:
            judging = asked.judging
            if judging and judging.pairwise and not compared:
                yield refusal(
                    target,
                    f"{asked.capability}/{asked.name} compares pairs, and there is no baseline",
                    "name spec.baseline, or leave out judge.pairwise",
                )
        judges = {one.judging.endpoint for one in judged if one.judging}
        for path in ("endpoint", "baseline"):
            found = target.inputs.get(path)
            if found is not None and found.address.name in judges:
                yield Opinion(
                    Severity.WARNING,
                    str(target.address),
                    f"{found.address} judges its own answers",
                    "models prefer what they would say themselves; judge with another one",
                )


def receipts_of(places: Places) -> Receipts:
    """Of all evaluations of an environment."""
    return Receipts(places.evaluations / RECEIPTS)


def run_folder(places: Places, external_id: str) -> Path | None:
    """Where a run lies; None for what is no id of one."""
    name, at, number = external_id.rpartition("@v")
    return places.evaluations / name / f"v{number}" if at and number.isdigit() else None


def next_version(places: Places, name: str) -> int:
    """One more than any run of this name had."""
    found = (path.name.removeprefix("v") for path in (places.evaluations / name).glob("v*"))
    return 1 + max((int(number) for number in found if number.isdigit()), default=0)


def declared_digest(places: Places, endpoint: str) -> str:
    """What the daemon is to serve under a name, as far as it decides answers; "" for nothing."""
    declared = Serving(places).folder.endpoints.get(endpoint)
    if declared is None:
        return ""
    said = {name: one for name, one in declared.spec.items() if name not in _PASSING_BY}
    return digest([said, declared.canary["key"]] if declared.canary else said)


def is_taken_over(places: Places, endpoint: str) -> bool:
    """Whether two models answer under this name now: one takes over from another in steps."""
    folder = Serving(places).folder
    declared = folder.endpoints.get(endpoint)
    if declared is None or not declared.canary:
        return False
    stage = Stages(folder.canaries).read(endpoint, declared.canary["key"])
    return stage is None or not stage.outcome
