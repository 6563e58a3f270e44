"""Fifty gateways killed under load, each at another moment."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.capture_kills import kill_and_check

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("seed", range(10))
def test_five_kills_in_a_row_lose_no_delivered_call(seed: int, tmp_path: Path) -> None:
    kill_and_check(tmp_path / "world", 5, seed=seed)
