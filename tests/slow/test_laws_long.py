"""The law of convergence over two thousand random pairs of manifest sets and worlds."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings

from loopwright.resources.base import Resource
from support.laws import NO_SHRINK, converge, pairs
from support.manifest_sets import Meddling, meddlings
from support.projects import TestProject

pytestmark = pytest.mark.slow


@given(pairs(), meddlings())
@settings(max_examples=2000, phases=NO_SHRINK)
def test_after_an_apply_there_is_nothing_to_plan(
    new_project: Callable[[], TestProject],
    sets: tuple[list[Resource], list[Resource]],
    meddling: list[Meddling],
) -> None:
    converge(new_project(), *sets, meddling)
