"""The adapters of the `local` provider keep the contract, with jobs inline and in processes."""

from __future__ import annotations

from pathlib import Path

import pytest

from loopwright.providers.conformance import Finding, Verdict, run_conformance
from loopwright.providers.local import factory
from support.daemons import ending
from support.local_worlds import do_jobs_inline

RUNS = {"CallImport", "Dataset", "Export"}
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
    with ending(folder):
        return list(run_conformance(factory, "local", connection={}, folder=folder))


def _must_keep_every_rule(findings: list[Finding]) -> None:
    assert [found for found in findings if found.verdict is Verdict.FAILED] == []
    skipped = {(found.kind, found.check) for found in findings if found.verdict == "skipped"}
    assert skipped == UNJUDGED


def test_every_rule_holds_that_can_be_judged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    do_jobs_inline(monkeypatch)
    _must_keep_every_rule(_findings(tmp_path))


@pytest.mark.slow
def test_every_rule_holds_of_work_in_processes_of_its_own(tmp_path: Path) -> None:
    _must_keep_every_rule(_findings(tmp_path))
