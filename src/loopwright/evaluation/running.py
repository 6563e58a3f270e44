"""One evaluation from questions to item records: ask, score, judge.

Endpoints are asked at the same time, each with the same bound. Whatever is killed in between goes
on with the answers that are kept.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from loopwright.evaluation.answers import Answered, KeptAnswers, request_key
from loopwright.evaluation.asking import Open, ask_kept
from loopwright.evaluation.floors import Answerer
from loopwright.evaluation.items import load_items
from loopwright.evaluation.judged import Court, Judged
from loopwright.evaluation.questions import Item, QuestionSet
from loopwright.evaluation.results import Answer, ItemRecord
from loopwright.evaluation.scoring.base import Scored, Scorer
from loopwright.evaluation.scoring.methods import scorer_of
from loopwright.evaluation.statistics import rounded

Key = tuple[str, str]
Told = Callable[[int, int, str], None]
"""Done, of how many in all, and in words."""


@dataclass(frozen=True, slots=True)
class Contestant:
    """A model that is asked: the evaluated one first, then the baseline."""

    label: str
    """As people call the model."""
    endpoint: str
    digest: str
    """Of the model; answers are kept under it."""
    serves: str = ""
    """What the endpoint's answers call it, where that is known."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What is asked of whom."""

    sets: Sequence[QuestionSet]
    contestants: Sequence[Contestant]
    floors: Mapping[str, Answerer] = field(default_factory=dict)
    concurrency: int = 8


@dataclass(frozen=True, slots=True)
class Finished:
    """What came of it: a record an item, all answers by label, what judging took."""

    records: Sequence[ItemRecord]
    answers: Mapping[str, Sequence[Answered]]
    judging: Sequence[Answered]


def run(
    evaluation: Evaluation,
    open_endpoint: Open,
    *,
    cache: Path,
    tag: str,
    told: Told = lambda *_: None,
    loop: Callable[[Coroutine[Any, Any, Finished]], Finished] = asyncio.run,
) -> Finished:
    """`cache` is where answers are kept, `tag` says which run adds to them.

    Raises EvaluationError on bad questions, EndpointAwayError when an endpoint does not answer.
    """
    loaded = {asked.key: load_items(asked) for asked in evaluation.sets}
    return loop(_Run(evaluation, open_endpoint, cache, tag, told, loaded).finish())


