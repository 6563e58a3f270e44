"""Gateways killed under load: no delivered call is missing, every accepted one accounted for."""

from __future__ import annotations

from pathlib import Path

from support.capture_kills import kill_and_check


def test_three_kills_under_load_lose_no_delivered_call(tmp_path: Path) -> None:
    kill_and_check(tmp_path / "world", 3, seed=1)
