"""After a power cut at any moment every call that was told to be durable is in the lake, once."""

from __future__ import annotations

import random
import sys
from pathlib import Path

import pytest
from lake_world import MASTER

from loopwright.errors import LakeError
from loopwright.lake.capture.completeness import audit
from loopwright.lake.capture.recorder import Recorder
from loopwright.lake.store import Lake
from support.powercut import Event, Trace, record, requires_shim

pytestmark = requires_shim

_CHILD = Path(__file__).with_name("capture_power.py")


@pytest.fixture(scope="module")
def trace(tmp_path_factory: pytest.TempPathFactory) -> Trace:
    folder = tmp_path_factory.mktemp("capture") / "disk"
    folder.mkdir()
    return record([sys.executable, str(_CHILD), str(folder)], folder)


def recovered(folder: Path) -> list[str]:
    """Ids of the calls that the lake holds after the machine came up again."""
    for lock in folder.glob("spool/main/*/lock"):
        if not lock.read_text().startswith("ended"):
            lock.write_text("the boot before")
    try:
        lake = Lake.open(folder / "lake", master=MASTER)
    except LakeError:
        return []  # it was not made yet
    assert not Recorder(folder / "spool", lambda name: lake).step().problems
    found = audit(lake, folder / "spool" / "main")
    assert found.findings == ()
    assert not any(one.pending for one in found.endpoints)
    assert lake.verify(strays=False) == []
    return [
        call_id
        for batch in lake.snapshot().scan(["call_id"])
        for call_id in batch["call_id"].to_pylist()
    ]


@pytest.mark.parametrize("share", [0.0, 0.5, 0.9])
def test_a_cut_anywhere_loses_no_durable_call_and_leaves_a_clean_account(
    trace: Trace, tmp_path: Path, share: float
) -> None:
    chance = random.Random(share)

    def survives(_: Event) -> bool:
        return chance.random() < share

    assert len(trace.said) == 6
    for at in range(chance.randrange(7), len(trace.events), 7):
        left = trace.after_cut(at, into=tmp_path / f"cut-{at}", survives=survives)
        durable = {call for place, line in trace.said if place <= at for call in line.split()}
        calls = recovered(left)
        assert len(calls) == len(set(calls)), at
        assert durable <= set(calls), at
