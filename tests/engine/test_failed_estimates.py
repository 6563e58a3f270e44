"""One run that nobody can put numbers on holds up itself and its users, and nothing else."""

from __future__ import annotations

import pytest

from loopwright.errors import ExitCode, PermanentError
from loopwright.planning.change import Action, Obstacle
from loopwright.providers.base import Estimate, LastRun, Target
from loopwright.providers.memory.adapter import MemoryAdapter
from loopwright.resources.address import Address
from loopwright.resources.base import Resource
from support.projects import TestProject, flywheel, resource

BROKEN, HEALTHY = Address("Dataset", "broken"), Address("Dataset", "router")
WHY = "no column nosuch; see `loopwright lake schema`"


def _wanted(*, base: str = "tiny") -> list[Resource]:
    kept = {"Provider/mem", "Lake/main", str(HEALTHY)}
    job = {"provider": "mem", "base": base}
    return [
        *(found for found in flywheel() if str(found.address) in kept),
        resource(
            "Dataset", "broken", provider="mem", source={"lake": "main"}, sampling={"ratio": 0.3}
        ),
        resource("FineTuneJob", "broken", **job, dataset=str(BROKEN)),
        resource("FineTuneJob", "router", **job, dataset=str(HEALTHY)),
    ]


@pytest.fixture
def _broken_estimate(monkeypatch: pytest.MonkeyPatch) -> None:
    estimate = MemoryAdapter.estimate

    def failing(adapter: MemoryAdapter, target: Target, last: LastRun | None) -> Estimate:
        if target.address == BROKEN:
            raise PermanentError("no column nosuch", hint="see `loopwright lake schema`")
        return estimate(adapter, target, last)

    monkeypatch.setattr(MemoryAdapter, "estimate", failing)


@pytest.mark.usefixtures("_broken_estimate")
@pytest.mark.parametrize("has_lake", [True, False], ids=["at plan time", "in a late stage"])
def test_healthy_branches_run_beside_a_failing_estimate(
    has_lake: bool, project: TestProject
) -> None:
    if has_lake:
        project.apply([found for found in _wanted() if found.kind in ("Provider", "Lake")])
        change = project.plan(_wanted()).change(BROKEN)
        assert change is not None
        assert (change.action, change.obstacle) == (Action.WAIT, Obstacle.FAILED)
    outcome = project.apply(_wanted())
    assert outcome.exit_code == ExitCode.PARTIAL
    assert set(outcome.applied.failed) == {BROKEN}
    reason = outcome.applied.failed[BROKEN]
    assert reason.startswith(f"cannot be estimated: {WHY} (wanted by all.yaml:")
    assert project.record(str(HEALTHY)).current == 1
    assert project.record("FineTuneJob/router").current == 1
    assert project.writes_to(str(BROKEN)) == project.writes_to("FineTuneJob/broken") == 0


@pytest.mark.usefixtures("_broken_estimate")
def test_a_trigger_that_cannot_be_watched_says_so(
    project: TestProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched = [
        *(found for found in _wanted() if found.kind in ("Provider", "Lake")),
        resource(
            "Dataset",
            "broken",
            provider="mem",
            source={"lake": "main"},
            sampling={"ratio": 0.3},
            trigger={"minNewCalls": 10},
        ),
    ]
    with monkeypatch.context() as healthy:
        healthy.setattr(MemoryAdapter, "estimate", lambda *_: Estimate())
        assert project.apply(watched).exit_code == ExitCode.DONE
    outcome = project.apply(watched)
    assert outcome.exit_code == ExitCode.PARTIAL
    assert WHY in outcome.applied.failed[BROKEN]
