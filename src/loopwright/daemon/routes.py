"""What stands behind each endpoint at this moment, and what is to stand there.

A model takes an endpoint over only once it answers: until then the one from before goes on. So no
call meets a model that is not there, and one that cannot be loaded costs nobody an answer.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from loopwright.daemon.canaries import Canaries
from loopwright.daemon.runtimes import InUse, Runtimes
from loopwright.daemon.served import Choice, Wanted
from loopwright.gateway.settings import Endpoint, Settings, Timeouts, Upstream
from loopwright.gateway.tally import Tally

_PATIENCE = 60.0
"""Seconds that a call waits for a model that is being loaded, or loaded again."""
Tallies = Mapping[str, Mapping[str, Tally]]


class Routes:
    """Belongs to one event loop."""

    def __init__(self, runtimes: Runtimes, canaries: Canaries) -> None:
        self._runtimes, self._canaries = runtimes, canaries
        self._wanted: Mapping[str, Wanted] = {}
        self._live: dict[str, Choice] = {}

    def follow(self, wanted: Mapping[str, Wanted], tallies: Tallies) -> None:
        """Go towards this. What is wanted no more is let go by `retire`."""
        self._wanted = wanted
        self._live = {name: one for name, one in self._live.items() if name in wanted}
        canaries = {name: one.canary for name, one in wanted.items() if one.canary}
        self._canaries.follow(canaries, tallies)
        self._hold()

    def settled(self, settings: Settings) -> Settings:
        """The settings with what answers now behind each endpoint."""
        for name, wanted in self._wanted.items():
            self._move(name, wanted)
        self._hold()
        endpoints = {
            name: self._behind(one, self._wanted[name]) if name in self._wanted else one
            for name, one in settings.endpoints.items()
        }
        return replace(settings, endpoints=endpoints)

    def step(self, tallies: Tallies) -> bool:
        """Let canaries decide on what was counted; whether shares of calls are others now."""
        moved = False
        for name, wanted in self._wanted.items():
            if wanted.canary and self._runtimes.problem(wanted.to) == "":
                label = self._label(wanted.to)
                moved |= self._canaries.step(name, label, tallies.get(name, {}))
        return moved

    def refuse(self, endpoint: str, key: str, why: str) -> bool:
        """Somebody ends a canary; whether shares of calls are others now."""
        return self._canaries.refuse(endpoint, key, why)

    def retire(self, in_use: InUse) -> None:
        self._runtimes.retire(in_use)

    def problems(self) -> dict[str, str]:
        """By `Endpoint/name`: why what is declared does not answer."""
        return {
            f"Endpoint/{name}": f"{asked.label} cannot be served: {why}"
            for name, wanted in self._wanted.items()
            if (why := self._runtimes.problem(asked := self._asked(name, wanted)))
        }

    def status(self, endpoint: str) -> dict[str, Any]:
        """Of one that serves a model: which, what is being loaded, and how its canary does."""
        wanted = self._wanted.get(endpoint)
        if wanted is None:
            return {}
        live = self._live.get(endpoint)
        asked = self._asked(endpoint, wanted)
        loads = "" if self._is_ready(asked) else f"loads {asked.label}"
        canary = self._canaries.status(endpoint)
        return {
            "serves": live.label if live else "",
            "modelDigest": live.digest if live else "",
            "answers": live is not None and self._is_ready(live),
            "loading": loads,
            **({"canary": canary} if canary else {}),
        }

    def _move(self, name: str, wanted: Wanted) -> None:
        """Stay with what is there until the other one answers."""
        target = wanted.to
        if wanted.canary and self._canaries.weight(name) < 100:
            target = wanted.canary.before
        if self._is_ready(target) or name not in self._live:
            self._live[name] = target

    def _behind(self, endpoint: Endpoint, wanted: Wanted) -> Endpoint:
        live = self._live[endpoint.name]
        upstreams = self._upstreams(live, 100)
        weight = self._canaries.weight(endpoint.name) if wanted.canary else 100
        if wanted.canary and 0 < weight < 100 and upstreams and self._is_ready(wanted.to):
            upstreams = (
                *self._upstreams(live, 100 - weight),
                *self._upstreams(wanted.to, weight),
            )
        patience = 0.0 if live.model is None or self._runtimes.problem(live) else _PATIENCE
        return replace(endpoint, upstreams=upstreams, patience=patience)

    def _upstreams(self, choice: Choice, weight: float) -> tuple[Upstream, ...]:
        if choice.model is None:
            whole = sum(one.weight for one in choice.upstreams)
            return tuple(
                replace(one, weight=one.weight / whole * weight) if weight < 100 else one
                for one in choice.upstreams
            )
        found = self._runtimes.address(choice)
        if found is None:
            return ()
        return (Upstream(found.url, found.model, found.key, weight, Timeouts(), choice.label),)

    def _label(self, choice: Choice) -> str:
        """The name that the gateway asks and counts it by."""
        found = self._runtimes.address(choice)
        return found.model if found else choice.label

    def _is_ready(self, choice: Choice) -> bool:
        return choice.model is None or self._runtimes.address(choice) is not None

    def _hold(self) -> None:
        self._runtimes.hold(self._choices())

    def _asked(self, name: str, wanted: Wanted) -> Choice:
        """What is to answer calls, if only a share: not a model whose canary went back."""
        if wanted.canary and self._canaries.weight(name) == 0:
            return wanted.canary.before
        return wanted.to

    def _choices(self) -> Iterator[Choice]:
        for name, wanted in self._wanted.items():
            yield self._asked(name, wanted)
            if wanted.canary and self._canaries.weight(name) < 100:
                yield wanted.canary.before
            if name in self._live:
                yield self._live[name]
