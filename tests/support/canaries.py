"""The loop whose candidate takes over step by step."""

from __future__ import annotations

from loopwright.resources.address import Address
from loopwright.resources.base import Resource
from support.projects import flywheel, resource

PROD = Address("Endpoint", "prod")
_CANARY = {"steps": [5, 25], "interval": "10m", "maxErrorRate": 0.02}


def canaried(rate: float = 0, *, since: float = 0, seed: int = 0) -> list[Resource]:
    """The loop whose production endpoint takes a model over at 5, 25, then 100 % of the calls."""
    connection = {"canaries": {"prod": {"errorRate": rate, "fromPercent": since}}}
    loop = flywheel(connection=connection)
    promote = {
        "from": "router",
        "gate": {"evalRun": "candidate", "minComposite": 1},
        "canary": _CANARY,
    }
    own = {
        PROD: resource("Endpoint", "prod", provider="mem", model={"base": "tiny"}, promote=promote),
        Address("FineTuneJob", "router"): resource(
            "FineTuneJob", "router", provider="mem", base="tiny", dataset="router", seed=seed
        ),
    }
    return [own.get(found.address, found) for found in loop]


def before_canary(rate: float = 0, *, since: float = 0) -> list[Resource]:
    """The same, before anything is to be promoted."""
    held = [found for found in canaried(rate, since=since) if found.address != PROD]
    return [*held, resource("Endpoint", "prod", provider="mem", model={"base": "tiny"})]
