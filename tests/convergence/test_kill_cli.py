"""The command line is killed in the middle of its work: nothing is started twice, nothing lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.kills import kill_and_finish


@pytest.mark.parametrize(("seed", "kills"), [(1, 1), (4, 2), (6, 3)])
def test_an_apply_that_was_killed_is_finished_by_the_next(
    seed: int, kills: int, tmp_path: Path
) -> None:
    kill_and_finish(tmp_path / "project", kills, seed=seed)
