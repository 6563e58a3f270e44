"""Answers that need no model, from recorded ones: what a model must beat to be worth serving."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loopwright.errors import EvaluationError
from loopwright.evaluation.items import recorded_answers
from loopwright.evaluation.questions import Item
from loopwright.evaluation.scoring.base import Given
from loopwright.evaluation.scoring.words import words
from loopwright.hashing import canonical_json

MOST_FREQUENT, NEAREST = "most frequent answer", "nearest question"
Answerer = Callable[[Item], Given]


@dataclass(frozen=True, slots=True)
class Recorded:
    """A question that was answered."""

    question: str
    answer: Given


def floors(path: Path) -> Mapping[str, Answerer]:
    """What answers without a model, by its label, from the chat lines of a training split.

    Raises EvaluationError when there is none.
    """
    recorded = [
        Recorded(question, Given(text, tuple(calls)))
        for question, text, calls in recorded_answers(path)
    ]
    if not recorded:
        raise EvaluationError(f"{path}: holds no answer of an assistant to learn floors from")
    constant = most_frequent(recorded)
    return {MOST_FREQUENT: lambda _: constant, NEAREST: Nearest(recorded)}


def most_frequent(recorded: Iterable[Recorded]) -> Given:
    """The answer given most often; among equals the least by text."""
    counts: Counter[bytes] = Counter()
    answers: dict[bytes, Given] = {}
    for one in recorded:
        said = canonical_json([one.answer.text.strip(), [*map(_call, one.answer.tool_calls)]])
        counts[said] += 1
        answers.setdefault(said, one.answer)
    return answers[min(counts, key=lambda said: (-counts[said], said))]


class Nearest:
    """Answers as the training question was answered that shares most words with what is asked.

    Words count by how rare they are (inverse document frequency); likeness is the weight of the
    shared words as a share of all that either question has. Among equals the first.
    """

    def __init__(self, recorded: Sequence[Recorded]) -> None:
        self._recorded = recorded
        bags = [_bag(one.question) for one in recorded]
        frequency = Counter(word for bag in bags for word in bag)
        self._rarest = math.log(1 + len(bags))
        self._weights = {word: math.log(1 + len(bags) / n) for word, n in frequency.items()}
        self._sizes = [sum(self._weights[word] for word in sorted(bag)) for bag in bags]
        self._holding: dict[str, list[int]] = defaultdict(list)
        for number, bag in enumerate(bags):
            for word in bag:
                self._holding[word].append(number)

    def __call__(self, item: Item) -> Given:
        shared: dict[int, float] = defaultdict(float)
        asked = 0.0
        for word in sorted(_bag(item.question)):
            weight = self._weights.get(word, self._rarest)
            asked += weight
            for number in self._holding.get(word, ()):
                shared[number] += weight
        if not shared:
            return self._recorded[0].answer
        nearest = max(shared, key=lambda number: (self._likeness(shared, number, asked), -number))
        return self._recorded[nearest].answer

    def _likeness(self, shared: Mapping[int, float], number: int, asked: float) -> float:
        common = shared[number]
        return round(common / (asked + self._sizes[number] - common), 9)


def _bag(text: str) -> frozenset[str]:
    cleaned = "".join(sign if sign.isalnum() else " " for sign in text.casefold())
    return frozenset(words(cleaned))


def _call(said: Mapping[str, Any]) -> Any:
    return said.get("function", said)
