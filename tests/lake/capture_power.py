"""A gateway and a recorder at work, for power cuts: says which calls are durable as they are."""

from __future__ import annotations

import sys
from pathlib import Path

from loopwright.lake.capture.call_log import CallLog
from loopwright.lake.capture.recorder import Recorder
from loopwright.lake.capture.records import CapturedCall, Excluded, Lost
from loopwright.lake.keys import MasterKey
from loopwright.lake.store import Lake

NOW = 1_790_000_000_000_000


def work(root: Path) -> None:
    """Two gateways in turn, each with calls that are durable, recorded, or neither."""
    lake = Lake.create(root / "lake", master=MasterKey(b"\x07" * 32))
    recorder = Recorder(root / "spool", lambda name: lake)
    for gateway_id in ("first", "second"):
        log = CallLog.open(root / "spool" / "main", lake=lake, gateway_id=gateway_id)
        for number in range(6):
            _call(log, f"{gateway_id}-{number}")
            log.exclude(log.accept("other", call_id="out", ts=NOW), Excluded.RATE)
            log.lose(log.accept("other", call_id="lost", ts=NOW), Lost.DEFECT)
            if number % 2:
                log.commit().result()
                print(f"{gateway_id}-{number - 1}", f"{gateway_id}-{number}", flush=True)
            if number % 3 == 2:
                log.rotate()
                log.commit().result()
                recorder.step()
        log.close()
    recorder.step()


def _call(log: CallLog, call_id: str) -> None:
    ticket = log.accept("chat", call_id=call_id, ts=NOW)
    columns = {"ts": NOW, "outcome": "ok"}
    log.record(
        CapturedCall(ticket=ticket, request=b'{"messages":[]}', response=b"{}", columns=columns)
    )


if __name__ == "__main__":
    work(Path(sys.argv[1]))
