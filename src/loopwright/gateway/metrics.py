"""The gateway's numbers: cheap to count on the hot path, put into Prometheus' words when asked.

Labels are names that a manifest declares, status codes and closed words: never a user or a call.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from loopwright.lake.capture.call_log import CallLog

_DURATIONS = (
    0.01,
    0.02,
    0.04,
    0.08,
    0.16,
    0.32,
    0.64,
    1.28,
    2.56,
    5.12,
    10.24,
    20.48,
    40.96,
    81.92,
)
_OVERHEADS = (0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.05, 0.1, 1.0)


_RUNTIME_GAUGES = {
    "serving": "Whether a runtime answers.",
    "starts": "How often its process was started.",
    "memory_bytes": "Memory that its models take.",
    "running": "Calls that it answers now.",
    "waiting": "Calls that wait for it.",
}


@dataclass(frozen=True, slots=True)
class LakeFacts:
    """What the owner of a lake knows of it: rows, and seconds from a call to its visibility."""

    rows: int
    delivery_lag_seconds: float


@dataclass(frozen=True, slots=True)
class RuntimeFacts:
    """What the owner of the models knows of one process, or server, that computes them."""

    base: str
    serving: bool
    starts: int = 0
    memory_bytes: int = 0
    running: int = 0
    waiting: int = 0


class Distribution:
    """A histogram: how many values fell under each bound, and their sum."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def observe(self, value: float) -> None:
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    def buckets(self) -> list[tuple[str, float]]:
        """Cumulative, as Prometheus has them."""
        found: list[tuple[str, float]] = []
        below = 0
        for bound, count in zip((*map(str, self.bounds), "+Inf"), self.counts, strict=True):
            below += count
            found.append((bound, below))
        return found


@dataclass(slots=True)
class EndpointMetrics:
    """The distributions of one endpoint."""

    duration: Distribution = field(default_factory=lambda: Distribution(_DURATIONS))
    overhead: Distribution = field(default_factory=lambda: Distribution(_OVERHEADS))
    first_token: Distribution = field(default_factory=lambda: Distribution(_DURATIONS))


class Metrics(Collector):
    """Counts calls; `exposition` adds what the logs and lakes say of themselves."""

    def __init__(
        self,
        logs: Callable[[], Mapping[str, CallLog]],
        lake_facts: Callable[[], Mapping[str, LakeFacts]],
        runtime_facts: Callable[[], Iterable[RuntimeFacts]] = tuple,
    ) -> None:
        self._logs, self._lake_facts, self._runtime_facts = logs, lake_facts, runtime_facts
        self._requests: Counter[tuple[str, str, int]] = Counter()
        self._tokens: Counter[tuple[str, str]] = Counter()
        self._endpoints: dict[str, EndpointMetrics] = {}
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(self)

    def of(self, endpoint: str) -> EndpointMetrics:
        """The distributions of a declared endpoint."""
        found = self._endpoints.get(endpoint)
        if found is None:
            found = self._endpoints[endpoint] = EndpointMetrics()
        return found

    def request(self, endpoint: str, version: str, status: int) -> None:
        self._requests[endpoint, version, status] += 1

    def tokens(self, endpoint: str, *, input: int, output: int) -> None:
        self._tokens[endpoint, "input"] += input
        self._tokens[endpoint, "output"] += output

    def exposition(self) -> tuple[bytes, str]:
        """Text and content type."""
        return generate_latest(self._registry), CONTENT_TYPE_LATEST

    def describe(self) -> Iterable[Metric]:
        return ()

    def collect(self) -> Iterable[Metric]:
        yield from self._gateway()
        yield from self._capture()
        rows = GaugeMetricFamily("loopwright_lake_rows", "Calls in a lake.", labels=["lake"])
        lag = GaugeMetricFamily("loopwright_capture_delivery_lag_seconds",
                                "From a call to its being seen in the lake.",
                                labels=["lake"])  # fmt: skip
        for lake, facts in self._lake_facts().items():
            rows.add_metric([lake], facts.rows)
            lag.add_metric([lake], facts.delivery_lag_seconds)
        yield rows
        yield lag
        yield from self._runtimes()

    def _runtimes(self) -> Iterable[Metric]:
        facts = list(self._runtime_facts())
        for part, text in _RUNTIME_GAUGES.items():
            gauge = GaugeMetricFamily(f"loopwright_runtime_{part}", text, labels=["base"])
            for one in facts:
                gauge.add_metric([one.base], float(getattr(one, part)))
            yield gauge

    def _gateway(self) -> Iterable[Metric]:
        name = "loopwright_gateway"
        requests = CounterMetricFamily(f"{name}_requests", "Calls, by what was answered.",
                                       labels=["endpoint", "model_version", "code"])  # fmt: skip
        for (endpoint, version, status), count in self._requests.items():
            requests.add_metric([endpoint, version, str(status)], count)
        yield requests
        tokens = CounterMetricFamily(f"{name}_tokens", "Tokens read and written.",
                                     labels=["endpoint", "type"])  # fmt: skip
        for labels, count in self._tokens.items():
            tokens.add_metric(list(labels), count)
        yield tokens
        yield self._histogram(f"{name}_request_duration_seconds",
                              "From a request to the end of its answer.",
                              lambda one: one.duration)  # fmt: skip
        yield self._histogram(f"{name}_overhead_seconds",
                              "What the gateway adds before the first byte of an answer.",
                              lambda one: one.overhead)  # fmt: skip
        yield self._histogram(f"{name}_time_to_first_token_seconds",
                              "From a request to the first bytes of a stream.",
                              lambda one: one.first_token)  # fmt: skip

    def _histogram(
        self, name: str, text: str, part: Callable[[EndpointMetrics], Distribution]
    ) -> Metric:
        family = HistogramMetricFamily(name, text, labels=["endpoint"])
        for endpoint, metrics in self._endpoints.items():
            found = part(metrics)
            family.add_metric([endpoint], found.buckets(), found.total)
        return family

    def _capture(self) -> Iterable[Metric]:
        name = "loopwright_capture"
        records = CounterMetricFamily(f"{name}_records", "Accepted calls, by what became of them.",
                                      labels=["lake", "outcome", "reason"])  # fmt: skip
        depth = GaugeMetricFamily(f"{name}_queue_depth", "Records that wait for the lake.",
                                  labels=["lake"])  # fmt: skip
        oldest = GaugeMetricFamily(f"{name}_oldest_unflushed_seconds",
                                   "Age of the oldest record that is not on disk.",
                                   labels=["lake"])  # fmt: skip
        written = CounterMetricFamily(f"{name}_bytes", "Sealed bytes handed to the log.",
                                      labels=["lake"])  # fmt: skip
        for lake, log in self._logs().items():
            stats = log.stats()
            records.add_metric([lake, "delivered", ""], stats.delivered)
            for outcome, reasons in (("excluded", stats.excluded), ("lost", stats.lost)):
                for reason, count in reasons.items():
                    records.add_metric([lake, outcome, str(reason)], count)
            depth.add_metric([lake], stats.queue_depth)
            oldest.add_metric([lake], stats.oldest_unflushed_seconds)
            written.add_metric([lake], stats.bytes)
        yield from (records, depth, oldest, written)
