"""The stream of events: each transition once, in order, under one run."""

from __future__ import annotations

import orjson
import pytest

from loopwright.engine.events import Event, EventType
from support.projects import TestProject, flywheel

_SLOW = {"jobSeconds": {"FineTuneJob": 600}}


@pytest.fixture
def told(project: TestProject) -> list[Event]:
    project.apply(flywheel(connection=_SLOW))
    return project.events


def _of(told: list[Event], address: str) -> list[str]:
    return [
        event.type.value
        for event in told
        if event.address == address and event.type is not EventType.PROGRESS
    ]


def test_a_resource_goes_through_its_transitions_once(told: list[Event]) -> None:
    assert _of(told, "Lake/main") == ["started", "succeeded"]
    assert _of(told, "FineTuneJob/router") == ["started", "running", "succeeded"]
    assert _of(told, "Endpoint/prod")[:2] == ["started", "succeeded"]
    assert _of(told, "Endpoint/prod")[-2:] == ["started", "succeeded"]


def test_a_promotion_is_told_as_one(told: list[Event]) -> None:
    actions = [event.action for event in told if event.address == "Endpoint/prod"]
    assert "promote" in actions


def test_what_is_needed_succeeds_before_what_needs_it_starts(told: list[Event]) -> None:
    places = {(event.address, event.type): place for place, event in enumerate(told)}
    for before, after in [
        ("Lake/main", "Dataset/router"),
        ("Dataset/router", "FineTuneJob/router"),
        ("FineTuneJob/router", "Endpoint/candidate"),
        ("Endpoint/candidate", "EvalRun/candidate"),
    ]:
        done, begun = places[before, EventType.SUCCEEDED], places[after, EventType.STARTED]
        assert done < begun, (before, after)


def test_progress_tells_how_far_and_how_long(told: list[Event]) -> None:
    progress = [event.progress for event in told if event.type is EventType.PROGRESS]
    assert progress
    assert all(found and found.total == 600 and found.eta_seconds for found in progress)
    done = [found.done for found in progress if found]
    assert done == sorted(done)


def test_passes_begin_and_end_and_every_event_has_the_run_and_the_time(told: list[Event]) -> None:
    bounds = [event.type for event in told if not event.address]
    assert bounds == [EventType.PASS_STARTED, EventType.PASS_FINISHED] * (len(bounds) // 2)
    assert len({event.run for event in told}) == 1
    assert [event.at for event in told] == sorted(event.at for event in told)


def test_a_line_of_json_has_what_is_said_and_nothing_else(told: list[Event]) -> None:
    line = next(event for event in told if event.type is EventType.STARTED).to_json()
    assert next(iter(line)) == "type"
    assert orjson.loads(orjson.dumps(line)) == line
    assert {"at", "run", "address", "action", "stage"} <= line.keys()
    assert "progress" not in line
