"""The adapters of the `local` provider keep the contract, with jobs inline and in processes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from loopwright.providers.conformance import Finding, Verdict, run_conformance
from loopwright.providers.conformance_samples import Samples, default_samples
from loopwright.providers.local import factory
from support.daemons import ending
from support.local_worlds import do_jobs_inline
from support.trainers import Trainer
from support.upstreams import upstream_in_thread

RUNS = {"CallImport", "Dataset", "Export", "BatchInference", "EvalRun", "FineTuneJob"}
UNJUDGED = {
    *((kind, "an-update-changes-the-named-fields-alone") for kind in RUNS),
    *((kind, "a-write-only-field-is-not-told-back") for kind in RUNS),
    *((kind, "a-failure-is-raised-and-never-absence") for kind in factory.capabilities),
    *((kind, "a-list-agrees-with-single-looks") for kind in {"Lake", "Model", *RUNS}),
    ("CallImport", "deleting-twice-succeeds"),
    *((kind, "a-cancelled-operation-stops") for kind in ("Lake", "Endpoint", "Delivery")),
    *((kind, "a-write-only-field-is-not-told-back") for kind in ("Delivery", "Model")),
}


def _findings(folder: Path) -> list[Finding]:
    with ending(folder), upstream_in_thread() as upstream:
        samples = _samples(upstream.url)
        return list(
            run_conformance(factory, "local", connection={}, folder=folder, samples=samples)
        )


def _samples(url: str) -> Samples:
    """Those that ship, with a server behind the endpoint that answers."""
    found = dict(default_samples())
    for address, sample in found.items():
        if address.kind == "Endpoint":
            data = sample.resource.model_dump(mode="json", by_alias=True, exclude_none=True)
            data["spec"]["model"]["upstream"]["url"] = url
            found[address] = replace(sample, resource=type(sample.resource).model_validate(data))
    return found


def _must_keep_every_rule(findings: list[Finding]) -> None:
    assert [found for found in findings if found.verdict is Verdict.FAILED] == []
    skipped = {(found.kind, found.check) for found in findings if found.verdict == "skipped"}
    assert skipped == UNJUDGED


def test_every_rule_holds_that_can_be_judged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    do_jobs_inline(monkeypatch)
    monkeypatch.setattr("loopwright.tuning.launching.run", Trainer())
    _must_keep_every_rule(_findings(tmp_path))


@pytest.mark.slow
def test_every_rule_holds_of_work_in_processes_of_its_own(tmp_path: Path) -> None:
    _must_keep_every_rule(_findings(tmp_path))
