"""The methods by their manifest names. A judge is a model, and is asked elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from loopwright.evaluation.questions import Item, QuestionSet
from loopwright.evaluation.scoring import choices, documents, numbers, texts, tool_calls, words
from loopwright.evaluation.scoring.base import Given, Scored, Scorer

METHODS: Mapping[str, Callable[[Mapping[str, Any]], Scorer]] = {
    "exactMatch": texts.exact_match,
    "includes": texts.includes,
    "regex": texts.pattern,
    "f1": words.token_f1,
    "rougeL": words.rouge_l,
    "numeric": numbers.numeric,
    "jsonValid": documents.json_valid,
    "jsonSchema": documents.json_schema,
    "toolCall": tool_calls.tool_call,
    "multipleChoice": choices.multiple_choice,
}


def scorer_of(asked: QuestionSet) -> Scorer:
    """How the answers to a set are scored; of the part that `extract` takes where it says so."""
    score = METHODS[asked.method](asked.settings)
    said = asked.settings.get("extract")
    if not said:
        return score

    def score_part(given: Given, item: Item) -> Scored:
        part = texts.extracted(said, given)
        return (
            Scored(0.0, "what is to be scored is not in it") if part is None else score(part, item)
        )

    return score_part
