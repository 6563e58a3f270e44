"""Two applies and a watcher at once: one goes on, the others say who holds the lock."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from loopwright.errors import ExitCode, StateLockedError
from support.portraits import creations
from support.projects import TestProject
from support.writers import apply_as, late_writer_is_refused, others_are_told_who_it_is


def test_while_one_applies_another_and_a_watcher_are_told_who_it_is(
    project: TestProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    others_are_told_who_it_is(project, monkeypatch)


def test_a_writer_that_slept_through_its_lease_is_refused_by_its_token(
    project: TestProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    late_writer_is_refused(project, monkeypatch)


def test_of_many_applies_at_once_each_ends_and_everything_is_made_once(
    project: TestProject,
) -> None:
    def one(number: int) -> ExitCode | str:
        try:
            return apply_as(project, f"w{number}").exit_code
        except StateLockedError as error:
            return error.message

    with ThreadPoolExecutor(6) as pool:
        endings = list(pool.map(one, range(12)))
    assert ExitCode.DONE in endings
    assert all("locked by w" in ending for ending in endings if isinstance(ending, str))
    assert creations(project) == {"Lake/a": 1, "Lake/b": 1}
