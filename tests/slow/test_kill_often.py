"""Two hundred kills of the command line, each at another moment."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.kills import kill_and_finish

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("seed", range(100, 150))
def test_four_kills_in_a_row_lose_nothing_and_start_nothing_twice(
    seed: int, tmp_path: Path
) -> None:
    kill_and_finish(tmp_path / "project", 4, seed=seed)
