"""Counts of a run, against a table worked out by hand."""

from __future__ import annotations

import pytest

from loopwright.tuning.counting import Counts, count
from loopwright.tuning.hyperparameters import parse

# rows, tokens, hyperparameters, percentage, processes -> counts
_BY_HAND = [
    (1000, 50_000, {"epochs": 2, "batchSize": 16}, 0, 1, Counts(1000, 0, 126, 63, 2, 100_000)),
    (
        *(1000, 50_000, {"epochs": 1, "batchSize": 8, "gradientAccumulation": 4}, 10, 2),
        Counts(900, 100, 15, 15, 1, 45_000),
    ),
    (100, 5_000, {"maxSteps": 5, "batchSize": 10}, 0, 1, Counts(100, 0, 5, 10, 0.5, 2_500)),
    (
        *(100, 5_000, {"epochs": 1, "batchSize": 2, "packing": "packed", "maxLength": 500}, 0, 1),
        Counts(100, 0, 5, 5, 1, 5_000),
    ),
    (3, 30, {"epochs": 1}, 5, 1, Counts(2, 1, 1, 1, 1, 20)),
]


@pytest.mark.parametrize(
    ("rows", "tokens", "written", "percentage", "processes", "counts"), _BY_HAND
)
def test_counts_are_those_worked_out_by_hand(
    rows: int,
    tokens: int,
    written: dict[str, object],
    percentage: float,
    processes: int,
    counts: Counts,
) -> None:
    hyperparameters = parse(written, "full")
    found = count(
        rows, tokens, hyperparameters, validation_percentage=percentage, processes=processes
    )
    assert found == counts


def test_packed_sequences_are_no_longer_than_the_model_takes() -> None:
    known = parse({"packing": "packed", "batchSize": 8, "maxSteps": 5}, "full")
    assert known.max_length == 2_048
    assert count(1000, 100_000, known).tokens == 71_429  # 49 sequences, 7 steps a pass
    assert count(1000, 100_000, known, context=1_024).tokens == 38_462  # 98 sequences, 13 steps
    assert count(1000, 100_000, known, context=32_768).tokens == 71_429


def test_warm_up_and_checkpoints_follow_the_length_of_the_run() -> None:
    assert parse({}, "full").warmup(100) == 3
    assert parse({"warmupSteps": 200}, "full").warmup(100) == 100
    assert parse({}, "full").checkpoint_every(300) == 50
    assert parse({}, "full").checkpoint_every(1_500) == 150
    assert parse({}, "full").checkpoint_every(100_000) == 200
    assert parse({"checkpointSteps": 7}, "full").checkpoint_every(300) == 7
