"""What an evaluation would ask and cost: counted in its questions, less answers that are kept."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from loopwright.evaluation.answers import known_keys, request_key
from loopwright.evaluation.items import load_items
from loopwright.evaluation.questions import Item, QuestionSet, asked_digest, plain_text
from loopwright.evaluation.scoring.base import as_text
from loopwright.evaluation.scoring.words import is_asian
from loopwright.inference.prices import Prices
from loopwright.providers.base import Estimate, LastRun, Range, Target
from loopwright.providers.local.eval_run import CACHE
from loopwright.providers.local.eval_sets import contestants, question_sets
from loopwright.providers.local.places import Places
from loopwright.providers.local.throughput import Throughput

_SIGNS_A_TOKEN, _ASIAN_SIGNS_A_TOKEN = 4.0, 1.5
_SHORTEST_ANSWER, _VERDICT = 8.0, 60.0
_FRAME = 120.0
"""Tokens of what a judge is told beside rubric, question and answer."""
_SPREAD, _SPREAD_AFTER = 2.0, 1.25
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
    """Raises EvaluationError when the questions cannot be read; without numbers where nobody can
    tell yet how many there will be."""
    if any(found.planned and found.planned.rows is None for found in target.inputs.values()):
        return Estimate()
    sets = [one for one in question_sets(target, places) if one.path and one.file.is_file()]
    loaded = {one.key: load_items(one) for one in sets}
    asked = contestants(target) or [{"label": "", "endpoint": "", "digest": ""}]
    is_other_suite = last is not None and last.outputs.get("asked") != _digest(loaded)
    judging = _judging(sets, loaded, len(asked))
    most, likely, known = judging, judging, 0
    for one in {one["digest"] or one["label"]: one for one in asked}.values():
        every = {
            request_key(item.request(of.parameters)): _one(of, item)
            for of in sets
            for item in loaded[of.key]
        }
        kept = every.keys() & known_keys(places.evaluations / CACHE, one["digest"])
        if len(kept) == len(every) and not is_other_suite:
            kept = set()  # a run is planned because something changed: it is the model then
        most += sum(every.values(), _Load())
        likely += sum((load for key, load in every.items() if key not in kept), _Load())
        known += len(kept)
    prices = Prices.of(places.prices)
    return Estimate(
        rows=Range.exact(sum(len(found) for found in loaded.values())),
        tokens=_tokens_of(likely, most, spread=_SPREAD if last is None else _SPREAD_AFTER),
        hours=_hours(target, places, likely, most),
        cost=_cost(likely, most, prices),
        currency=prices.currency,
        notes=tuple(_notes(target, places, len(asked), known)),
    )


def _digest(loaded: Mapping[tuple[str, str], Sequence[Item]]) -> str:
    return asked_digest((*key, item.id) for key, items in loaded.items() for item in items)


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


def _tokens_of(likely: _Load, most: _Load, *, spread: float) -> Range:
    low = (likely.read + likely.said) / spread
    return Range(
        round(likely.read + likely.said), round(low), round((most.read + most.said) * spread)
    )


def _hours(target: Target, places: Places, likely: _Load, most: _Load) -> Range:
    answers = Range(likely.answers, likely.answers, most.answers)
    seconds = Throughput(places.throughput).seconds(f"eval/{target.address.name}", answers)
    if seconds is None:
        each, at_once = _SECONDS_EACH, target.spec.get("concurrency", 8)
        seconds = Range(
            each.likely * likely.answers / at_once,
            each.low * likely.answers / at_once,
            each.high * most.answers / at_once,
        )
    return Range(seconds.likely / 3600, seconds.low / 3600, seconds.high / 3600)


def _cost(likely: _Load, most: _Load, prices: Prices) -> Range | None:
    if not prices.cost(most.read, most.said):
        return None
    paid = prices.cost(likely.read, likely.said)
    return Range(paid, paid / _SPREAD, prices.cost(most.read, most.said) * _SPREAD)


def _notes(target: Target, places: Places, models: int, known: int) -> Iterator[str]:
    asked = f"asked of {models} models" if models > 1 else ""
    cached = f"{known:,} answers are known" if known else ""
    if words := ", ".join(filter(None, (asked, cached))):
        yield words
    for one in question_sets(target, places):
        if not one.path:
            yield f"without {one.capability}/{one.name}: its dataset has no version yet"
