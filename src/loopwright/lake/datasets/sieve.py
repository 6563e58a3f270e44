"""What the text of a drawn call decides: whether it is a line, and which answer it teaches.

The rules in their order: text that is still there, a readable exchange, the response schema, the
line format, nothing nearly equal before it, nothing of an evaluation in it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import orjson

from loopwright.lake.datasets.cleaning import answers_schema
from loopwright.lake.datasets.decontamination import Contaminated, Screen
from loopwright.lake.datasets.judging import corrections
from loopwright.lake.datasets.matching import Population
from loopwright.lake.datasets.near_calls import near_calls
from loopwright.lake.datasets.probing import Probe
from loopwright.lake.datasets.reasons import DropReason
from loopwright.lake.datasets.recipe import Dedup, Recipe, Targets
from loopwright.lake.datasets.rendering import Exchange, Unsayable, render

Questions = Mapping[str, Sequence[str]]
"""What no line may give away, by the name of its set."""


@dataclass(frozen=True, slots=True)
class Rendered:
    """A call that is a line, without the newline."""

    exchange: Exchange
    data: bytes
    corrected: bool


@dataclass(frozen=True)
class Sieve:
    """Judges calls of one population one by one. Text it opens besides is under `purpose`."""

    population: Population
    recipe: Recipe
    purpose: str
    held_out: Questions = field(default_factory=dict)

    def line(self, call_id: str, request: str, response: str) -> Rendered:
        """Raises Unsayable with the first reason that holds; Contaminated says what was found."""
        if not request:
            raise Unsayable(DropReason.EXPIRED)
        recorded = Exchange.parse(request, response)
        schema = self.recipe.filter.response_schema
        if schema is not None and not answers_schema(recorded, schema):
            raise Unsayable(DropReason.RESPONSE_SCHEMA)
        correction = self._corrections.get(call_id)
        exchange = recorded if correction is None else _corrected(recorded, correction)
        data = render(exchange, self.recipe.line_format)
        if call_id in self._near:
            raise Unsayable(DropReason.NEAR_DUPLICATE)
        if finding := self._screen.finding(exchange):
            raise Contaminated(finding)
        return Rendered(exchange, data, correction is not None)

    @cached_property
    def probe(self) -> Probe:
        return Probe(self.population, self.purpose)

    @cached_property
    def _corrections(self) -> Mapping[str, str]:
        if self.recipe.targets is not Targets.CORRECTED:
            return {}
        return corrections(self.population.snapshot, purpose=self.purpose)

    @cached_property
    def _near(self) -> frozenset[str]:
        cleaning = self.recipe.cleaning
        if cleaning.dedup is not Dedup.NEAR:
            return frozenset()
        wording = self.probe.wording
        return near_calls(self.population, cleaning, wording=wording, purpose=self.purpose)

    @cached_property
    def _screen(self) -> Screen:
        wording = self.probe.wording if self.held_out else frozenset()
        return Screen(self.held_out, wording=wording)


def _corrected(recorded: Exchange, correction: str) -> Exchange:
    """The exchange with the answer that a person gave instead."""
    try:
        answer = orjson.loads(correction)
    except ValueError as error:
        raise Unsayable(DropReason.UNREADABLE) from error
    if not isinstance(answer, dict):
        raise Unsayable(DropReason.UNREADABLE)
    return replace(recorded, answer=answer)
