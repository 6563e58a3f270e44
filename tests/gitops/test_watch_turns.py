"""`minNewCalls` turns the whole loop by itself: no command but `watch`, on a fake clock."""

from __future__ import annotations

from typing import Any

import pytest
from watch_bench import Bench, dataset, endpoint, job, lake, provider, resource, suite

from loopwright.planning.decisions import decisions

_LONG = 6 * 3_600
_HOUR = 3_600


def loop(**promote: Any) -> list[str]:
    """Calls -> dataset -> model -> candidate -> comparison with what serves -> promotion."""
    gate = {"evalRun": "EvalRun/e", "maxRegression": 1, "confidence": 0.5}
    return [
        lake(),
        dataset(trigger={"minNewCalls": 1_000}),
        job(),
        endpoint("candidate", model={"fineTuneJob": "FineTuneJob/f"}),
        endpoint("prod", promote={"from": "FineTuneJob/f", "gate": gate, **promote}),
        suite(),
        resource("EvalRun", "e", suite="s", endpoint="candidate", baseline="prod"),
    ]


def world_of(better: float, **more: Any) -> str:
    score = {"composite": 80, "differences": {"c": better}}
    busy = {"Dataset": 5, "FineTuneJob": 15, "EvalRun": 5}
    return provider(scores={"e": score}, jobSeconds=busy, **more)


def made(bench: Bench) -> tuple[int, int, int]:
    """Revisions of the dataset, the job and the evaluation."""
    found = (bench.record(at).revisions for at in ("Dataset/d", "FineTuneJob/f", "EvalRun/e"))
    first, second, third = (len(revisions) for revisions in found)
    return first, second, third


def serves(bench: Bench) -> Any:
    return bench.record("Endpoint/prod").spec["model"]


def told(bench: Bench) -> list[str]:
    return [event for event, _ in bench.told()]


def test_calls_that_arrive_turn_the_loop_to_the_next_promotion(bench: Bench) -> None:
    bench.write(world_of(2), *loop())
    bench.watch(_HOUR, interval=300)
    assert (made(bench), serves(bench)) == ((1, 1, 1), {"model": "Model/f@1"})
    bench.at(600, lambda: bench.world.calls("main", 10_999), wakes=False)
    bench.watch(_HOUR, interval=300)
    assert made(bench) == (1, 1, 1)  # 999 are too few
    bench.at(600, lambda: bench.world.calls("main", 11_000), wakes=False)
    bench.watch(_HOUR, interval=300)
    assert (made(bench), serves(bench)) == ((2, 2, 2), {"model": "Model/f@2"})
    assert "+1,000 calls since v1" in bench.record("Dataset/d").revisions[1].reason
    bench.watch(_LONG, interval=600)
    assert made(bench) == (2, 2, 2)
    assert told(bench) == ["promoted", "promoted"]


def test_a_worse_model_stays_out_and_nothing_spins(bench: Bench) -> None:
    bench.write(world_of(2), *loop())
    bench.watch(_HOUR, interval=300)
    bench.write(world_of(-5), *loop())
    bench.at(600, lambda: bench.world.calls("main", 12_000), wakes=False)
    bench.watch(_LONG, interval=600)
    assert (made(bench), serves(bench)) == ((2, 2, 2), {"model": "Model/f@1"})
    assert told(bench) == ["promoted", "rejected"]
    assert "c -5.0 (at least -5.0 with 50 % confidence) < -1" in bench.messages[1].text
    bench.write(world_of(2), *loop())
    bench.watch(_LONG, interval=600)
    assert made(bench) == (2, 2, 2)  # it was judged; only new data make a new candidate
    bench.at(600, lambda: bench.world.calls("main", 13_000), wakes=False)
    bench.watch(_HOUR, interval=300)
    assert (made(bench), serves(bench)) == ((3, 3, 3), {"model": "Model/f@3"})


@pytest.mark.parametrize("rate", [0.0, 0.3])
def test_a_canary_goes_on_from_pass_to_pass(rate: float, bench: Bench) -> None:
    canary = {"steps": [10, 50], "interval": "30m"}
    steered = {"prod": {"errorRate": rate, "fromPercent": 50}}
    bench.write(world_of(2, canaries=steered), *loop(canary=canary))
    bench.watch(2 * _HOUR, interval=300)
    assert serves(bench) == ({"base": "tiny"} if rate else {"model": "Model/f@1"})
    assert told(bench) == (["rejected"] if rate else ["promoted"])
    bench.watch(_LONG, interval=600)
    assert (made(bench), len(told(bench))) == ((1, 1, 1), 1)
    (decided,) = decisions(bench.record("Endpoint/prod"))
    if rate:
        assert decided["reason"] == "error rate 30.0 % > 2 % at 50 %"
        assert "error rate 30.0 % > 2 % at 50 %" in bench.messages[0].text
