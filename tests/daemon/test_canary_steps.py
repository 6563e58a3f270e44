"""Canaries decide by counts and the clock alone, and go on where a kill found them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopwright.clock import FakeClock
from loopwright.daemon.canaries import Canaries
from loopwright.daemon.canary import PROMOTED, REFUSED, Rules, Stage, decide, words
from loopwright.daemon.served import Canary, Choice
from loopwright.daemon.stages import Stages
from loopwright.gateway.tally import Tally

SAID: dict[str, Any] = {
    "steps": [5, 25], "interval": "10m", "minCalls": 50, "maxErrorRate": 0.02,
}  # fmt: skip
RULES = Rules.of(SAID)
BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
BEFORE = Choice("m@1", "sha256:1")


def tally(good: int, bad: int = 0, *, seconds: float = 0.1) -> Tally:
    found = Tally()
    for number in range(good + bad):
        found.add(seconds, failed=number < bad)
    return found


def after(minutes: float, new: Tally, *, rules: Rules = RULES, **more: Any) -> Stage:
    stage = Stage(BEGAN, new=new, **more)
    return decide(stage, rules, BEGAN + timedelta(minutes=minutes))


@pytest.mark.parametrize(
    ("minutes", "good", "bad", "step"),
    [
        (9, 500, 0, 0),  # too early
        (10, 49, 0, 0),  # too few calls
        (10, 50, 0, 1),
        (10, 49, 1, 1),  # 2 % are allowed
        (600, 0, 0, 0),  # nobody called
    ],
)
def test_a_step_needs_its_time_and_its_calls(minutes: int, good: int, bad: int, step: int) -> None:
    stage = after(minutes, tally(good, bad))
    assert (stage.step, stage.outcome) == (step, "")
    assert stage.new.calls == (0 if step else good + bad)


def test_after_the_last_step_it_answers_every_call_and_stays_so() -> None:
    stage = after(10, tally(50), step=1)
    assert (stage.outcome, stage.weight(RULES)) == (PROMOTED, 100)
    assert decide(stage, RULES, BEGAN + timedelta(days=9)) == stage


@pytest.mark.parametrize(
    ("good", "bad", "why"),
    [
        (0, 2, "error rate 100 % > 2 % at 25 % (2 of 2 calls)"),  # no number of good ones mends it
        (91, 7, "error rate 7.1 % > 2 % at 25 % (7 of 98 calls)"),
    ],
)
def test_too_many_failures_bring_it_back_at_once_with_the_numbers(
    good: int, bad: int, why: str
) -> None:
    stage = after(0.1, tally(good, bad), step=1)
    assert (stage.outcome, stage.why, stage.weight(RULES)) == (REFUSED, why, 0)
    assert words(stage, RULES, BEGAN) == f"went back: {why}"


def test_latency_is_held_against_a_time_or_against_the_model_from_before() -> None:
    absolute, relative = (Rules.of({**SAID, "maxLatency": text}) for text in ("500ms", "2x"))
    slow, fast = tally(60, seconds=0.6), tally(60, seconds=0.1)
    assert after(1, slow, rules=absolute).why.endswith("ms > 500 ms at 5 % (95th percentile)")
    assert after(10, fast, rules=absolute).step == 1
    assert "> 2 x " in after(1, slow, rules=relative, old=fast).why
    assert after(10, slow, rules=relative, old=slow).step == 1
    assert after(10, slow, rules=relative, old=tally(3)).step == 0  # too few to compare with
    assert after(1, tally(40, seconds=0.6), rules=absolute).outcome == ""  # too few to tell


@given(st.lists(st.tuples(st.integers(0, 80), st.integers(0, 2), st.integers(0, 20)), max_size=40))
def test_shares_only_rise_and_an_end_is_the_end(looks: list[tuple[int, int, int]]) -> None:
    stage, now, errors = Stage(BEGAN), BEGAN, 0
    for good, bad, minutes in looks:
        now += timedelta(minutes=minutes)
        before = stage
        counted = replace(stage, new=stage.new + tally(good, bad))
        stage = decide(counted, RULES, now)
        if before.outcome:
            assert stage.outcome == before.outcome
            continue
        errors += bad
        if stage.outcome == REFUSED:
            assert errors > 1
        else:
            assert stage.weight(RULES) >= before.weight(RULES)
            assert stage.step - before.step in (0, 1)


def test_a_kill_keeps_the_step_and_its_counts(tmp_path: Path) -> None:
    clock = FakeClock(BEGAN)
    canary = Canary("promotion-1", RULES, BEFORE)

    def daemon() -> Canaries:
        found = Canaries(Stages(tmp_path), clock)
        found.follow({"chat": canary}, {"chat": {"m@1": tally(900, 5)}})  # of before: not counted
        return found

    first = daemon()
    assert not first.step("chat", "m@2", {"m@1": tally(900, 5), "m@2": tally(40)})
    clock.advance(600)
    second = daemon()  # the gateway of the next one counts from nothing
    assert second.weight("chat") == 5
    assert second.step("chat", "m@2", {"m@1": tally(100), "m@2": tally(10)})
    assert second.weight("chat") == 25
    third = daemon()
    assert third.weight("chat") == 25
    assert third.step("chat", "m@2", {"m@2": tally(1, 2)})
    told = daemon().status("chat")
    assert told is not None
    assert (told["weight"], told["outcome"]) == (0, REFUSED)
    assert "(2 of 3 calls)" in told["why"]


def test_another_promotion_begins_anew_and_one_that_is_over_is_forgotten(tmp_path: Path) -> None:
    stages = Stages(tmp_path)
    canaries = Canaries(stages, FakeClock(BEGAN))
    canaries.follow({"chat": Canary("one", RULES, BEFORE)}, {})
    canaries.step("chat", "m@2", {"m@2": tally(0, 2)})
    assert canaries.weight("chat") == 0
    canaries.follow({"chat": Canary("two", RULES, BEFORE)}, {"chat": {"m@2": tally(0, 2)}})
    assert canaries.weight("chat") == 5
    assert not canaries.step("chat", "m@2", {"m@2": tally(1, 2)})
    canaries.follow({}, {})
    assert (canaries.weight("chat"), list(stages.endpoints())) == (100, [])


def test_one_that_a_person_ends_answers_nothing_more_and_stays_ended(tmp_path: Path) -> None:
    stages = Stages(tmp_path)
    canaries = Canaries(stages, FakeClock(BEGAN))
    canaries.follow({"chat": Canary("one", RULES, BEFORE)}, {})
    assert not canaries.refuse("chat", "of another promotion", "odd")
    assert canaries.weight("chat") == 5
    assert canaries.refuse("chat", "one", "ended by li: odd")
    assert not canaries.refuse("chat", "one", "again")
    assert not canaries.step("chat", "m@2", {"m@2": tally(500)})
    assert canaries.weight("chat") == 0
    held = stages.read("chat", "one")
    assert held is not None
    assert (held.outcome, held.why) == (REFUSED, "ended by li: odd")


def test_a_takeover_that_nobody_calls_says_what_it_waits_for() -> None:
    told = [
        words(Stage(BEGAN, new=new), RULES, BEGAN + timedelta(minutes=minutes))
        for minutes, new in ((0, Tally()), (60, Tally()), (60, tally(4, seconds=0.1)))
    ]
    assert told[:2] == [
        "5 % of the calls, waits for 50 calls of the new model, none came yet, 10 min to go",
        "5 % of the calls, waits for 50 calls of the new model, none came yet",
    ]
    assert told[2].startswith("5 % of the calls, 4 of 50 calls, error rate 0 %, latency ")
