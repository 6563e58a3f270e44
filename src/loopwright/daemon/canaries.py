"""The canaries of a daemon: it counts, decides each second, and writes down what it decided.

Each belongs to a promotion by its key: another promotion begins anew.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from loopwright.clock import Clock
from loopwright.daemon.canary import REFUSED, Stage, decide, words
from loopwright.daemon.served import Canary
from loopwright.daemon.stages import Stages
from loopwright.gateway.tally import Tally

_log = logging.getLogger("loopwright.daemon.canary")


@dataclass(slots=True)
class _Walk:
    canary: Canary
    stage: Stage
    seen: dict[str, Tally]
    """What the gateway had counted when it was last asked, by label."""


class Canaries:
    """By endpoint. Belongs to one event loop; writes are small and seldom."""

    def __init__(self, stages: Stages, clock: Clock) -> None:
        self._stages, self._clock = stages, clock
        self._walks: dict[str, _Walk] = {}

    def follow(
        self, declared: Mapping[str, Canary], tallies: Mapping[str, Mapping[str, Tally]]
    ) -> None:
        """Begin what is new, take up what was interrupted, forget what is declared no more."""
        for endpoint in self._known() - declared.keys():
            self._walks.pop(endpoint, None)
            self._stages.forget(endpoint)
        for endpoint, canary in declared.items():
            held = self._walks.get(endpoint)
            if held is not None and held.canary.key == canary.key:
                held.canary = canary
                continue
            stage = self._stages.read(endpoint, canary.key) or Stage(self._clock.now())
            seen = {label: _copy(one) for label, one in tallies.get(endpoint, {}).items()}
            self._walks[endpoint] = _Walk(canary, stage, seen)
            self._write(endpoint)

    def weight(self, endpoint: str) -> int:
        """Percent of the calls that the new model of an endpoint answers; 100 without a canary."""
        walk = self._walks.get(endpoint)
        return walk.stage.weight(walk.canary.rules) if walk else 100

    def step(self, endpoint: str, new: str, tallies: Mapping[str, Tally]) -> bool:
        """Count what came since the last look, and decide; whether weights are others now.

        `new` is the label of the new model among `tallies`.
        """
        walk = self._walks[endpoint]
        if walk.stage.outcome:
            return False
        counted = walk.stage
        came = {label: _since(walk.seen.get(label), one) for label, one in tallies.items()}
        walk.seen = {label: _copy(one) for label, one in tallies.items()}
        for label, tally in came.items():
            if label == new:
                counted = replace(counted, new=counted.new + tally)
            else:
                counted = replace(counted, old=counted.old + tally)
        before, walk.stage = walk.stage, decide(counted, walk.canary.rules, self._clock.now())
        if any(tally.calls for tally in came.values()) or walk.stage is not before:
            self._write(endpoint)
        moved = (before.step, before.outcome) != (walk.stage.step, walk.stage.outcome)
        if moved:
            self._log(endpoint, walk)
        return moved

    def refuse(self, endpoint: str, key: str, why: str) -> bool:
        """End the canary of this promotion; False where there is none, or it has ended."""
        walk = self._walks.get(endpoint)
        if walk is None or walk.canary.key != key or walk.stage.outcome:
            return False
        walk.stage = replace(walk.stage, outcome=REFUSED, why=why)
        self._write(endpoint)
        self._log(endpoint, walk)
        return True

    def status(self, endpoint: str) -> dict[str, Any] | None:
        """What the adapter tells a person of it."""
        walk = self._walks.get(endpoint)
        if walk is None:
            return None
        rules, stage = walk.canary.rules, walk.stage
        return {
            "key": walk.canary.key,
            "weight": stage.weight(rules),
            "outcome": stage.outcome,
            "why": stage.why,
            "words": words(stage, rules, self._clock.now()),
        }

    def _log(self, endpoint: str, walk: _Walk) -> None:
        stage = walk.stage
        facts = {"endpoint": endpoint, "weight": stage.weight(walk.canary.rules)}
        _log.info("a canary moved", extra={**facts, "outcome": stage.outcome, "why": stage.why})

    def _known(self) -> set[str]:
        return self._walks.keys() | set(self._stages.endpoints())

    def _write(self, endpoint: str) -> None:
        walk = self._walks[endpoint]
        self._stages.write(endpoint, walk.canary.key, walk.stage)


def _since(seen: Tally | None, now: Tally) -> Tally:
    """What came since; all of it when counting began anew."""
    return now - seen if seen is not None and seen.calls <= now.calls else _copy(now)


def _copy(tally: Tally) -> Tally:
    return Tally(tally.errors, tally.counts)
