"""Gateway processes that capture calls until they are killed, and what must be true of the rest.

Run as a program it is such a gateway: it tells on stdout what it did, after it was done.
"""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path

from loopwright.lake.capture.call_log import CallLog
from loopwright.lake.capture.completeness import audit
from loopwright.lake.capture.recorder import Recorder
from loopwright.lake.capture.records import CapturedCall, Excluded, Lost
from loopwright.lake.keys import MasterKey
from loopwright.lake.store import Lake

_MASTER = MasterKey(b"\x07" * 32)
_NOW = 1_790_000_000_000_000
_PATIENCE = 120.0


class KilledCaptures:
    """A lake that gateways write to which die under load, one after the other."""

    def __init__(self, folder: Path) -> None:
        self.lake = Lake.create(folder / "lake", master=_MASTER)
        self.spool = folder / "spool"
        self._folder = folder
        self._recorder = Recorder(self.spool, lambda name: self.lake)
        self.accepted = 0
        self.delivered: set[str] = set()

    def kill_one(self, chance: random.Random) -> None:
        """Let a gateway run, kill it at any moment, and note what it had told by then."""
        command = [sys.executable, "-m", "support.capture_kills", str(self._folder)]
        told = self._folder / "told"
        with (
            told.open("wb") as out,
            subprocess.Popen(command, cwd=Path(__file__).parents[1], stdout=out) as child,
        ):
            try:
                self._wait_for_calls(told)
                time.sleep(chance.uniform(0, 0.3))
                if chance.random() < 0.5:
                    self._recorder.step()
            finally:
                child.kill()
        assert child.returncode == -9
        for line in told.read_bytes().splitlines(keepends=True):
            word, _, call_id = line.decode().partition(" ")
            if not line.endswith(b"\n"):
                continue
            self.accepted += word == "accepted"
            if word == "delivered":
                self.delivered.add(call_id.strip())

    def check(self) -> None:
        """Empty what the dead have left; nothing may be missing, twice or untold."""
        assert not self._recorder.step().problems
        found = audit(self.lake, self.spool / "main")
        assert found.findings == ()
        assert not any(one.pending for one in found.endpoints)
        calls = [
            call_id
            for batch in self.lake.snapshot().scan(["call_id"])
            for call_id in batch["call_id"].to_pylist()
        ]
        assert len(calls) == len(set(calls))
        assert self.delivered <= set(calls)
        assert sum(len(one.accepted) for one in found.endpoints) >= self.accepted

    @staticmethod
    def _wait_for_calls(told: Path) -> None:
        deadline = time.monotonic() + _PATIENCE
        while not told.stat().st_size:
            assert time.monotonic() < deadline
            time.sleep(0.002)


def kill_and_check(folder: Path, kills: int, *, seed: int) -> None:
    """`kills` gateways die in a row, and every call of theirs is accounted for."""
    folder.mkdir()
    world, chance = KilledCaptures(folder), random.Random(seed)
    for _ in range(kills):
        world.kill_one(chance)
    world.check()
    assert world.delivered


def _capture(folder: Path) -> None:
    lake = Lake.open(folder / "lake", master=_MASTER)
    log = CallLog.open(folder / "spool" / "main", lake=lake, gateway_id="gw")
    for line in _calls(log):
        sys.stdout.write(line + "\n")
        sys.stdout.flush()


def _calls(log: CallLog) -> Iterator[str]:
    text = b'{"messages":[{"role":"user","content":"' + b"x" * 5000 + b'"}]}'
    for number in count():
        call_id = f"{log.gateway_id}-{number}"
        ticket = log.accept(f"endpoint-{number % 3}", call_id=call_id, ts=_NOW + number)
        yield f"accepted {call_id}"
        if number % 7 == 3:
            log.exclude(ticket, Excluded.RATE)
        elif number % 11 == 5:
            log.lose(ticket, Lost.DEFECT)
        elif number % 13 != 8:  # that one never ends
            columns = {"ts": _NOW + number, "outcome": "ok"}
            log.record(CapturedCall(ticket=ticket, request=text, response=b"{}", columns=columns))
            yield f"delivered {call_id}"
        if number % 200 == 199:
            log.rotate()
        if number % 8 == 0:
            time.sleep(0.002)  # some 2,000 calls a second


if __name__ == "__main__":
    _capture(Path(sys.argv[1]))