@dataclass
class _Run:
    evaluation: Evaluation
    open_endpoint: Open
    cache: Path
    tag: str
    told: Told
    items: Mapping[Key, Sequence[Item]]
    _done: dict[str, int] = field(default_factory=dict)
    _total: int = 0

    async def finish(self) -> Finished:
        asked, keys = self._requests()
        self._total = len(asked) * len(self._asked())
        async with AsyncExitStack() as stack:
            answers = await self._all_answers(asked, stack)
            judged = await self._judged(answers, keys, stack)
        records = list(self._records(answers, keys, judged))
        by_label = {label: [given[key] for key in asked] for label, given in answers.items()}
        return Finished(records, by_label, judged.answers)

    async def _all_answers(
        self, asked: Mapping[str, Mapping[str, Any]], stack: AsyncExitStack
    ) -> dict[str, dict[str, Answered]]:
        """By label. What goes wrong with one endpoint ends the asking of the other."""
        try:
            async with asyncio.TaskGroup() as group:
                tasks = {
                    one.label: group.create_task(self._answers(one, asked, stack))
                    for one in self._asked()
                }
        except BaseExceptionGroup as errors:
            raise errors.exceptions[0] from None
        by_digest = {one.digest: tasks[one.label].result() for one in self._asked()}
        return {
            one.label: tasks[one.label].result() if one.label in tasks else _as_known(known)
            for one in self.evaluation.contestants
            for known in [by_digest[one.digest]]
        }

    def _asked(self) -> tuple[Contestant, ...]:
        """The contestants without those whose model is that of one before: it is asked once."""
        every = self.evaluation.contestants
        first = {one.digest: one for one in reversed(every) if one.digest}
        return tuple(one for one in every if first.get(one.digest, one) is one)

    def _requests(self) -> tuple[dict[str, Mapping[str, Any]], dict[tuple[Key, str], str]]:
        """Each different request by its key, and the key of each item."""
        requests: dict[str, Mapping[str, Any]] = {}
        keys: dict[tuple[Key, str], str] = {}
        for asked in self.evaluation.sets:
            for item in self.items[asked.key]:
                request = item.request(asked.parameters)
                key = request_key(request)
                requests[key] = request
                keys[asked.key, item.id] = key
        return requests, keys

    async def _answers(
        self, one: Contestant, asked: Mapping[str, Mapping[str, Any]], stack: AsyncExitStack
    ) -> dict[str, Answered]:
        asks = await stack.enter_async_context(self.open_endpoint(one.endpoint))
        kept = stack.enter_context(KeptAnswers(self.cache, one.digest, self.tag, one.serves))
        return await ask_kept(
            one.endpoint,
            asks,
            asked,
            kept,
            concurrency=self.evaluation.concurrency,
            told=lambda: self._step(one.label),
        )

    async def _judged(
        self,
        answers: Mapping[str, Mapping[str, Answered]],
        keys: Mapping[tuple[Key, str], str],
        stack: AsyncExitStack,
    ) -> Judged:
        found = Judged()
        for asked in self.evaluation.sets:
            if asked.judging is None:
                continue
            given = {
                label: {item.id: of[keys[asked.key, item.id]] for item in self.items[asked.key]}
                for label, of in answers.items()
            }
            court = Court(
                asked.judging,
                await stack.enter_async_context(self.open_endpoint(asked.judging.endpoint)),
                KeptAnswers(self.cache, asked.judging.digest, self.tag),
                self.evaluation.concurrency,
                self._more,
                lambda: self._step("judge"),
            )
            found |= await court.judge(asked, self.items[asked.key], given)
        return found

    def _records(
        self,
        answers: Mapping[str, Mapping[str, Answered]],
        keys: Mapping[tuple[Key, str], str],
        judged: Judged,
    ) -> Iterator[ItemRecord]:
        for asked in self.evaluation.sets:
            score = None if asked.judging else scorer_of(asked)
            for item in self.items[asked.key]:
                given = {label: of[keys[asked.key, item.id]] for label, of in answers.items()}
                told = {
                    label: _told(
                        one, score(one.given, item) if score else judged.of(asked, item, label)
                    )
                    for label, one in given.items()
                }
                for label, answerer in self.evaluation.floors.items():
                    if score is not None:
                        told[label] = _answered_by(answerer, item, score)
                yield ItemRecord(item.id, *asked.key, item.messages, item.expected, told)

    def _more(self, planned: int) -> None:
        self._total += planned

    def _step(self, label: str) -> None:
        self._done[label] = self._done.get(label, 0) + 1
        words = ", ".join(f"{name} {count:,}" for name, count in self._done.items())
        self.told(sum(self._done.values()), self._total, words)


def _as_known(answers: Mapping[str, Answered]) -> dict[str, Answered]:
    """The same answers for another who needs them: nobody pays for them again."""
    return {key: replace(one, cached=True) for key, one in answers.items()}


def _told(given: Answered, scored: Scored) -> Answer:
    """An item without an answer scores 0, whatever the method makes of an empty one."""
    error = given.error or scored.error
    return Answer(
        given.text,
        0.0 if error else rounded(scored.points),
        "" if error else scored.reason,
        error,
        tuple(given.tool_calls),
        round(given.seconds, 6),
        given.cached,
    )


def _answered_by(answerer: Answerer, item: Item, score: Scorer) -> Answer:
    given = answerer(item)
    scored = score(given, item)
    return Answer(
        given.text, rounded(scored.points), scored.reason, tool_calls=tuple(given.tool_calls)
    )
