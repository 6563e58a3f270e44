"""The values state holds. Frozen; JSON in and out; no secrets, only references to them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from enum import StrEnum
from typing import Any

from loopwright.resources.address import Address


class RunStatus(StrEnum):
    """Status of one revision."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Condition:
    """Kubernetes-style: type (Ready, Synced, Stalled), status, reason, message, since."""

    type: str
    status: bool
    reason: str = ""
    message: str = ""
    since: str = ""


@dataclass(frozen=True, slots=True)
class Revision:
    """One run of a run kind. `fingerprint` covers spec and inputs; runs are never edited."""

    number: int
    fingerprint: str
    status: RunStatus
    external_id: str = ""
    spec: Mapping[str, Any] = field(default_factory=dict)
    inputs: Mapping[str, str] = field(default_factory=dict)
    """Field path or file -> digest of what it was made from."""
    outputs: Mapping[str, Any] = field(default_factory=dict)
    reason: str = ""
    attempt: int = 1
    error: str = ""
    transient: bool = False
    started_at: str = ""
    finished_at: str = ""
    erased: Mapping[str, Any] = field(default_factory=dict)
    """Erasure -> when, how many of the calls that it was made of, and if they are inside still."""

    @property
    def holds_erased(self) -> bool:
        """Whether calls that were erased since are in it still."""
        return any(mark["inside"] for mark in self.erased.values())


@dataclass(frozen=True, slots=True)
class Pending:
    """An operation that was begun and has no verdict: the intent, then the provider's handle."""

    action: str
    key: str
    plan_id: str = ""
    sent: bool = False
    """False: only the intent is written; the call may or may not have been made."""
    operation: Mapping[str, Any] = field(default_factory=dict)
    spec: Mapping[str, Any] = field(default_factory=dict)
    """The desired spec that the operation is to bring about."""
    inputs: Mapping[str, str] = field(default_factory=dict)
    fingerprint: str = ""
    revision: int | None = None
    attempt: int = 1
    reason: str = ""
    since: str = ""
    promotes: Mapping[str, Any] = field(default_factory=dict)
    """Of a promotion: the pointer that stands once it is done, its canary, and its evidence."""


@dataclass(frozen=True, slots=True)
class Hold:
    """A rollback that later passes respect: the refused fingerprint, and what stands instead."""

    refused: str
    spec: Mapping[str, Any] = field(default_factory=dict)
    revision: int | None = None
    by: str = ""
    reason: str = ""
    since: str = ""


@dataclass(frozen=True, slots=True)
class Suspension:
    """Nothing is done to it until `until` (RFC 3339; empty: until resumed)."""

    by: str
    reason: str
    until: str = ""
    since: str = ""


@dataclass(frozen=True, slots=True)
class AcceptedDrift:
    """A difference somebody looked at and accepted, until a moment."""

    path: str
    value: Any
    until: str
    by: str = ""


@dataclass(frozen=True, slots=True)
class Generation:
    """A spec that a standing resource had, for rollback."""

    number: int
    fingerprint: str
    spec: Mapping[str, Any]
    applied_at: str = ""


@dataclass(frozen=True, slots=True)
class Record:
    """All that is remembered of one resource."""

    address: Address
    provider: str = ""
    external_id: str = ""
    spec: Mapping[str, Any] = field(default_factory=dict)
    """Last applied, in normal form."""
    fingerprint: str = ""
    digest: str = ""
    """What it gives to others, as of the last apply."""
    outputs: Mapping[str, Any] = field(default_factory=dict)
    inputs: Mapping[str, str] = field(default_factory=dict)
    """Reference path -> digest or id of what it pointed at when last applied."""
    dependencies: tuple[str, ...] = ()
    """Direct dependencies as of the last apply: a removed manifest cannot tell them."""
    prevent_destroy: bool = False
    keeps_remote: bool = False
    retained: bool = False
    """Removed from the manifests with its remote object or results kept."""
    revisions: tuple[Revision, ...] = ()
    current: int | None = None
    """Number of the revision in use."""
    generations: tuple[Generation, ...] = ()
    pending: Pending | None = None
    failures: int = 0
    """Failed attempts in a row at the same fingerprint."""
    last_error: str = ""
    conditions: tuple[Condition, ...] = ()
    hold: Hold | None = None
    suspension: Suspension | None = None
    accepted_drift: tuple[AcceptedDrift, ...] = ()
    promoted: Mapping[str, Any] = field(default_factory=dict)
    """The promoted pointer, and the verdict that decided it."""
    labels: Mapping[str, str] = field(default_factory=dict)
    origin: str = ""
    """file:line of the manifest it was last applied from."""
    created_at: str = ""
    updated_at: str = ""

    def revision(self, number: int | None) -> Revision | None:
        return next((found for found in self.revisions if found.number == number), None)

    @property
    def current_revision(self) -> Revision | None:
        return self.revision(self.current)

    @property
    def newest(self) -> Revision | None:
        return self.revisions[-1] if self.revisions else None

    def to_json(self) -> dict[str, Any]:
        """Only what differs from the defaults, so that a row stays small."""
        found = {
            item.name: value
            for item in fields(self)
            if (value := getattr(self, item.name)) and item.name != "address"
        }
        plain = {name: _plain(value) for name, value in found.items()}
        return {"address": str(self.address), **plain}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Record:
        """Unknown keys are an error (TypeError): the store's version says what may be there."""
        values = dict(data)
        values["address"] = Address.parse(values["address"])
        for name, make in _PARTS.items():
            if name in values:
                values[name] = make(values[name])
        return cls(**values)


def _plain(value: Any) -> Any:
    """A part as JSON, one level deep: what is below is JSON already."""
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if is_dataclass(value):
        return {item.name: getattr(value, item.name) for item in fields(value)}
    return value


def _revision(data: Mapping[str, Any]) -> Revision:
    return Revision(**{**data, "status": RunStatus(data["status"])})


_PARTS: dict[str, Any] = {
    "dependencies": tuple,
    "revisions": lambda items: tuple(_revision(item) for item in items),
    "generations": lambda items: tuple(Generation(**item) for item in items),
    "conditions": lambda items: tuple(Condition(**item) for item in items),
    "accepted_drift": lambda items: tuple(AcceptedDrift(**item) for item in items),
    "pending": lambda item: Pending(**item),
    "hold": lambda item: Hold(**item),
    "suspension": lambda item: Suspension(**item),
}
