"""The law of convergence, for any manifests and any world."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import Phase
from hypothesis import strategies as st

from loopwright.errors import ExitCode
from loopwright.manifests.project import Project
from loopwright.resources.base import Resource
from support.manifest_sets import Meddling, connections, manifest_sets
from support.portraits import orphans
from support.projects import TestProject

ANY_PRUNE = Project.model_validate({"prune": {"maxShare": 1}})
NO_SHRINK = (Phase.explicit, Phase.reuse, Phase.generate)
"""Shrinking whole projects takes minutes; the sets are small as they are."""


@st.composite
def pairs(draw: Callable[[Any], Any]) -> tuple[list[Resource], list[Resource]]:
    """Two sets over one cloud."""
    said = draw(connections())
    return draw(manifest_sets(connection=said)), draw(manifest_sets(connection=said))


def apply(project: TestProject, resources: list[Resource], **selection: Any) -> None:
    """One apply that must leave nothing open."""
    outcome = project.apply(resources, project=ANY_PRUNE, **selection)
    assert outcome.exit_code == ExitCode.DONE, outcome.applied


def converge(
    project: TestProject, before: list[Resource], now: list[Resource], meddling: list[Meddling]
) -> None:
    """Whatever was applied before, and whatever others did since: one apply is enough."""
    apply(project, before)
    for meddle in meddling:
        meddle(project)
    apply(project, now)
    assert project.plan(now, project=ANY_PRUNE).is_empty
    assert project.plan(now, project=ANY_PRUNE, refresh=False).is_empty
    assert not orphans(project)
