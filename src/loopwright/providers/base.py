"""The provider contract: five verbs an adapter, values in and out, a few optional protocols.

The diff is the core's, never an adapter's: an adapter observes in the spec's own vocabulary.
Verbs are synchronous, non-blocking and idempotent. Nothing here imports a driver.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from pydantic import BaseModel

from loopwright.clock import Clock
from loopwright.manifests.project import Project
from loopwright.manifests.secrets import SecretRef
from loopwright.resources.address import Address


class Idempotency(StrEnum):
    """How a create whose answer was lost is resolved."""

    TOKEN = "token"
    """The API takes our key: calling again with it gives the same operation."""

    NAME = "name"
    """The object bears our key or owner tag: `create` looks for it before it makes one. What a
    lost answer has made is seen once the settling time is over."""

    NONE = "none"
    """Neither: stop and ask a person."""


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a provider can do with a kind. Static data, known without a driver."""

    idempotency: Idempotency = Idempotency.NAME
    updatable: frozenset[str] | None = None
    """Top-level spec fields that change in place; None: every one not marked immutable."""
    write_only: frozenset[str] = frozenset()
    """Top-level spec fields the world may not tell back; never planned as drift."""
    can_delete: bool = True
    """False: the plan says forget instead of delete."""
    settling: timedelta = timedelta(0)
    """How long after a create a missing object is not yet taken for absent."""
    manual_steps: tuple[str, ...] = ()
    """Steps that a person does by hand, printed by the plan."""
    estimates_early: bool = False
    """Its estimate needs nothing that an earlier stage of the plan makes."""
    estimates_planned: bool = False
    """Its estimate can go by what is planned of its inputs (`Resolved.planned`)."""
    max_parallel: int | None = None
    """Calls of this kind at once; None: as many as the engine allows."""


class OperationStatus(StrEnum):
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_terminal(self) -> bool:
        return self is not OperationStatus.RUNNING


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a running operation is. `total` 0: unknown."""

    done: float = 0
    total: float = 0
    unit: str = ""
    note: str = ""
    eta_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Operation:
    """One call begun at a provider, maybe still running. JSON-serialisable: it is state."""

    key: str
    status: OperationStatus = OperationStatus.SUCCEEDED
    external_id: str = ""
    handle: Mapping[str, Any] = field(default_factory=dict)
    """What the adapter needs, besides `external_id`, to find it again after a restart."""
    outputs: Mapping[str, Any] = field(default_factory=dict)
    progress: Progress | None = None
    message: str = ""
    transient: bool = False
    """Of a failure: whether trying again may help."""
    waiting: str = ""
    """Of a failure: what it waits for, when nothing went wrong but there was too little yet."""
    refused: str = ""
    """Of a failed canary: why it went back, with the numbers, e.g. `error rate 7.1 % > 2 % at
    25 %`. The incumbent serves all calls again, and nothing went wrong with the call itself."""
    manual_step: str = ""
    """Of a running operation: what a person has to do for it to go on."""
    poll_after: float = 1.0
    """Seconds until asking again makes sense."""

    def with_status(self, status: OperationStatus, **changes: Any) -> Operation:
        return replace(self, status=status, **changes)


@dataclass(frozen=True, slots=True)
class Resolved:
    """What a reference points at, as state records it."""

    address: Address
    external_id: str = ""
    revision: int | None = None
    digest: str = ""
    outputs: Mapping[str, Any] = field(default_factory=dict)
    spec: Mapping[str, Any] = field(default_factory=dict)
    base_dir: Path = field(default_factory=Path)
    """Folder of its manifest, for the files that its spec names."""
    planned: Estimate | None = None
    """Of a run that an earlier stage of the plan makes: what it is expected to come to; without
    rows where nobody can tell yet, and then only notes of the answer count. Only
    `estimate` meets this, of adapters whose capabilities say `estimates_planned`; the other
    fields are of the revision before, if there is one."""


@dataclass(frozen=True, slots=True)
class Target:
    """A resource as an adapter gets it: desired spec in normal form, references resolved."""

    address: Address
    spec: Mapping[str, Any]
    owner: str = ""
    """Tag that marks the remote object as ours: lineage and address."""
    inputs: Mapping[str, Resolved] = field(default_factory=dict)
    """By dotted field path, e.g. `source.lake`."""
    reads: Mapping[str, Resolved] = field(default_factory=dict)
    """What decides its result without being waited for, by dotted field path: an EvalSuite under
    the path that reads it, and what that suite refers to under its own path after it."""
    attached: tuple[Target, ...] = ()
    """Resources that come with it: an endpoint's deliveries."""
    revision: int | None = None
    """Of a run: the number this run will have, or has."""
    fingerprint: str = ""
    """Of a run that is created: what decides its result. An adapter that keeps it and tells it
    as the output `fingerprint` lets a lost state be rebuilt without running anything again."""
    base_dir: Path = field(default_factory=Path)
    labels: Mapping[str, str] = field(default_factory=dict)
    canary: Mapping[str, Any] = field(default_factory=dict)
    """Of the `update` that promotes, and of its `poll`: `spec.promote.canary` in normal form. The
    operation is running until the new model serves every call, with `progress` in percent of the
    calls; it has failed with `refused` once it went back by itself. The same update asked again
    while it runs gives that operation; an update without a canary ends it at once. Meanwhile
    `observe` tells the model from before."""


