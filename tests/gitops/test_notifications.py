"""Told once when it begins, once when it is over; grouped by cause; the same after a restart."""

from __future__ import annotations

from collections import defaultdict
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st
from watch_bench import START, Bench, dataset, endpoint, job, lake, provider, resource, suite

from loopwright.engine.apply import Applied
from loopwright.gitops.conditions import Cause, Level, gathered, of_pass, steady
from loopwright.gitops.notifications import RESOLVED_AFTER, Notifications
from loopwright.planning.change import Action, Change
from loopwright.planning.plan import Header, Plan
from loopwright.resources.address import Address

BUSY = Cause("failed", "the world is busy")


def level(*causes: Cause, addresses: tuple[str, ...] = ("Lake/main",)) -> Level:
    return {cause: frozenset(addresses) for cause in causes}


def test_a_cause_is_told_when_it_begins_and_when_it_has_stayed_away() -> None:
    told = Notifications("prod")
    begin, minute = START, timedelta(minutes=1)
    assert [m.event for m in told.update(level(BUSY), now=begin, commit="a1")] == ["failed"]
    assert told.update(level(BUSY), now=begin + minute, commit="a1") == []
    assert told.update(level(), now=begin + 2 * minute, commit="a1") == []
    assert told.due == begin + 2 * minute + RESOLVED_AFTER
    (over,) = told.update(level(), now=begin + 3 * minute, commit="b2")
    assert (over.event, over.addresses, over.commit) == ("resolved", ("Lake/main",), "b2")
    assert told.update(level(), now=begin + 9 * minute, commit="b2") == []
    assert told.due is None


def test_what_comes_and_goes_every_few_seconds_is_told_once() -> None:
    told = Notifications("prod")
    messages = []
    for second in range(0, 3600, 10):
        now = START + timedelta(seconds=second)
        messages += told.update(level(BUSY) if second % 20 else level(), now=now, commit="")
    messages += told.update(level(), now=START + timedelta(hours=2), commit="")
    messages += told.update(level(), now=START + timedelta(hours=3), commit="")
    assert [message.event for message in messages] == ["failed", "resolved"]


CAUSES = [Cause("failed", "a"), Cause("failed", "b"), Cause("drift", "a")]


@given(st.lists(st.tuples(st.sets(st.sampled_from(CAUSES)), st.integers(1, 90), st.booleans())))
def test_begin_and_end_take_turns_whatever_happens_restarts_included(
    steps: list[tuple[set[Cause], int, bool]],
) -> None:
    told, now = Notifications("prod"), START
    heard: dict[tuple[str, str], list[str]] = defaultdict(list)
    for causes, seconds, restarts in steps:
        now += timedelta(seconds=seconds)
        for message in told.update(level(*causes), now=now, commit=""):
            event, _, text = message.cause.rpartition(": ")
            heard[event or message.event, text].append(message.event)
        if restarts:
            again = Notifications("prod")
            again.recall(told.to_json())
            told = again
    for (event, _), events in heard.items():
        assert events[::2] == [event] * len(events[::2])
        assert events[1::2] == ["resolved"] * len(events[1::2])


def test_fifty_resources_that_fail_alike_make_one_message() -> None:
    addresses = [Address("Endpoint", f"e{number}") for number in range(50)]
    failed = {at: f"cannot create {at}: quota of 30 reached (id 7f{at.name})" for at in addresses}
    changes = tuple(Change(at, Action.CREATE) for at in addresses)
    plan = Plan(Header("prod", "", 0, "", ()), changes)
    found = gathered(of_pass(plan, Applied(failed=failed), {}, ()))
    (message,) = Notifications("prod").update(found, now=START, commit="")
    assert message.cause == "cannot create it: quota of N reached (id N)"
    assert len(message.addresses) == 50
    assert message.text.count("Endpoint/") == 3


@given(st.integers(0, 10**9), st.uuids(), st.floats(0, 100, allow_nan=False))
def test_the_text_of_a_cause_carries_no_varying_number(
    number: int, uid: object, took: float
) -> None:
    text = f"Lake/main: request {uid} took {took:.3f} s, attempt {number} of 4"
    other = "Lake/other-2: request 5f0c-11aa took 0.001 s, attempt 1 of 9"
    assert steady(text, Address("Lake", "main")) == steady(other, Address("Lake", "other-2"))


def test_a_resource_that_fails_in_every_pass_is_told_once_and_then_resolved(bench: Bench) -> None:
    rule = {"action": "create", "kind": "Lake", "how": "permanent", "times": 5}
    bench.write(provider(faults={"fail": [rule]}), lake("a"), lake("b"))
    bench.watch(3600, interval=300)
    assert bench.told() == [
        ("failed", "cannot create it: the world refuses it"),
        ("resolved", "failed: cannot create it: the world refuses it"),
    ]
    assert bench.messages[0].addresses == ("Lake/a", "Lake/b")


def test_a_restart_repeats_nothing(bench: Bench) -> None:
    rule = {"action": "create", "kind": "Lake", "how": "permanent", "times": 1000}
    bench.write(provider(faults={"fail": [rule]}), lake())
    for _ in range(3):
        bench.watch(300, interval=60)
    assert [event for event, _ in bench.told()] == ["failed"]


def test_a_world_that_cannot_be_looked_at_is_one_cause(bench: Bench) -> None:
    rule = {"action": "observe", "kind": "Lake", "how": "permanent", "times": 8}
    bench.write(provider(faults={"fail": [rule]}), lake())
    bench.watch(3600, interval=60)
    assert [event for event, _ in bench.told()] == ["failed", "resolved"]
    assert bench.external_id("Lake", "main")


def test_a_promotion_and_a_refused_candidate_are_told(bench: Bench) -> None:
    scores = {"e": {"composite": 71}}
    gate = {"evalRun": "EvalRun/e", "minComposite": 80}
    loop = [
        lake(),
        dataset(),
        job(),
        endpoint("candidate", model={"fineTuneJob": "FineTuneJob/f"}),
        endpoint("prod", promote={"from": "FineTuneJob/f", "gate": gate}),
        suite(),
        resource("EvalRun", "e", suite="s", endpoint="candidate"),
    ]
    bench.write(provider(scores=scores), *loop)
    bench.watch(300)
    assert [event for event, _ in bench.told()] == ["rejected"]
    assert "composite 71.0 < 80" in bench.messages[0].text
    bench.write(provider(scores={"e": {"composite": 92}}), *loop[:2], job(seed=2), *loop[3:])
    bench.watch(300)
    assert [event for event, _ in bench.told()] == ["rejected", "promoted"]
    assert bench.messages[1].addresses == ("Endpoint/prod",)
