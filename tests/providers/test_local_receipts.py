"""Receipts are looked at while others put and remove them."""

from __future__ import annotations

from pathlib import Path
from threading import Thread

from loopwright.providers.local.receipts import Receipt, Receipts


def test_looking_while_another_removes_sees_the_ones_that_stay(tmp_path: Path) -> None:
    receipts = Receipts(tmp_path / "receipts")
    receipts.put(Receipt("stays", "us"))

    def come_and_go() -> None:
        for number in range(300):
            receipts.put(Receipt(f"goes-{number % 7}", "them"))
            receipts.remove(f"goes-{number % 7}")

    other = Thread(target=come_and_go)
    other.start()
    while other.is_alive():
        assert [found.external_id for found in receipts.owned("us")] == ["stays"]
    other.join()
    assert [found.external_id for found in receipts.all()] == ["stays"]
