"""What is in no lake and no log of one: held in memory by gateways, or left for another lake.

The daemon is asked for what gateways hold because their logs do not take it. To be asked
before the log is read: what is written down meanwhile is then told twice, not left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from loopwright.cli.recorded_data import RecordedLake
from loopwright.errors import DaemonError

if TYPE_CHECKING:
    from loopwright.lake.capture.accounts import Accounts
    from loopwright.lake.capture.left import Left


@dataclass(frozen=True, slots=True)
class Unwritten:
    """What became of calls of one lake, by gateway; `silent` says why nobody could tell."""

    gateways: Mapping[str, Accounts] = field(default_factory=dict)
    silent: str = ""

    @property
    def lost(self) -> int:
        accounts = [one for held in self.gateways.values() for one in held.values()]
        return sum(len(numbers) for one in accounts for numbers in one.lost.values())


def unwritten(place: RecordedLake) -> Unwritten:
    """Nothing where no daemon serves: what it held is then counted by the numbers it noted."""
    from loopwright.daemon.client import DaemonClient
    from loopwright.lake.capture.accounts import from_json

    client = DaemonClient.of(place.daemon) if place.daemon else None
    if client is None:
        return Unwritten()
    try:
        told = client.status()["unwritten"].get(place.name, {})
    except DaemonError as error:
        return Unwritten(silent=error.message)
    return Unwritten({gateway: from_json(held) for gateway, held in told.items()})


def left_words(left: Left) -> str:
    """What waits for a lake that is not served under this name any more, and what to do."""
    return (
        f"{left.calls:,} {'call' if left.calls == 1 else 'calls'} for the lake {left.lake_id} in "
        f"{left.folder}: taken when its storage is back; remove the folder if it never will be"
    )
