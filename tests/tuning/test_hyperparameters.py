"""Hyperparameters: the table is the truth, every problem is named, what is stated parses again."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopwright.tuning.hyperparameters import (
    KNOBS,
    HyperparameterError,
    Hyperparameters,
    Knob,
    normal,
    parse,
)


def test_every_knob_is_a_field_and_every_field_a_knob() -> None:
    names = {one.name.replace("_", "").lower() for one in dataclasses.fields(Hyperparameters)}
    assert names == {"method", *(knob.name.lower() for knob in KNOBS)}


def test_all_problems_come_together_with_the_nearest_name() -> None:
    written = {"learnigRate": 1, "epochs": -1, "maxSteps": 3, "loraRank": 3, "batchSize": True}
    with pytest.raises(HyperparameterError) as caught:
        parse(written, "full")
    said = {problem.name: problem.message for problem in caught.value.problems}
    assert said == {
        "learnigRate": "there is no such hyperparameter; did you mean learningRate?",
        "epochs": "found -1, allowed is a number, above 0 to 1000",
        "maxSteps": "stands instead of epochs; write one of them",
        "loraRank": "is for method: lora; this job tunes all weights",
        "batchSize": "found True, allowed is an integer, 1 to 4096",
    }


def test_early_stopping_wants_something_to_look_at() -> None:
    with pytest.raises(HyperparameterError, match="say spec"):
        parse({"earlyStoppingPatience": 2}, "lora", validates=False)
    assert parse({"earlyStoppingPatience": 2}, "lora", validates=True).early_stopping_patience == 2


def test_defaults_differ_by_method_and_text_that_is_a_number_is_one() -> None:
    assert parse({}, "full").learning_rate == 2e-5
    assert parse({}, "lora").learning_rate == 2e-4
    assert parse({"learningRate": "5e-4"}, "full").learning_rate == 5e-4  # YAML 1.1 reads text
    assert parse({"loraRank": 4}, "lora").lora_alpha == 8


def test_what_decides_is_the_same_however_it_is_written() -> None:
    said: dict[str, object]
    said = {
        "epochs": 3.0,
        "batchSize": "16",
        "loraRank": 4,
        "loraAlpha": 8.0,
        "loraTargets": " q_proj,v_proj",
        "checkpointSteps": 7,
        "learningRate": "1e-3",
    }
    short = {"batchSize": 16, "loraRank": 4, "loraTargets": "q_proj,v_proj", "learningRate": 0.001}
    assert normal(said, "lora") == normal(short, "lora") == short
    assert normal({"loraAlpha": 8, "learningRate": 2e-5}, "lora") == {
        "loraAlpha": 8,
        "learningRate": 2e-5,
    }
    assert normal({"batchSize": 0, "none": 1}, "full") == {"batchSize": 0, "none": 1}


def _values(knob: Knob) -> st.SearchStrategy[object]:
    match knob.kind:
        case "boolean":
            return st.booleans()
        case "choice":
            return st.sampled_from(knob.choices)
        case "names":
            return st.sampled_from(["all-linear", "q_proj, v_proj"])
    low, high = int(knob.low) + knob.above_low, int(min(knob.high, 10**6))
    return st.integers(min(low, high), high)


_WRITTEN = st.fixed_dictionaries({}, optional={knob.name: _values(knob) for knob in KNOBS}).filter(
    lambda written: (
        not (
            {"epochs", "maxSteps"} <= written.keys()
            or {"warmupRatio", "warmupSteps"} <= written.keys()
        )
    )
)


@given(written=_WRITTEN)
def test_what_is_stated_parses_to_the_same(written: dict[str, object]) -> None:
    parsed = parse(written, "lora")
    assert parse(parsed.stated(), "lora") == parsed


@given(knob=st.sampled_from([knob for knob in KNOBS if knob.kind in ("integer", "number")]))
def test_a_number_out_of_range_is_refused_on_both_sides(knob: Knob) -> None:
    for outside in (knob.low - 1, knob.high + 1, "many", None):
        with pytest.raises(HyperparameterError):
            parse({knob.name: outside}, "lora")
