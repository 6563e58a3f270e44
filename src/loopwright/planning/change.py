"""What a plan says about one address: the action, what differs, and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from loopwright.providers.base import Estimate, FieldChange
from loopwright.resources.address import Address

OUTPUTS = "outputs."
"""What the path of an output begins with, to tell it from a field of a spec."""


class Action(Enum):
    """The value is what JSON says; `symbol` and `words` are what people see."""

    CREATE = "create"
    UPDATE = "update"
    REPLACE = "replace"
    RUN = "run"
    REUSE = "reuse"
    PROMOTE = "promote"
    GATED = "gated"
    DELETE = "delete"
    FORGET = "forget"
    ADOPT = "adopt"
    MOVE = "move"
    WAIT = "wait"
    NOOP = "no-op"

    @property
    def symbol(self) -> str:
        return _SYMBOLS[self]

    @property
    def is_pending(self) -> bool:
        """Whether an apply has something to do or to wait for."""
        return self is not Action.NOOP

    @property
    def writes(self) -> bool:
        """Whether an apply starts something for it."""
        return self not in (Action.NOOP, Action.WAIT, Action.GATED)


_SYMBOLS = {
    Action.CREATE: "+",
    Action.UPDATE: "~",
    Action.REPLACE: "-/+",
    Action.RUN: ">",
    Action.REUSE: "=",
    Action.PROMOTE: "^",
    Action.GATED: "?",
    Action.DELETE: "-",
    Action.FORGET: "x",
    Action.ADOPT: "<",
    Action.MOVE: "@",
    Action.WAIT: ".",
    Action.NOOP: " ",
}


class Obstacle(Enum):
    """Why a change cannot simply be done."""

    NONE = ""
    DATA = "waiting for data"
    UPSTREAM = "waiting for another resource"
    RUNNING = "running"
    GATE = "waiting for a gate"
    FAILED = "failed"
    DECISION = "needs a decision"
    BUDGET = "over budget"
    PROTECTED = "protected"


@dataclass(frozen=True, slots=True)
class Unknown:
    """A value that comes to be during the apply, with what is known of it."""

    by: str
    """Address of the producer."""
    note: str = ""

    def __str__(self) -> str:
        return f"(by {self.by}{', ' + self.note if self.note else ''})"


@dataclass(frozen=True, slots=True)
class Change:
    """One line of a plan."""

    address: Address
    action: Action
    stage: int = 1
    reason: str = ""
    fields: tuple[FieldChange, ...] = ()
    after: tuple[Address, ...] = ()
    """What has to be done before it, within this plan."""
    obstacle: Obstacle = Obstacle.NONE
    revision: str = ""
    """Label of the revision it makes or reuses, e.g. `v8`."""
    estimate: Estimate | None = None
    provider: str = ""
    in_world: bool = True
    """False: only our own record changes, no provider call is made."""
    fingerprint: str = ""
    """Empty: not known before an earlier stage is done."""
    desired: Mapping[str, Any] = field(default_factory=dict)
    external_id: str = ""
    manual_steps: tuple[str, ...] = ()
    keeps_remote: bool = False
    """Of a delete or replace: the old remote object stays."""
    moved_from: Address | None = None
    attempt: int = 1
    origin: str = ""
    """file:line that wants it, or where it last stood."""
    if_passed: str = ""
    if_refused: str = ""
    """Of a gated change: both futures."""
    evidence: Mapping[str, Any] = field(default_factory=dict)
    """Of a promotion and of one that is refused: the numbers that decided it."""

    @property
    def symbol(self) -> str:
        """What people see before it: of a promotion under way, that it is one."""
        under_way = self.obstacle is Obstacle.RUNNING and self.evidence
        return (Action.PROMOTE if under_way else self.action).symbol

    @property
    def outputs(self) -> dict[str, Any]:
        """The outputs that have become others, by name."""
        return {
            field.path.removeprefix(OUTPUTS): field.after
            for field in self.fields
            if field.path.startswith(OUTPUTS)
        }

    @property
    def forces_replace(self) -> tuple[str, ...]:
        return tuple(change.path for change in self.fields if change.forces_replace)


class DriftClass(Enum):
    """Why the world differs from what was last applied."""

    OUTSIDE = "changed outside"
    GONE = "gone"
    DEFAULT = "provider default"
    STATUS = "status"
    SETTLING = "settling"
    ACCEPTED = "accepted"
    IGNORED = "ignored"

    @property
    def is_quiet(self) -> bool:
        """Whether it is told only in detail."""
        return self in (DriftClass.DEFAULT, DriftClass.IGNORED)


@dataclass(frozen=True, slots=True)
class Drift:
    """One difference between the world and the last apply."""

    address: Address
    drift_class: DriftClass
    path: str = ""
    before: Any = None
    after: Any = None
    note: str = ""
