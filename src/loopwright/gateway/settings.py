"""What a gateway is told: where to listen, whom to serve, and what stands behind each endpoint.

Values only, secrets resolved and never printed. Frozen, so that a reload is one assignment: a
call in flight keeps the settings that it began with. How they are kept on disk is the daemon's.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path


class Role(StrEnum):
    """What a principal may do: `reader` counts and filters, `standard` opens text, `admin` all."""

    READER = "reader"
    STANDARD = "standard"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Principal:
    """Who may call. `key_hashes` are the digests of the keys that are accepted now."""

    name: str
    role: Role
    key_hashes: tuple[str, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class Internal:
    """Jobs of this very project: no limit of an endpoint is meant for them.

    Without `records` their calls are accepted, and excluded from every lake: the questions of an
    evaluation never become training data.
    """

    name: str
    key: str = field(repr=False)
    """Begins with `INTERNAL_KEY`, so that nobody else's is compared with it."""
    records: bool = False


INTERNAL_KEY = "loopwright-internal-"


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds: to connect, until the first byte of an answer, and between two bytes."""

    connect: float = 10.0
    first_byte: float = 300.0
    idle: float = 120.0


@dataclass(frozen=True, slots=True)
class Upstream:
    """An OpenAI-compatible server. `url` goes up to and with `/v1`, without a slash at the end."""

    url: str
    model: str
    api_key: str | None = field(default=None, repr=False)
    weight: float = 1.0
    """Its share of the calls, relative to the endpoint's other upstreams."""
    timeouts: Timeouts = Timeouts()
    label: str = ""
    """What the model is called in records and metrics, where its server has another name for it."""

    @property
    def version(self) -> str:
        """The model's version, as records and metrics have it."""
        return self.label or self.model


@dataclass(frozen=True, slots=True)
class Redaction:
    """What is replaced before anything is durable: by built-in detectors and own patterns."""

    detectors: tuple[str, ...] = ()
    patterns: Mapping[str, re.Pattern[str]] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.detectors or self.patterns)


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """Which calls of an endpoint are recorded, into which lake, and how."""

    name: str
    lake: str
    """Name that the gateway's owner gives a lake; logs are found by it."""
    rate: float = 1.0
    redaction: Redaction = Redaction()
    subject_header: str | None = None
    subject_field: str | None = None
    session_header: str | None = None
    fail_closed: bool = False
    policy_version: str = ""
    """Digest of the delivery's settings, recorded with every call."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A name that clients call, and what answers. Without `delivery` nothing is recorded."""

    name: str
    upstreams: tuple[Upstream, ...]
    running: bool = True
    rpm: int | None = None
    tpm: int | None = None
    delivery: Delivery | None = None
    patience: float = 0.0
    """Seconds that a call waits for a model which is being started: it may have no upstream yet."""
    config_digest: bytes = b""
    """16 bytes that stand for the manifest state which serves the call."""


@dataclass(frozen=True, slots=True)
class Tls:
    """Certificate chain and private key, PEM files."""

    cert: Path
    key: Path


@dataclass(frozen=True, slots=True)
class Limits:
    """What one client may take: bytes, connections, waiting calls."""

    body_bytes: int = 64 << 20
    header_bytes: int = 64 << 10
    connections: int = 4096
    running_calls: int = 1024
    """More than these at once are told 503 and when to come back."""
    header_seconds: float = 20.0
    """How long a client may take to send its request line and headers."""
    drain_seconds: float = 30.0
    """How long calls may go on after SIGTERM."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All of it. Without principals anybody on this machine may call: loopback only."""

    host: str = "127.0.0.1"
    port: int = 8080
    tls: Tls | None = None
    principals: tuple[Principal, ...] = ()
    internals: tuple[Internal, ...] = ()
    """Beside the principals, whether there are such or not."""
    endpoints: Mapping[str, Endpoint] = field(default_factory=dict)
    limits: Limits = Limits()