@dataclass(frozen=True, slots=True)
class Observed:
    """What exists now, in spec vocabulary. Fields the provider cannot tell are left out."""

    external_id: str
    spec: Mapping[str, Any] = field(default_factory=dict)
    outputs: Mapping[str, Any] = field(default_factory=dict)
    """As an operation gives them. One that became another is planned as a change of our record."""
    ready: bool = True
    status: str = ""
    owner: str = ""
    beside: tuple[FieldChange, ...] = ()
    """What differs from what is declared outside of the spec, such as settings of the project;
    an update brings it about."""


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One field of a spec that differs. A missing side is None."""

    path: str
    before: Any = None
    after: Any = None
    forces_replace: bool = False


@dataclass(frozen=True, slots=True)
class Range:
    """An estimate: what is likely, and between what bounds. Equal bounds: exact."""

    likely: float
    low: float
    high: float

    @classmethod
    def exact(cls, value: float) -> Range:
        return cls(value, value, value)

    def __add__(self, other: Range) -> Range:
        return Range(self.likely + other.likely, self.low + other.low, self.high + other.high)


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a run would do, from metadata and history, not guessed."""

    rows: Range | None = None
    population: Range | None = None
    tokens: Range | None = None
    steps: Range | None = None
    hours: Range | None = None
    cost: Range | None = None
    currency: str = ""
    dropped: Mapping[str, Range] = field(default_factory=dict)
    """Rows left out, by reason."""
    new_calls: int | None = None
    """Matching calls that arrived since the last revision."""
    waiting: str = ""
    """Why it cannot start yet, e.g. `312 of 1,000 rows`. Empty: it can."""
    failed: str = ""
    """Why there are no numbers: asking for them failed, so the run would too."""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LastRun:
    """The newest finished revision of a series, for estimates and triggers."""

    revision: int
    outputs: Mapping[str, Any]
    finished_at: str


class Severity(StrEnum):
    ERROR = "error"
    FORBIDDEN = "forbidden"
    """Of a target: whoever acts here may see it planned, and may not apply it."""
    WARNING = "warning"
    OK = "ok"


@dataclass(frozen=True, slots=True)
class Opinion:
    """What a provider thinks of a target or of itself before anything is done."""

    severity: Severity
    subject: str
    message: str
    hint: str = ""
    path: str = ""
    """The field it is about, below `spec`, e.g. `hyperparameters.epochs`; empty: the whole."""


class Adapter(Protocol):
    """One kind on one provider."""

    capabilities: Capabilities

    def observe(self, target: Target, external_id: str | None) -> Observed | None:
        """What exists. None only when surely absent; any failure is raised, never None.

        Without an id, looks for the object that bears the target's owner tag.
        """
        ...

    def create(self, target: Target, key: str) -> Operation:
        """Begin to make it. The same key gives the same operation, never a second object."""
        ...

    def update(
        self, target: Target, observed: Observed, changes: Sequence[FieldChange], key: str
    ) -> Operation:
        """Change these fields in place, and no others."""
        ...

    def delete(self, target: Target, observed: Observed, key: str) -> Operation:
        """Remove it; removing the already gone succeeds. The target is of the last record."""
        ...

    def poll(self, target: Target, operation: Operation) -> Operation:
        """Bring a running operation on. Terminal statuses stay."""
        ...


