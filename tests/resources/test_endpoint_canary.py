"""What an Endpoint may say of its runtime and of the steps in which a new model takes over."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from loopwright.resources.endpoint import EndpointSpec

PROMOTE = {"from": "FineTuneJob/x", "gate": {"evalRun": "EvalRun/x"}}
UPSTREAM = {"upstream": {"url": "http://127.0.0.1:9/v1", "model": "m"}}


def spec(model: Any = None, **said: Any) -> EndpointSpec:
    return EndpointSpec.model_validate(
        {"provider": "local", "model": model or {"base": "b"}, **said}
    )


def test_a_canary_needs_no_more_than_to_be_asked_for() -> None:
    promote = spec(promote={**PROMOTE, "canary": {}}).promote
    assert promote is not None
    assert promote.canary is not None
    assert promote.canary.model_dump(by_alias=True, exclude_none=True) == {
        "steps": (5, 25),
        "interval": "10m",
        "minCalls": 50,
        "maxErrorRate": 0.02,
    }


@pytest.mark.parametrize(
    "canary",
    [
        {"steps": []},
        {"steps": [25, 5]},
        {"steps": [5, 5]},
        {"steps": [0]},
        {"steps": [100]},
        {"interval": "0s"},
        {"minCalls": 0},
        {"maxErrorRate": 1},
        {"maxLatency": "2"},
        {"maxLatency": "0s"},
    ],
)
def test_a_canary_that_could_not_be_walked_is_refused(canary: Any) -> None:
    with pytest.raises(ValidationError):
        spec(promote={**PROMOTE, "canary": canary})


@pytest.mark.parametrize("latency", ["2x", "1.5x", "800ms", "3s"])
def test_latency_is_bounded_by_time_or_by_what_it_was(latency: str) -> None:
    assert spec(promote={**PROMOTE, "canary": {"maxLatency": latency}})


def test_an_upstream_has_no_runtime_of_ours() -> None:
    runtime = {"vllm": {"url": "http://127.0.0.1:8000/v1"}}
    assert spec(runtime=runtime)
    with pytest.raises(ValidationError, match="an upstream needs no runtime"):
        spec(UPSTREAM, runtime=runtime)
