"""What an evaluation came to: scores with intervals, differences paired by item, records.

Scores are points, 0-100. The score of a dataset is the mean over its items, of a capability the
weighted mean of its datasets, the composite the mean of the capabilities.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


@dataclass(frozen=True, slots=True)
class Interval:
    """Bounds of a bootstrap interval, points."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Score:
    """A mean with its interval at the confidence of the run."""

    score: float
    interval: Interval
    items: int
    failed: int = 0
    """Items without an answer (an error, a timeout): they score 0."""


class Part(StrEnum):
    """What a column of the report is."""

    EVALUATED = "evaluated"
    BASELINE = "baseline"
    FLOOR = "floor"
    """What needs no model: the most frequent answer, the answer to the nearest question."""


@dataclass(frozen=True, slots=True)
class DatasetScore:
    capability: str
    dataset: str
    method: str
    weight: float
    score: Score


@dataclass(frozen=True, slots=True)
class Subject:
    """Whoever answered: a model behind an endpoint, or a floor."""

    label: str
    """As people call it, e.g. `ticket-router@2`, `builtin:tiny-chat`, `most frequent answer`."""
    part: Part
    endpoint: str = ""
    digest: str = ""
    """Of the model that answered."""
    composite: Score | None = None
    capabilities: Mapping[str, Score] = field(default_factory=dict)
    datasets: Sequence[DatasetScore] = ()
    input_tokens: int = 0
    output_tokens: int = 0
    cost: float | None = None
    seconds: Mapping[str, float] = field(default_factory=dict)
    """Latency of an answer: p50, p95."""
    cached: int = 0
    """Answers taken from an earlier run of the same model."""


@dataclass(frozen=True, slots=True)
class Difference:
    """Evaluated less other, points, on the same items."""

    difference: float
    interval: Interval
    wins: int
    ties: int
    losses: int
    quantiles: Mapping[str, float] = field(default_factory=dict)
    """Of the bootstrap of the difference: share below -> points, for any gate's confidence."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """The evaluated model against another subject, by the other's label."""

    other: str
    composite: Difference
    capabilities: Mapping[str, Difference]
    datasets: Mapping[str, Difference]
    """By `capability/dataset`."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One subject's answer to one item."""

    text: str
    score: float
    """Points, 0-100."""
    reason: str = ""
    """Why it scored so: what differed, a judge's words, an error."""
    error: str = ""
    tool_calls: Sequence[Mapping[str, Any]] = ()
    seconds: float = 0.0
    cached: bool = False


@dataclass(frozen=True, slots=True)
class ItemRecord:
    """One item and everybody's answer to it, by label."""

    id: str
    """Digest of the item: the same question is the same item in every run."""
    capability: str
    dataset: str
    messages: Sequence[Mapping[str, Any]]
    expected: Any
    answers: Mapping[str, Answer]


@dataclass(frozen=True, slots=True)
class EvaluationResult:
    """`report.json` of a run; its item records lie in `items.jsonl` beside it."""

    name: str
    revision: int
    suite: str
    confidence: float
    """Of all intervals."""
    subjects: Sequence[Subject]
    """The evaluated first, then the baseline, then floors."""
    comparisons: Sequence[Comparison]
    lineage: Mapping[str, Any]
    """Facts by name: job, dataset version, base, digests, seeds; told in the report as they are."""
    started_at: str = ""
    finished_at: str = ""
    digest: str = ""
    """Of scores and records without times: equal runs have equal ones."""
    notes: Sequence[str] = ()
