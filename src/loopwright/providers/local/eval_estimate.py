"""What an evaluation would ask and cost: counted in its questions, less answers that are kept."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from loopwright.evaluation.answers import known_keys, request_key
from loopwright.evaluation.items import load_items
from loopwright.evaluation.questions import Item, QuestionSet, plain_text
from loopwright.evaluation.scoring.base import as_text
from loopwright.evaluation.scoring.words import is_asian
from loopwright.providers.base import Estimate, LastRun, Range, Target
from loopwright.providers.local.eval_sets import contestants, question_sets
from loopwright.providers.local.places import Places
from loopwright.providers.local.throughput import Throughput

CACHE = "cache"
_SIGNS_A_TOKEN, _ASIAN_SIGNS_A_TOKEN = 4.0, 1.5
_SHORTEST_ANSWER, _VERDICT = 8.0, 60.0
_FRAME = 120.0
"""Tokens of what a judge is told beside rubric, question and answer."""
_SPREAD = 2.0
_SECONDS_EACH = Range(1.0, 0.05, 10.0)
"""Of an answer, where none was timed here."""


@dataclass(frozen=True, slots=True)
class _Load:
    """Answers to ask for, and their tokens."""

    answers: int = 0
    read: float = 0.0
    said: float = 0.0

    def __add__(self, other: _Load) -> _Load:
        return _Load(self.answers + other.answers, self.read + other.read, self.said + other.said)


def estimate_of(target: Target, places: Places, *, last: LastRun | None) -> Estimate:
    """Raises EvaluationError when the questions cannot be read."""
    sets = [one for one in question_sets(target, places) if one.path and one.file.is_file()]
    loaded = {one.key: load_items(one) for one in sets}
    asked = contestants(target) or [{"label": "", "endpoint": "", "digest": ""}]
    loads = [_asking(sets, loaded, places, one["digest"]) for one in asked]
    known = sum(known for _, known in loads)
    total = sum((load for load, _ in loads), _Load()) + _judging(sets, loaded, len(asked))
    items = sum(len(found) for found in loaded.values())
    tokens = _about(total.read + total.said, exact=last is not None)
    return Estimate(
        rows=Range.exact(items),
        tokens=tokens,
        hours=_hours(target, places, total.answers, target.spec.get("concurrency", 8)),
        cost=_cost(total, places.prices),
        currency=str(places.prices.get("currency", "")),
        notes=tuple(_notes(target, places, len(asked), known)),
    )


def _asking(
    sets: Sequence[QuestionSet],
    loaded: Mapping[tuple[str, str], Sequence[Item]],
    places: Places,
    digest: str,
) -> tuple[_Load, int]:
    """What is to be asked of one model, and how many of its answers are known.

    A run is planned because something changed: where every answer is known, it is the model.
    """
    known = known_keys(places.evaluations / CACHE, digest)
    requests = {
        request_key(item.request(one.parameters)): (one, item)
        for one in sets
        for item in loaded[one.key]
    }
    open_keys = requests.keys() - known or requests.keys()
    load = sum((_one(*requests[key]) for key in open_keys), _Load())
    return load, len(requests) - len(open_keys)


def _one(asked: QuestionSet, item: Item) -> _Load:
    read = sum(_tokens(plain_text(message.get("content"))) for message in item.messages)
    bound = asked.parameters.get("max_tokens") or asked.parameters.get("max_completion_tokens")
    said = max(_SHORTEST_ANSWER, _expected(item))
    return _Load(1, read, min(said, float(bound)) if bound else said)


def _judging(
    sets: Sequence[QuestionSet],
    loaded: Mapping[tuple[str, str], Sequence[Item]],
    models: int,
) -> _Load:
    """Verdicts: one an answer, or two a pair."""
    total = _Load()
    for one in sets:
        if one.judging is None:
            continue
        each = 2 if one.judging.pairwise else models
        for item in loaded[one.key]:
            asking = _one(one, item)
            shown = asking.said * (2 if one.judging.pairwise else 1) + _expected(item)
            read = _FRAME + _tokens(one.judging.rubric) + asking.read + shown
            total += _Load(each, each * read, each * _VERDICT)
    return total


def _expected(item: Item) -> float:
    return 0.0 if item.expected is None else _tokens(as_text(item.expected))


def _tokens(text: str) -> float:
    signs = _ASIAN_SIGNS_A_TOKEN if is_asian(text) else _SIGNS_A_TOKEN
    return len(text) / signs


def _about(value: float, *, exact: bool) -> Range:
    spread = 1.25 if exact else _SPREAD
    return Range(round(value), round(value / spread), round(value * spread))


def _hours(target: Target, places: Places, answers: int, concurrency: int) -> Range:
    known = Throughput(places.throughput).seconds(
        f"eval/{target.address.name}", Range.exact(answers)
    )
    if known is not None:
        return _scaled(known, 1 / 3600)
    return _scaled(_SECONDS_EACH, answers / concurrency / 3600)


def _cost(load: _Load, prices: Mapping[str, Any]) -> Range | None:
    paid = load.read * float(prices.get("inputPerMillionTokens", 0))
    paid += load.said * float(prices.get("outputPerMillionTokens", 0))
    if not paid:
        return None
    return _scaled(Range(1.0, 1 / _SPREAD, _SPREAD), paid / 1_000_000)


def _scaled(range_: Range, factor: float) -> Range:
    return Range(range_.likely * factor, range_.low * factor, range_.high * factor)


def _notes(target: Target, places: Places, models: int, known: int) -> Iterator[str]:
    asked = f"asked of {models} models" if models > 1 else ""
    cached = f"{known:,} answers are known" if known else ""
    if words := ", ".join(filter(None, (asked, cached))):
        yield words
    for one in question_sets(target, places):
        if not one.path:
            yield f"without {one.capability}/{one.name}: its dataset has no version yet"
