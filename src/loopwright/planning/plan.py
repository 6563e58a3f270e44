"""The plan as a value: everything a person, a pull request or `apply` needs to know of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from loopwright.errors import ExitCode
from loopwright.planning.change import Action, Change, Drift, Obstacle
from loopwright.providers.base import Range
from loopwright.resources.address import Address

FORMAT_VERSION = 1


@dataclass(frozen=True, slots=True)
class Envelope:
    """What an approval covers: later stages run inside these bounds, or stop and ask."""

    cost: float | None = None
    currency: str = ""
    rows: int | None = None
    hours: float | None = None
    deletes: int = 0


@dataclass(frozen=True, slots=True)
class Selection:
    """What the plan was asked to be about."""

    targets: tuple[str, ...] = ()
    excludes: tuple[str, ...] = ()
    replaces: tuple[str, ...] = ()
    destroy: bool = False
    delete_data: bool = False
    refresh: bool = True
    prune: bool = True

    @property
    def is_partial(self) -> bool:
        return bool(self.targets or self.excludes)


@dataclass(frozen=True, slots=True)
class Caution:
    """Something a person should know before saying yes."""

    address: str
    message: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Quiet:
    """An address that is left alone on purpose, and why."""

    address: Address
    reason: str


@dataclass(frozen=True, slots=True)
class Header:
    """What is compared with what."""

    environment: str
    lineage: str
    serial: int
    manifests: str
    """Digest of the manifest set."""
    sources: tuple[str, ...]
    commit: str = ""
    refreshed_at: str = ""
    observed: int = 0
    """How many objects were looked at."""


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums of the estimates of everything that would run."""

    cost: Range | None = None
    currency: str = ""
    hours: Range | None = None
    rows: Range | None = None
    tokens: Range | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """What would happen, in causal order, and what it would take."""

    header: Header
    changes: tuple[Change, ...] = ()
    """Every address once, stages ascending; no-ops included."""
    drift: tuple[Drift, ...] = ()
    quiet: tuple[Quiet, ...] = ()
    cautions: tuple[Caution, ...] = ()
    totals: Totals = field(default_factory=Totals)
    envelope: Envelope = field(default_factory=Envelope)
    selection: Selection = field(default_factory=Selection)
    variables: Mapping[str, str] = field(default_factory=dict)
    """Values given on the command line, needed to read the same manifests again."""
    world: Mapping[str, str] = field(default_factory=dict)
    """Digest of what was observed, by address that the plan touches."""
    format_version: int = FORMAT_VERSION

    @property
    def pending(self) -> tuple[Change, ...]:
        return tuple(change for change in self.changes if change.action.is_pending)

    @property
    def is_empty(self) -> bool:
        return not self.pending

    @property
    def unchanged(self) -> int:
        return len(self.changes) - len(self.pending)

    def counts(self) -> Mapping[Action, int]:
        """How many changes of each action, no-ops included."""
        return Counter(change.action for change in self.changes)

    def change(self, address: Address) -> Change | None:
        return next((change for change in self.changes if change.address == address), None)

    def exit_code(self, *, detailed: bool = False) -> ExitCode:
        """What `plan` ends with: refusals always, pending changes and waits when asked for."""
        obstacles = {change.obstacle for change in self.changes}
        if obstacles & {Obstacle.BUDGET, Obstacle.PROTECTED}:
            return ExitCode.REFUSED
        if Obstacle.DECISION in obstacles:
            return ExitCode.DECISION
        if not detailed or self.is_empty:
            return ExitCode.DONE
        writes = any(
            change.action.writes and change.obstacle is Obstacle.NONE for change in self.changes
        )
        return ExitCode.CHANGES if writes else ExitCode.WAITING
