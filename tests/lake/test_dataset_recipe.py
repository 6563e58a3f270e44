"""Recipes: one digest for one meaning, and refusals of what cannot be sampled."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import dataset_calls as made
import pytest

from loopwright.errors import DatasetError
from loopwright.lake.datasets.recipe import Recipe

FULL = {
    "filter": {
        "from": "2026-01-01T00:00:00Z",
        "to": "2026-02-01T00:00:00Z",
        "modelVersions": ["m-1", "m-2"],
        "endpoints": ["chat"],
        "outcomes": ["cached", "ok"],
        "tokens": {"input": {"min": 1}, "total": {"min": 2, "max": 9}},
        "tags": {"team": "blue"},
        "feedback": [
            {"name": "helpful", "equals": False, "source": "human"},
            {"name": "score", "atLeast": 0.0, "atMost": 0.5},
        ],
        "where": "input_tokens > 3",
        "responseSchema": {"type": "object"},
    },
    "sampling": {"count": 5, "order": "chronological", "salt": "s"},
    "cleaning": {
        "outcomes": ["cached", "ok"],
        "dedup": "near",
        "minTokens": 1,
        "maxTokens": 9,
        "decontaminate": False,
    },
    "split": {"validation": 0.1, "by": "subject"},
    "lineFormat": "ark",
    "targets": "corrected",
    "heldOut": {"suite/ability/set": "sha256:1"},
}


def test_a_recipe_reads_back_what_it_says() -> None:
    assert Recipe.from_spec(FULL).to_json() == FULL


def test_defaults_are_not_part_of_the_digest() -> None:
    spelled_out = {
        "filter": {
            "endpoints": [],
            "where": " ",
            "outcomes": [],
            "tokens": {"input": {}},
            "tags": {},
            "feedback": [],
        },
        "sampling": {"ratio": 1, "order": "random", "salt": "", "independent": False},
        "cleaning": {"outcomes": ["ok"], "dedup": "exact", "decontaminate": True},
        "split": {"validation": 0, "by": "session"},
        "format": "sft",
        "lineFormat": "openai",
        "targets": "answered",
        "heldOut": {},
    }
    short = made.recipe(sampling={"ratio": 1.0})
    assert Recipe.from_spec(spelled_out) == short
    assert short.to_json() == {"sampling": {"ratio": 1.0}}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"endpoints": ["b", "a", "a"]}, {"endpoints": ["a", "b"]}),
        (
            {"feedback": [{"name": "b"}, {"name": "a"}, {"name": "b"}]},
            {"feedback": [{"name": "a"}, {"name": "b"}]},
        ),
        ({"from": "2026-01-01"}, {"from": "2026-01-01T00:00:00Z"}),
        ({"from": date(2026, 1, 1)}, {"from": datetime(2026, 1, 1, tzinfo=UTC)}),
        ({"from": "2026-01-01T08:00:00+08:00"}, {"from": "2026-01-01"}),
    ],
)
def test_the_same_filter_said_otherwise_has_the_same_digest(
    one: dict[str, Any], other: dict[str, Any]
) -> None:
    sampling = {"ratio": 0.5}
    first, second = (made.recipe(sampling=sampling, filter=said) for said in (one, other))
    assert first.digest == second.digest != made.recipe(sampling=sampling).digest


def test_the_digest_of_a_known_recipe_never_changes() -> None:
    """Versions that people have built are named by it."""
    known = made.recipe(sampling={"count": 5}, split={"validation": 0.1}, lineFormat="ark")
    assert known.digest == "sha256:8885fdd5cdf7bcfa4058c289cec3a6739dc610c1f9d21f1581615ca7154d5afb"


def test_true_and_one_are_two_answers() -> None:
    rules = [{"name": "good", "equals": True}, {"name": "good", "equals": 1}]
    recipe = made.recipe(sampling={"ratio": 1}, filter={"feedback": rules})
    assert len(recipe.filter.feedback) == 2


def test_an_empty_response_schema_still_asks_for_json() -> None:
    asking = made.recipe(sampling={"ratio": 1}, filter={"responseSchema": {}})
    assert asking.digest != made.recipe(sampling={"ratio": 1}).digest


@pytest.mark.parametrize(
    "spec",
    [
        {"sampling": {}},
        {},
        {"sampling": {"ratio": 0.1, "count": 3}},
        {"sampling": {"ratio": 0}},
        {"sampling": {"ratio": 1.1}},
        {"sampling": {"count": 0}},
        {"sampling": {"count": 3, "order": "sideways"}},
        {"sampling": {"ratio": 0.1, "order": "chronological"}},
        {"sampling": {"count": 3, "order": "chronological", "independent": True}},
        {"sampling": {"count": 3}, "split": {"validation": 1}},
        {"sampling": {"count": 3}, "filter": {"from": "yesterday"}},
        {"sampling": {"count": 3}, "format": "dpo"},
        {"sampling": {"count": 3}, "lineFormat": "yaml"},
    ],
)
def test_what_cannot_be_sampled_is_refused(spec: dict[str, Any]) -> None:
    with pytest.raises(DatasetError):
        Recipe.from_spec(spec)
