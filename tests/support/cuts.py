"""Power cuts in the middle of an apply."""

from __future__ import annotations

import sys
from pathlib import Path

from loopwright.clock import FakeClock
from loopwright.state.sqlite import open_state
from support.powercut import record

_CHILD = Path(__file__).parents[1] / "convergence/power_apply.py"


def asked_without_an_intent(folder: Path, *pragmas: str) -> list[str]:
    """Calls of which nothing would be known after a power cut at the moment they are made."""
    disk = folder / "disk"
    disk.mkdir()
    trace = record([sys.executable, str(_CHILD), str(disk), *pragmas], disk)
    assert len(trace.said) >= 8
    unknown = []
    for number, (at, call) in enumerate(trace.said):
        left = trace.after_cut(at, into=folder / f"cut-{number}")
        state = open_state(left / ".loopwright/default/state.db", clock=FakeClock())
        intents = {entry.address for entry in state.journal() if entry.kind == "intent"}
        if call.split()[1] not in intents:
            unknown.append(call)
    return unknown
