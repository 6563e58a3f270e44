from __future__ import annotations

import math
from collections import Counter

import pytest
import torch

from loopwright.serving.embedded.sampling import Drawing, Sampling, choose, logprobs


def drawing(seed: int | None = 0, **sampling: object) -> Drawing:
    return Drawing(Sampling(**sampling), seed)  # type: ignore[arg-type]


PROBABILITIES = [0.5, 0.2, 0.15, 0.1, 0.05]
LOGITS = torch.tensor([PROBABILITIES]).log()


def seen(*, draws: int = 2000, **sampling: object) -> Counter[int]:
    row = drawing(**sampling)
    return Counter(choose(LOGITS, [row])[0] for _ in range(draws))


def test_temperature_zero_takes_the_likeliest() -> None:
    assert choose(LOGITS, [drawing(temperature=0.0)]) == [0]


def test_draws_follow_the_probabilities() -> None:
    counts = seen(draws=4000)

    for token, probability in enumerate(PROBABILITIES):
        deviation = math.sqrt(4000 * probability * (1 - probability))
        assert abs(counts[token] - 4000 * probability) < 5 * deviation


@pytest.mark.parametrize(
    ("sampling", "allowed"),
    [
        ({"top_k": 1}, {0}),
        ({"top_k": 3}, {0, 1, 2}),
        ({"top_p": 0.5}, {0}),
        ({"top_p": 0.51}, {0, 1}),
        ({"top_p": 0.8}, {0, 1, 2}),  # 0.5 + 0.2 < 0.8, with the third it is reached
        ({"top_p": 0.99}, {0, 1, 2, 3, 4}),
        ({"top_k": 2, "top_p": 0.99}, {0, 1}),
        ({"bias": {0: -100.0}}, {1, 2, 3, 4}),
        ({"bias": {4: 100.0}}, {4}),
    ],
)
def test_only_candidates_are_drawn(sampling: dict[str, object], allowed: set[int]) -> None:
    assert set(seen(**sampling)) == allowed


def test_low_temperature_sharpens() -> None:
    assert seen(temperature=0.1)[0] > 1990


def test_penalties_count_what_was_said() -> None:
    row = drawing(temperature=0.0, frequency=0.5, presence=0.5)
    said = []
    for _ in range(4):
        said.append(choose(LOGITS, [row])[0])
        row.add(said[-1])
    # log(.5 .2 .15) = -0.69 -1.61 -1.90: each time it was said costs a token 0.5, and 0.5 once
    assert said == [0, 1, 0, 2]


def test_a_seed_draws_the_same_whatever_else_is_in_the_batch() -> None:
    logits = torch.randn((1, 50), generator=torch.Generator().manual_seed(0))
    alone, among = drawing(seed=7, top_p=0.9), drawing(seed=7, top_p=0.9)
    others = [drawing(seed=1), drawing(temperature=0.0), drawing(seed=3, frequency=1.0)]

    by_itself = [choose(logits, [alone])[0] for _ in range(50)]
    in_a_batch = [choose(logits.expand(4, -1), [*others, among])[3] for _ in range(50)]

    assert by_itself == in_a_batch
    assert len(set(by_itself)) > 1


def test_logprobs_are_the_models_own() -> None:
    rows = [drawing(temperature=0.5, bias={0: -100.0}, logprobs=2), drawing()]
    told, nothing = logprobs(LOGITS.expand(2, -1), rows, [1, 0])

    assert nothing is None
    assert told.token == 1
    assert math.isclose(told.logprob, math.log(0.2), abs_tol=1e-6)
    assert [token for token, _ in told.likeliest] == [0, 1]
