"""Which path is what: the operations of the API, with or without an endpoint's name before them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from loopwright.gateway import refusals


class Work(StrEnum):
    """What a request asks for. The first three are calls, named as the lake names them."""

    CHAT = "chat"
    COMPLETION = "completion"
    EMBEDDINGS = "embeddings"
    MODELS = "models"
    MODEL = "model"
    FEEDBACK = "feedback"
    METRICS = "metrics"
    HEALTH = "health"


CALLS = {
    "chat/completions": Work.CHAT,
    "completions": Work.COMPLETION,
    "embeddings": Work.EMBEDDINGS,
}
"""Path after `/v1/` of each call, here as at the upstream."""

_FIXED = {"/healthz": Work.HEALTH, "/metrics": Work.METRICS}
_MODELS = "models"
_LONGEST_PATH = 512


@dataclass(frozen=True, slots=True)
class Route:
    """`endpoint` when the path names one; `model` of a question after one model."""

    work: Work
    endpoint: str | None = None
    model: str | None = None

    @property
    def method(self) -> str:
        return "POST" if self.work in _POSTED else "GET"


PATHS = {
    **{work: f"/v1/{path}" for path, work in CALLS.items()},
    **{work: path for path, work in _FIXED.items()},
    Work.MODELS: "/v1/models",
    Work.MODEL: "/v1/models/{model}",
    Work.FEEDBACK: "/v1/feedback",
}
"""Each work's path, without what a client puts into it."""
_POSTED = frozenset({*CALLS.values(), Work.FEEDBACK})


def find_route(method: str, path: str) -> Route:
    """Raises RefusalError 404 or 405."""
    route = _route(path) if len(path) <= _LONGEST_PATH else None
    if route is None:
        raise refusals.not_here(path)
    if method != route.method:
        raise refusals.wrong_method(method, route.method)
    return route


@lru_cache(maxsize=1024)
def _route(path: str) -> Route | None:
    if path in _FIXED:
        return Route(_FIXED[path])
    before, version, rest = path.partition("/v1/")
    endpoint = before[1:] or None
    if not version or (endpoint is not None and "/" in endpoint):
        return None
    rest = rest.removesuffix("/")
    if rest in CALLS:
        return Route(CALLS[rest], endpoint)
    if rest == "feedback":
        return Route(Work.FEEDBACK, endpoint)
    if rest == _MODELS:
        return Route(Work.MODELS, endpoint)
    kind, _, model = rest.partition("/")
    return Route(Work.MODEL, endpoint, model) if kind == _MODELS and model else None
