"""What `Provider.spec.connection` may say for type `memory`: where its world lives, how it behaves.

Settings only; what they do is in `faults`, `adapter` and `kinds`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from loopwright.resources.base import Many, Model

Seconds = Annotated[float, Field(ge=0)]


class FailRule(Model):
    """Calls that go wrong."""

    action: Literal["observe", "create", "update", "delete", "poll", "cancel", "adopt"] = Field(
        description="Which verb.", examples=["create"]
    )
    kind: str = Field(description="Of which kind.", examples=["FineTuneJob"])
    name: str | None = Field(None, description="Of which resource; default: any.")
    how: Literal["transient", "permanent", "timeoutBefore", "timeoutAfter"] = Field(
        "transient",
        description="timeoutBefore: no answer and no effect; timeoutAfter: no answer, but done.",
    )
    times: int = Field(1, ge=1, description="How often, counted in the world.")


class FailJobRule(Model):
    """Jobs that start and come to nothing."""

    kind: str = Field(description="Of which kind.", examples=["FineTuneJob"])
    name: str | None = Field(None, description="Of which resource; default: any.")
    how: Literal["transient", "permanent"] = Field(
        "transient", description="Whether trying again may help."
    )
    times: int = Field(1, ge=1, description="How often, counted in the world.")


class FaultSettings(Model):
    """How the world misbehaves. Nothing said: it behaves."""

    latency_seconds: Seconds = Field(0, description="What every call takes.")
    transient_rate: float = Field(0, ge=0, le=1, description="Share of calls that fail passingly.")
    permanent_rate: float = Field(0, ge=0, le=1, description="Share of calls that fail for good.")
    seed: int = Field(0, description="Which calls those are; a pure function of seed and ordinal.")
    fail: Many[FailRule] = Field((), description="Particular calls that go wrong.")
    fail_jobs: Many[FailJobRule] = Field((), description="Particular jobs that fail.")
    list_lag_seconds: Seconds = Field(
        0, description="How long a new object is not seen by observe (eventual consistency)."
    )


class Score(Model):
    """What an EvalRun is to find."""

    composite: float = Field(ge=0, le=100, description="Composite score, 0-100.")
    capabilities: dict[str, float] = Field(
        default_factory=dict, description="Score by capability; default: the composite."
    )
    differences: dict[str, float] = Field(
        default_factory=dict,
        description="How much better than the baseline, by capability; default: not at all.",
    )
    failed: int = Field(0, ge=0, description="Items without an answer, of 100 a capability.")


class Canary(Model):
    """How a candidate does while it takes over step by step."""

    error_rate: float = Field(0, ge=0, le=1, description="Share of its calls that fail.")
    from_percent: float = Field(
        0, ge=0, le=100, description="From which share of the calls on they do."
    )


class Connection(Model):
    """Settings of a provider of type `memory`."""

    world: str | None = Field(
        None,
        min_length=1,
        description="File that holds the world, relative to the project; shared by processes "
        "and surviving kills. Default: this process only.",
        examples=["world.jsonl"],
    )
    idempotency: Literal["token", "name", "none"] = Field(
        "token", description="How a create whose answer was lost can be resolved."
    )
    lake_calls: int = Field(10_000, ge=0, description="Calls that a new lake holds.")
    job_seconds: dict[str, Seconds] = Field(
        default_factory=dict,
        description="How long a new object of a kind is at work; default: no time.",
        examples=[{"FineTuneJob": 3600}],
    )
    server_defaults: dict[str, dict[str, Any]] = Field(
        default_factory=dict,
        description="Fields the world adds by itself, by kind, where none is declared.",
        examples=[{"Endpoint": {"rateLimit": {"rpm": 60, "tpm": 10000}}}],
    )
    scores: dict[str, Score] = Field(
        default_factory=dict,
        description="What evaluations find, by name of the EvalRun.",
        examples=[{"candidate": {"composite": 91.5}}],
    )
    canaries: dict[str, Canary] = Field(
        default_factory=dict,
        description="How candidates do while they take over, by name of the Endpoint.",
        examples=[{"support-chat": {"errorRate": 0.07}}],
    )
    pins: dict[str, str] = Field(
        default_factory=dict,
        description="What base models stand for, by name; empty: nothing, which is an error. A "
        "base that is not here stands for itself.",
        examples=[{"tiny": "sha256:0c1f"}],
    )
    faults: FaultSettings = Field(
        default_factory=FaultSettings, description="How the world misbehaves."
    )
