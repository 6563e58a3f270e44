"""A model that the daemon has computed: as a declaration on disk says it, and what may stand
behind an endpoint in all.

Values only. Which files make a model is found out, and verified, by whoever declares it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

from loopwright.daemon.canary import Rules
from loopwright.gateway.settings import Upstream
from loopwright.hashing import canonical_json, digest, sha256_hex
from loopwright.models.imprint import Imprint


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a runtime's process may take of the machine."""

    threads: int = 1
    max_batch: int = 16
    memory_bytes: int | None = None
    idle_seconds: float | None = None
    device: str = "auto"


@dataclass(frozen=True, slots=True)
class ServedModel:
    """A model in folders. Paths are relative to the project where they lie inside."""

    label: str
    """What clients and records see: `ticket-router@2`."""
    digest: str
    weights: str
    weights_digest: str
    base: str
    """How the weights themselves are called: the label, or of an adapter the base's reference."""
    adapter: str | None = None
    trust_remote_code: bool = False
    bounds: Bounds = Bounds()
    imprint: Imprint = field(default_factory=Imprint)
    """What the files of the weights have to be whenever they are loaded."""
    adapter_imprint: Imprint = field(default_factory=Imprint)

    @property
    def process(self) -> str:
        """Models with the same one share a process."""
        deciding = [self.weights, self.weights_digest, self.base, self.trust_remote_code]
        return sha256_hex(canonical_json([*deciding, asdict(self.bounds)]))[:16]

    def folder(self, project: Path) -> Path:
        return project / self.weights

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, said: Mapping[str, Any]) -> Self:
        """Raises TypeError when it was not written by `to_json`."""
        imprints = {
            name: Imprint.from_json(said[name])
            for name in ("imprint", "adapter_imprint")
            if name in said
        }
        return cls(**{**said, "bounds": Bounds(**said["bounds"]), **imprints})


@dataclass(frozen=True, slots=True)
class Server:
    """A server elsewhere that computes models: vLLM."""

    url: str
    key: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Choice:
    """One thing that may stand behind an endpoint: servers that answer by themselves, or a model
    that is computed here or by a `server` which takes it."""

    label: str
    digest: str
    upstreams: tuple[Upstream, ...] = ()
    model: ServedModel | None = None
    server: Server | None = None


@dataclass(frozen=True, slots=True)
class Canary:
    """A promotion in steps: `before` answers what the new model is not asked."""

    key: str
    """Of the promotion: another one begins anew."""
    rules: Rules
    before: Choice

    @classmethod
    def of(cls, said: Mapping[str, Any], before: Choice) -> Self:
        return cls(said["key"], Rules.of(said["rules"]), before)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is declared for an endpoint: a model, and how it takes over."""

    to: Choice
    canary: Canary | None = None


def upstream_digest(upstream: Mapping[str, Any]) -> str:
    """What stands for the model behind a `spec.model.upstream`, as far as anybody can tell."""
    servers = (upstream, *upstream.get("alternatives", ()))
    return digest([[one["url"], one["model"]] for one in servers])


@dataclass(frozen=True, slots=True)
class Address:
    """Where a model answers, and under which name."""

    url: str
    """Up to and with `/v1`."""
    model: str
    key: str | None = field(default=None, repr=False)
