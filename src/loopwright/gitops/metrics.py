"""The watcher's numbers for Prometheus, in a registry of their own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING

from loopwright.gitops.passes import Ending, Passed
from loopwright.planning.plan import Plan
from loopwright.resources.address import Address
from loopwright.state.records import Record

if TYPE_CHECKING:
    from prometheus_client import Gauge

_BUCKETS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)


class Metrics:
    """Fed after each pass; `exposition` may be called from another thread."""

    def __init__(self) -> None:
        from prometheus_client import CollectorRegistry, Gauge, Histogram
        from prometheus_client import Counter as Total

        self._registry = registry = CollectorRegistry()
        name = "loopwright_reconcile"
        self._passes = Total(f"{name}_passes", "Passes, by how they ended.", ["outcome"],
                             registry=registry)  # fmt: skip
        self._errors = Total(f"{name}_errors", "Passes that failed, and resources that failed in "
                             "a pass.", registry=registry)  # fmt: skip
        self._duration = Histogram(f"{name}_duration_seconds", "What a pass took.",
                                   buckets=_BUCKETS, registry=registry)  # fmt: skip
        self._success = Gauge(f"{name}_last_success_timestamp_seconds",
                              "End of the last pass in which nothing failed.",
                              registry=registry)  # fmt: skip
        self._resources = Gauge("loopwright_resources", "Recorded resources, by condition.",
                                ["kind", "condition"], registry=registry)  # fmt: skip
        self._drift = Gauge("loopwright_drift", "Differences between the world and the last apply.",
                            ["class"], registry=registry)  # fmt: skip
        self._info = Gauge(f"{name}_info", "The revision that is kept up.", ["commit"],
                           registry=registry)  # fmt: skip
        for ending in Ending:
            self._passes.labels(ending.value)

    def passed(self, passed: Passed, records: Mapping[Address, Record], commit: str) -> None:
        """Take note of a pass and of what is recorded after it."""
        self._passes.labels(passed.ending.value).inc()
        self._duration.observe(passed.took)
        failed = len(passed.applied.failed) or (passed.ending is Ending.FAILED)
        self._errors.inc(failed)
        if passed.ending in (Ending.CHANGED, Ending.UNCHANGED):
            self._success.set(passed.at.timestamp() + passed.took)
        self._info.clear()
        self._info.labels(commit).set(1)
        self._count(self._resources, _conditions(records))
        if passed.plan is not None and passed.is_full:
            self._count(self._drift, _classes(passed.plan))

    def exposition(self) -> tuple[bytes, str]:
        """Text and content type."""
        from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

        return generate_latest(self._registry), CONTENT_TYPE_LATEST

    @staticmethod
    def _count(gauge: Gauge, counts: Counter[tuple[str, ...]]) -> None:
        gauge.clear()
        for labels, count in counts.items():
            gauge.labels(*labels).set(count)


def _classes(plan: Plan) -> Counter[tuple[str, ...]]:
    return Counter((drift.drift_class.value,) for drift in plan.drift)


def _conditions(records: Mapping[Address, Record]) -> Counter[tuple[str, ...]]:
    return Counter(
        (address.kind, condition.type)
        for address, record in records.items()
        for condition in record.conditions
        if condition.status
    )
