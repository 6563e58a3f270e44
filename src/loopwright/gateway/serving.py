"""Settings made ready to serve by: endpoints with their limits, upstreams and logs; callers.

Frozen, so that a reload is one assignment. What has a memory (how full a bucket is, which upstream
is resting) goes over to the next one where its settings did not change.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from time import time
from typing import TYPE_CHECKING, Any

import orjson

from loopwright.errors import GatewayError
from loopwright.gateway import refusals
from loopwright.gateway.limits import EndpointLimits
from loopwright.gateway.listening import is_loopback
from loopwright.gateway.principals import Principals
from loopwright.gateway.settings import Endpoint, Settings
from loopwright.gateway.tally import Tally
from loopwright.gateway.upstreams import Pool, Target

if TYPE_CHECKING:
    from loopwright.lake.capture.call_log import CallLog


@dataclass(frozen=True, slots=True)
class Served:
    """One endpoint, ready. `log` is None where nothing is recorded, or where its lake is lost."""

    endpoint: Endpoint
    pool: Pool
    limits: EndpointLimits
    log: CallLog | None
    tallies: Mapping[str, Tally] = field(default_factory=dict)
    """Of every model that stood behind it, by the name it was asked by."""

    def status(self) -> dict[str, Any]:
        return {
            "running": self.endpoint.running,
            "delivery": self.endpoint.delivery.lake if self.endpoint.delivery else None,
            "upstreams": [target.status() for target in self.pool.targets],
        }


@dataclass(frozen=True, slots=True)
class Serving:
    """Everything a call needs to know. A call in flight keeps the one that it began with."""

    settings: Settings
    principals: Principals
    endpoints: Mapping[str, Served]
    since: int

    def resolve(self, name: str | None) -> Served:
        """The endpoint of this name. Raises RefusalError 400, 404 or 503."""
        if not name:
            raise refusals.bad_body("You must provide a `model`: the name of an endpoint.",
                                    param="model")  # fmt: skip
        found = self.endpoints.get(name)
        if found is None:
            raise refusals.unknown_model(name, self.endpoints)
        if not found.endpoint.running:
            raise refusals.stopped(name)
        return found

    def recorded(self, name: str | None) -> Served:
        """The endpoint that feedback is about; its name may be left out when only one is recorded.

        Stopped or not. Raises RefusalError 400 or 404.
        """
        known = {name: one for name, one in self.endpoints.items() if one.endpoint.delivery}
        if name is None and len(known) == 1:
            return next(iter(known.values()))
        if not isinstance(name, str):
            raise refusals.bad_body("Say which endpoint the call went to: `endpoint`.",
                                    param="endpoint")  # fmt: skip
        if name not in self.endpoints:
            raise refusals.unknown_model(name, known)
        if name not in known:
            raise refusals.bad_body(f"The calls of `{name}` are not recorded.", param="endpoint")
        return known[name]

    def models(self, endpoint: str | None) -> bytes:
        """The endpoints as the API lists models; one alone where the path names it."""
        running = [
            name
            for name, served in sorted(self.endpoints.items())
            if served.endpoint.running and endpoint in (None, name)
        ]
        if endpoint is not None:
            self.resolve(endpoint)
        return orjson.dumps({"object": "list", "data": [self._model(name) for name in running]})

    def model(self, name: str) -> bytes:
        """One of them. Raises RefusalError 404 or 503."""
        return orjson.dumps(self._model(self.resolve(name).endpoint.name))

    def _model(self, name: str) -> dict[str, Any]:
        return {"id": name, "object": "model", "created": self.since, "owned_by": "loopwright"}


def make_ready(
    settings: Settings, logs: Mapping[str, CallLog], *, before: Serving | None = None
) -> Serving:
    """Raises GatewayError on settings that must not be served."""
    if not settings.principals and not is_loopback(settings.host):
        raise GatewayError(
            f"the gateway would listen on {settings.host} for anybody who can reach it",
            hint="Declare principals in loopwright.yaml, or listen on 127.0.0.1.",
        )
    ancestors = before.endpoints if before else {}
    endpoints = {
        name: _served(endpoint, logs, ancestors.get(name))
        for name, endpoint in settings.endpoints.items()
    }
    since = before.since if before else int(time())
    return Serving(settings, Principals(settings.principals, settings.internals), endpoints, since)


def _served(endpoint: Endpoint, logs: Mapping[str, CallLog], before: Served | None) -> Served:
    kept = {target.upstream: target for target in before.pool.targets} if before else {}
    tallies = dict(before.tallies) if before else {}
    targets = [
        kept.get(upstream) or Target(upstream, tally=tallies.get(upstream.model))
        for upstream in endpoint.upstreams
    ]
    limits = (
        before.limits
        if before is not None and before.limits.fits(endpoint)
        else EndpointLimits(endpoint)
    )
    delivery = endpoint.delivery
    tallies |= {target.upstream.model: target.tally for target in targets}
    log = logs.get(delivery.lake) if delivery else None
    return Served(endpoint, Pool(targets), limits, log, tallies)
