"""What is said of a call between the moment it is accepted and the moment it lies in the lake.

The words of the ledger: every accepted call ends as delivered, excluded by policy, or lost with a
reason. Values only; no files, no keys.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Excluded(StrEnum):
    """Why policy keeps an accepted call out of the lake."""

    RATE = "rate"
    """Not among the share that the delivery records."""
    INTERNAL = "internal"
    """Asked by a job of the project itself, such as an evaluation."""


class Lost(StrEnum):
    """Why an accepted call that should be in the lake is not."""

    KILLED = "killed"
    """The gateway died while the call was running."""
    SPOOL_FULL = "spool_full"
    DISK = "disk"
    """The disk refused: full, read-only or gone."""
    LAKE = "lake"
    """The lake could not be opened, so there was no key to seal with."""
    POWER = "power"
    """The end of the log was torn: a power cut within the last commit interval."""
    DEFECT = "defect"
    """Making the record failed."""


@dataclass(frozen=True, slots=True)
class Ticket:
    """An accepted call. `seq` counts per gateway and endpoint from 1, without a gap."""

    endpoint: str
    seq: int
    call_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CapturedCall:
    """A finished call as it is sealed: redacted already, streams re-assembled.

    `columns` are columns of the lake that the exchange itself does not tell (see
    `lake.columns`): `ts` (microseconds since the epoch), `latency_ms`, `outcome`, `session_id` and
    so on; `subject` is the end user's raw id, which leaves the log only as a keyed hash.
    `request` and `response` are JSON as UTF-8.
    """

    ticket: Ticket
    request: bytes
    response: bytes
    operation: str = "chat"
    subject: str | None = None
    columns: Mapping[str, Any] = field(default_factory=dict)
