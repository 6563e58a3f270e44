"""jsonValid and jsonSchema: whether an answer is JSON, and JSON of the declared form."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from loopwright.answer_schemas import unsatisfied
from loopwright.evaluation.questions import Item
from loopwright.evaluation.scoring.base import (
    NOT_JSON,
    Given,
    Scored,
    Scorer,
    json_value,
    right_or_wrong,
    shown,
)
from loopwright.hashing import canonical_json


def json_valid(settings: Mapping[str, Any]) -> Scorer:
    """All points where the whole answer is one JSON value."""
    del settings
    return _valid


def json_schema(settings: Mapping[str, Any]) -> Scorer:
    """All points where the whole answer is JSON that satisfies the schema."""
    return partial(_satisfying, canonical_json(settings["schema"]))


def _valid(given: Given, item: Item) -> Scored:
    del item
    return right_or_wrong(json_value(given.text) is not NOT_JSON, f"no JSON: {shown(given.text)}")


def _satisfying(schema: bytes, given: Given, item: Item) -> Scored:
    del item
    value = json_value(given.text)
    if value is NOT_JSON:
        return Scored(0.0, f"no JSON: {shown(given.text)}")
    lacking = unsatisfied(schema)(value)
    return right_or_wrong(not lacking, lacking)