@runtime_checkable
class SupportsList(Protocol):
    """One batched look at the world instead of one call an object."""

    def observe_all(
        self, targets: Sequence[tuple[Target, str | None]]
    ) -> Mapping[Address, Observed | None]: ...


@runtime_checkable
class SupportsEstimate(Protocol):
    """Numbers before money."""

    def estimate(self, target: Target, last: LastRun | None) -> Estimate: ...


@runtime_checkable
class SupportsPins(Protocol):
    """What names in a spec stand for, where neither the spec nor a reference says it."""

    def pins(self, target: Target) -> Mapping[str, str]:
        """Field path -> what its value stands for now, e.g. `base` -> a digest or a commit.

        Pins decide results as spec and inputs do. Asked at every plan, so it must be quick and
        must not change by itself. Raises LoopwrightError when a name stands for nothing.
        """
        ...


@runtime_checkable
class SupportsNormalForm(Protocol):
    """Fields whose values come to the same however they are written."""

    def normal(self, target: Target) -> Mapping[str, Any]:
        """Top-level spec field -> the part of its value that decides a run's result, written in
        one way; without defaults, so that they may be said. Empty values decide nothing.

        By this a run is told from another: what stays the same is not paid for again. Asked at
        every plan, must look nothing up and must not raise.
        """
        ...


@runtime_checkable
class SupportsCheck(Protocol):
    """Opinions on a target at plan time: permission, service opened, quota, unsupported use."""

    def check(self, target: Target) -> Iterable[Opinion]: ...


@runtime_checkable
class SupportsCancel(Protocol):
    """Stop a running operation; `poll` tells when it has stopped."""

    def cancel(self, target: Target, operation: Operation) -> Operation: ...


@runtime_checkable
class SupportsAdopt(Protocol):
    """Find an existing object that is not ours yet, by what a person would call it."""

    def find(self, target: Target) -> Sequence[Observed]: ...

    def adopt(self, target: Target, observed: Observed, key: str) -> Operation:
        """Put our owner tag on it."""
        ...


@runtime_checkable
class SupportsTakeBack(Protocol):
    """End a takeover in steps that is under way, at once."""

    def take_back(self, target: Target, operation: Operation, why: str) -> Operation:
        """Have what served before serve every call: the operation, failed with `refused`, which
        `poll` tells from then on. One that has ended is given back as it is."""
        ...


@runtime_checkable
class SupportsLook(Protocol):
    """How far a running operation is, for whoever only looks, such as `get`."""

    def look(self, target: Target, operation: Operation) -> Operation:
        """As `poll`, with its `progress`, but nothing is begun, written or changed by it."""
        ...


@runtime_checkable
class SupportsLogs(Protocol):
    """Lines a run has written, oldest first."""

    def logs(self, target: Target, operation: Operation) -> Iterable[str]: ...


class Provider(Protocol):
    """A configured bag of adapters, by kind."""

    adapters: Mapping[str, Adapter]

    def close(self) -> None: ...


@runtime_checkable
class SupportsPreflight(Protocol):
    """A provider's own checks for `doctor`: credentials, services, versions."""

    def preflight(self) -> Iterable[Opinion]: ...


@dataclass(frozen=True, slots=True)
class ProviderContext:
    """What a factory gets to build a provider: settings, places, time. Secrets stay references."""

    name: str
    connection: BaseModel
    project_dir: Path
    state_dir: Path
    clock: Clock
    credentials: Mapping[str, SecretRef] = field(default_factory=dict)
    environ: Mapping[str, str] = field(default_factory=dict)
    prices: Mapping[str, Any] = field(default_factory=dict)
    project: Project = field(default_factory=Project)
    """What loopwright.yaml says: gateway address, principals."""
    variables: Mapping[str, str] = field(default_factory=dict)
    """Values given on the command line, with which it was read."""


class ProviderFactory(Protocol):
    """Cheap to import: says what a provider can do, and builds it when asked."""

    connection: type[BaseModel]
    """Model of `Provider.spec.connection`."""
    capabilities: Mapping[str, Capabilities]
    """The kinds it realises."""

    def build(self, context: ProviderContext) -> Provider: ...
