"""Has answers judged: every verdict asked once, once more where it is in no known form, kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from loopwright.evaluation.answers import Answered, KeptAnswers, request_key
from loopwright.evaluation.asking import ask_kept
from loopwright.evaluation.judging import (
    Verdict,
    asked_again,
    mirrored,
    pair_request,
    preferred,
    rated,
    rating_request,
    verdict_in,
)
from loopwright.evaluation.questions import Item, Judging, QuestionSet
from loopwright.evaluation.scoring.base import FULL, Scored
from loopwright.inference.asking import Asks

Given = Mapping[str, Mapping[str, Answered]]
"""By label, then by item id."""
Request = Mapping[str, Any]
_Place = tuple[str, str, str, str]


@dataclass(frozen=True)
class Judged:
    """Points by capability, dataset, item and label, and what the judges said for them."""

    scores: Mapping[_Place, Scored] = field(default_factory=dict)
    answers: Sequence[Answered] = ()

    def of(self, asked: QuestionSet, item: Item, label: str) -> Scored:
        """Nothing for an item that had no answer to judge."""
        return self.scores.get((*asked.key, item.id, label), Scored(0.0))

    def __or__(self, other: Self) -> Judged:
        return Judged({**self.scores, **other.scores}, (*self.answers, *other.answers))


@dataclass
class Court:
    """One judge at work on one set."""

    judging: Judging
    asks: Asks
    kept: KeptAnswers
    concurrency: int
    planned: Callable[[int], None]
    """Told how many verdicts will be asked for, before each `told`."""
    told: Callable[[], None]
    _answers: list[Answered] = field(default_factory=list)

    async def judge(self, asked: QuestionSet, items: Sequence[Item], given: Given) -> Judged:
        """The points of every answer there is. Raises EndpointAwayError."""
        with self.kept:
            judge = self._pairs if self.judging.pairwise else self._ratings
            scores = await judge(items, given)
        return Judged(
            {(*asked.key, item, label): one for (item, label), one in scores.items()},
            tuple(self._answers),
        )

    async def _ratings(self, items: Sequence[Item], given: Given) -> dict[tuple[str, str], Scored]:
        requests = {
            (item.id, label): rating_request(self.judging, item, of[item.id].given)
            for label, of in given.items()
            for item in items
            if not of[item.id].error
        }
        verdicts = await self._verdicts(list(requests.values()))
        found = {}
        for place, request in requests.items():
            verdict = verdicts[request_key(request)]
            if isinstance(verdict, Verdict):
                found[place] = rated(verdict, self.judging)
            else:
                found[place] = _failed(verdict)
        return found

    async def _pairs(self, items: Sequence[Item], given: Given) -> dict[tuple[str, str], Scored]:
        """The evaluated against the baseline; who gave no answer loses to who did."""
        (mine, ours), (other, theirs) = given.items()
        found: dict[tuple[str, str], Scored] = {}
        requests: dict[str, tuple[Request, Request]] = {}
        for item in items:
            one, two = ours[item.id], theirs[item.id]
            if one.error or two.error:
                won = Scored(FULL, "better: the other gave no answer")
                found[item.id, mine], found[item.id, other] = won, won  # an error still scores 0
            else:
                requests[item.id] = (
                    pair_request(self.judging, item, one.given, two.given),
                    pair_request(self.judging, item, two.given, one.given),
                )
        verdicts = await self._verdicts([one for pair in requests.values() for one in pair])
        for item_id, pair in requests.items():
            forth, back = (verdicts[request_key(one)] for one in pair)
            if isinstance(forth, str) or isinstance(back, str):
                why = forth if isinstance(forth, str) else str(back)
                found[item_id, mine] = found[item_id, other] = _failed(why)
            else:
                scored = preferred(forth, back)
                found[item_id, mine], found[item_id, other] = scored, mirrored(scored)
        return found

    async def _verdicts(self, requests: Sequence[Request]) -> dict[str, Verdict | str]:
        """The verdict on each request, or why there is none."""
        first = await self._asked({request_key(one): one for one in requests})
        again = {}
        for request in requests:
            said = first[request_key(request)]
            if not said.error and verdict_in(said.text, self.judging) is None:
                again[request_key(request)] = asked_again(request, said.text)
        second = await self._asked({request_key(one): one for one in again.values()})
        found: dict[str, Verdict | str] = {}
        for key, said in first.items():
            last = second[request_key(again[key])] if key in again else said
            found[key] = last.error or verdict_in(last.text, self.judging) or "in no known form"
        return found

    async def _asked(self, requests: Mapping[str, Request]) -> dict[str, Answered]:
        self.planned(len(requests))
        found = await ask_kept(
            self.judging.endpoint,
            self.asks,
            requests,
            self.kept,
            concurrency=self.concurrency,
            told=self.told,
        )
        self._answers.extend(found.values())
        return found


def _failed(why: str) -> Scored:
    return Scored(0.0, error=f"no verdict of the judge: {why}")
