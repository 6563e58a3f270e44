"""Rolling back a promoted endpoint: the earlier model serves again, and stays."""

from __future__ import annotations

import pytest

from loopwright.cli.describe import _lines as describe
from loopwright.engine.mending import roll_back
from loopwright.planning.decisions import decision_lines
from loopwright.resources.address import Address
from support.projects import TestProject, flywheel

PROD = Address("Endpoint", "prod")


def roll_back_prod(project: TestProject) -> str:
    with project.session() as session:
        return roll_back(session, PROD, None, by="li", reason="worse", clock=project.clock)


def serves(project: TestProject) -> object:
    return project.record(str(PROD)).spec["model"]


@pytest.fixture
def promoted(project: TestProject) -> TestProject:
    project.apply(flywheel())
    assert serves(project) == {"model": "Model/router@1"}
    return project


def test_a_promotion_is_taken_back_by_the_next_apply(promoted: TestProject) -> None:
    told = roll_back_prod(promoted)
    assert "generation 1 again" in told
    promoted.apply(flywheel())
    assert serves(promoted) == {"base": "tiny"}


def test_a_rollback_stands_among_the_decisions(promoted: TestProject) -> None:
    roll_back_prod(promoted)
    promoted.apply(flywheel())
    newest = next(decision_lines(promoted.record(str(PROD))))
    assert "v1 rolled back, by li: worse; generation 1 is to serve again" in newest
    shown = list(describe(promoted.record(str(PROD)), None))
    assert "  promoted: Model/router@1 (rolled back to generation 1 by li)" in shown


def test_later_passes_respect_it(promoted: TestProject) -> None:
    roll_back_prod(promoted)
    promoted.apply(flywheel())
    writes = len(promoted.writes())
    assert promoted.plan(flywheel()).is_empty
    promoted.apply(flywheel())
    assert len(promoted.writes()) == writes
    assert serves(promoted) == {"base": "tiny"}


def test_a_newer_model_that_passes_the_gate_takes_over(promoted: TestProject) -> None:
    roll_back_prod(promoted)
    promoted.apply(flywheel())
    promoted.apply(flywheel(ratio=0.3))
    assert serves(promoted) == {"model": "Model/router@2"}
