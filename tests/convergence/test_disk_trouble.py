"""A disk that is full or read-only stops an apply: nothing is asked that is not written down."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from loopwright.errors import ExitCode, StateError
from support.disks import NOBODY, largest_file
from support.portraits import creations, orphans
from support.projects import TestProject, flywheel

_PAGE = 4096
_LEASE = 120.0


@pytest.mark.parametrize("pages", [0, 2, 5, 9, 14, 20, 27, 35])
def test_a_disk_that_fills_up_in_the_middle_loses_and_repeats_nothing(
    pages: int, new_project: Callable[[], TestProject]
) -> None:
    project = new_project()
    project.apply(flywheel()[:1])
    size = (project.workspace.state_dir / "state.db").stat().st_size
    with largest_file(max(size, 32 * 1024) + pages * _PAGE), pytest.raises(StateError) as caught:
        project.apply(flywheel())
    assert caught.value.exit_code == ExitCode.ERROR
    assert "the disk" in caught.value.message
    project.clock.advance(_LEASE)  # a full disk may keep even the lock from being given back
    intents = {entry.address for entry in project.journal("intent")}
    assert {write.address for write in project.writes()} <= intents
    assert project.apply(flywheel()).exit_code == ExitCode.DONE
    assert set(creations(project).values()) == {1}
    assert not orphans(project)
    assert project.plan(flywheel()).is_empty


@pytest.fixture
def read_only() -> Iterator[TestProject]:
    """A project that was applied, in a folder where this process may write no more."""
    with tempfile.TemporaryDirectory() as temporary:
        project = TestProject(Path(temporary))
        project.apply(flywheel())
        folders = [project.folder, project.workspace.state_dir.parent, project.workspace.state_dir]
        (project.workspace.state_dir / "state.db").chmod(0o444)
        for folder in folders:
            folder.chmod(0o555)
        user = os.geteuid()
        os.seteuid(user or NOBODY)
        try:
            yield project
        finally:
            os.seteuid(user)
            for folder in folders:
                folder.chmod(0o755)


def test_a_read_only_state_can_be_planned_from_and_refuses_an_apply(
    read_only: TestProject,
) -> None:
    writes = list(read_only.world.writes)
    assert not read_only.plan(flywheel(ratio=0.3)).is_empty
    with pytest.raises(StateError, match=r"may not be written|cannot be opened"):
        read_only.apply(flywheel(ratio=0.3))
    assert read_only.world.writes == writes
