"""What a plan says of a training run before anything of it has been measured."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest

from loopwright.providers.base import Estimate, Range, Resolved, Target
from loopwright.resources.address import Address
from support.local_worlds import LocalWorld
from support.tiny_models import make_light_base

DATASET = Resolved(
    Address("Dataset", "set"),
    outputs={"version": 1, "rows": 1_000, "trainRows": 1_000, "tokens": 100_000},
)


@pytest.fixture
def world(tmp_path: Path) -> LocalWorld:
    make_light_base(tmp_path / "base")
    return LocalWorld(tmp_path)


def estimate(world: LocalWorld, dataset: Resolved = DATASET, **knobs: Any) -> Estimate:
    target: Target = world.target(
        "FineTuneJob", "router", inputs={"dataset": dataset}, base="base", dataset="Dataset/set",
        method="full", hyperparameters=knobs,
    )  # fmt: skip
    found = world.adapter("FineTuneJob").estimate(target, None)
    assert isinstance(found, Estimate)
    return found


def says(world: LocalWorld, **config: Any) -> None:
    (world.folder / "base/config.json").write_bytes(orjson.dumps(config))


def test_packed_sequences_are_counted_by_what_the_base_takes(world: LocalWorld) -> None:
    knobs: dict[str, Any] = {"packing": "packed", "epochs": 1, "batchSize": 1}
    says(world, max_position_embeddings=1_024)
    short = estimate(world, **knobs).steps
    says(world, text_config={"max_position_embeddings": 32_768})
    long = estimate(world, **knobs).steps
    assert (short, long) == (Range(118, 59, 254), Range(59, 30, 127))  # maxLength is 2,048


@pytest.mark.parametrize("vocabulary", [None, 2_048, 150_000])
def test_a_first_guess_holds_the_runs_that_were_measured(
    world: LocalWorld, vocabulary: int | None
) -> None:
    says(world, vocab_size=vocabulary)
    tokens = estimate(world, epochs=1).tokens
    assert tokens is not None
    for measured in (1.34, 2.04, 2.29):  # own tokens of a base for each that a call counted
        assert tokens.low <= measured * 100_000 <= tokens.high


def test_there_are_no_numbers_while_the_rows_wait_for_calls(world: LocalWorld) -> None:
    nothing = Estimate(rows=Range.exact(0), tokens=Range.exact(0))
    few = Estimate(rows=Range.exact(30), tokens=Range.exact(300), waiting="30 of 1,000 rows")
    for planned in (nothing, few):
        found = estimate(world, replace(DATASET, outputs={}, planned=planned))
        assert (found.rows, found.tokens, found.steps) == (None, None, None)
        assert "what it trains on is not there yet" in found.notes


def test_a_version_to_come_is_not_counted_by_the_one_before(world: LocalWorld) -> None:
    assert estimate(world, replace(DATASET, planned=Estimate())) == Estimate()
