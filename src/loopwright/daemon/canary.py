"""Whether a new model may answer more calls: pure decisions, from counts and the clock.

A step lasts its interval and its least number of calls. What breaks a bound is known as soon as no
number of good calls within the step's least could mend it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Self

from loopwright.clock import from_text, to_text
from loopwright.gateway.tally import Tally

_ALL = 100
_SHARE = 0.95
_FEWEST = 20
"""Calls of the model from before that a comparison with it needs."""
_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


@dataclass(frozen=True, slots=True)
class Rules:
    """What `spec.promote.canary` says."""

    steps: tuple[int, ...]
    interval: timedelta
    min_calls: int
    max_error_rate: float
    max_seconds: float | None = None
    """Of the slowest calls but 5 %."""
    max_factor: float | None = None
    """The same, as a multiple of what they take on the model from before."""

    @classmethod
    def of(cls, said: Mapping[str, Any]) -> Self:
        """Of the spec in normal form."""
        latency = str(said.get("maxLatency") or "")
        is_factor = latency.endswith("x")
        return cls(
            steps=tuple(said["steps"]),
            interval=timedelta(seconds=_seconds(said["interval"])),
            min_calls=said["minCalls"],
            max_error_rate=said["maxErrorRate"],
            max_seconds=_seconds(latency) if latency and not is_factor else None,
            max_factor=float(latency[:-1]) if is_factor else None,
        )


@dataclass(frozen=True, slots=True)
class Stage:
    """Where a canary is. It has ended when `outcome` is `promoted` or `refused`."""

    since: datetime
    step: int = 0
    new: Tally = field(default_factory=Tally)
    """Calls of the new model in this step."""
    old: Tally = field(default_factory=Tally)
    """Calls of the model from before since the canary began."""
    outcome: str = ""
    why: str = ""
    """Of a refusal: the numbers."""

    def weight(self, rules: Rules) -> int:
        """Percent of the calls that the new model answers now."""
        if self.outcome:
            return _ALL if self.outcome == PROMOTED else 0
        return rules.steps[self.step]

    def to_json(self) -> dict[str, Any]:
        return {
            "since": to_text(self.since),
            "step": self.step,
            "new": self.new.to_json(),
            "old": self.old.to_json(),
            "outcome": self.outcome,
            "why": self.why,
        }

    @classmethod
    def from_json(cls, said: Mapping[str, Any]) -> Self:
        """Raises ValueError, KeyError or TypeError when it is not readable."""
        counts = {name: Tally.from_json(said[name]) for name in ("new", "old")}
        since = from_text(said["since"])
        return cls(since, said["step"], **counts, outcome=said["outcome"], why=said["why"])


PROMOTED, REFUSED = "promoted", "refused"


def decide(stage: Stage, rules: Rules, now: datetime) -> Stage:
    """The same stage, the next one, or the end. An end stays."""
    if stage.outcome:
        return stage
    if why := breach(stage, rules):
        return replace(stage, outcome=REFUSED, why=why)
    if stage.new.calls < rules.min_calls or now - stage.since < rules.interval:
        return stage
    if _compares_too_little(stage, rules):
        return stage
    if stage.step + 1 == len(rules.steps):
        return replace(stage, outcome=PROMOTED)
    return replace(stage, since=now, step=stage.step + 1, new=Tally())


def breach(stage: Stage, rules: Rules) -> str:
    """Which bound is broken, with the numbers; empty while none is."""
    at, new, least = f"at {stage.weight(rules)} %", stage.new, rules.min_calls
    if new.errors > rules.max_error_rate * max(new.calls, least):
        return (
            f"error rate {_percent(new.error_rate)} > {_percent(rules.max_error_rate)} {at} "
            f"({new.errors:,} of {new.calls:,} calls)"
        )
    if new.calls < least:
        return ""
    took = new.quantile(_SHARE)
    if rules.max_seconds is not None and took > rules.max_seconds:
        return f"latency {_time(took)} > {_time(rules.max_seconds)} {at} (95th percentile)"
    if rules.max_factor is not None and not _compares_too_little(stage, rules):
        before = stage.old.quantile(_SHARE)
        if took > rules.max_factor * before:
            return (
                f"latency {_time(took)} > {rules.max_factor:g} x {_time(before)} {at} "
                "(95th percentile)"
            )
    return ""


def words(stage: Stage, rules: Rules, now: datetime) -> str:
    """How far it is, in a line."""
    if stage.outcome == REFUSED:
        return f"went back: {stage.why}"
    if stage.outcome == PROMOTED:
        return "answers every call"
    new, left = stage.new, rules.interval - (now - stage.since)
    parts = [f"{stage.weight(rules)} % of the calls"]
    if not new.calls:
        wanted = "a call" if rules.min_calls <= 1 else f"{rules.min_calls:,} calls"
        parts.append(f"waits for {wanted} of the new model, none came yet")
    else:
        parts.append(f"{new.calls:,} of {rules.min_calls:,} calls")
        parts.append(f"error rate {_percent(new.error_rate)}")
        parts.append(f"latency {_time(new.quantile(_SHARE))}")
    if left > timedelta(0):
        parts.append(f"{_time(left.total_seconds())} to go")
    return ", ".join(parts)


def _compares_too_little(stage: Stage, rules: Rules) -> bool:
    """Whether latency is to be compared with that of a model that was hardly called."""
    return rules.max_factor is not None and stage.old.calls < min(_FEWEST, rules.min_calls)


def _seconds(text: str) -> float:
    unit = "ms" if text.endswith("ms") else text[-1]
    return float(text.removesuffix(unit)) * _SECONDS[unit]


def _percent(share: float) -> str:
    return f"{100 * share:.1f}".removesuffix(".0") + " %"


def _time(seconds: float) -> str:
    if seconds < 1:
        return f"{1000 * seconds:.0f} ms"
    return f"{seconds:.1f} s" if seconds < 60 else f"{seconds / 60:.0f} min"
