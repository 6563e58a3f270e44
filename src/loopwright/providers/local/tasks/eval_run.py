"""The evaluation task: everybody asked, scored and compared, and a report written.

Answers are kept as they come, so whatever is killed goes on where it was.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loopwright.clock import SystemClock, to_text
from loopwright.daemon.access import gateway_access
from loopwright.daemon.declared import DaemonFolder
from loopwright.errors import ModelError, TransientError
from loopwright.evaluation.asking import EndpointAwayError
from loopwright.evaluation.floors import floors
from loopwright.evaluation.questions import QuestionSet
from loopwright.evaluation.reports import html
from loopwright.evaluation.run_folder import RunFolder
from loopwright.evaluation.running import Contestant, Evaluation, Finished
from loopwright.evaluation.running import run as evaluate
from loopwright.evaluation.telling import Told, result_of
from loopwright.inference.prices import Prices
from loopwright.models.registry import Registry
from loopwright.models.version import ModelVersion
from loopwright.providers.base import Progress
from loopwright.providers.local.erasing_evaluations import DRAWN, drawn_from
from loopwright.providers.local.eval_outputs import message_of, outputs_of
from loopwright.providers.local.eval_run import (
    CACHE,
    declared_digest,
    is_taken_over,
    next_version,
    receipts_of,
)
from loopwright.providers.local.gateway_asker import GatewayAsker
from loopwright.providers.local.places import Places
from loopwright.providers.local.receipts import Receipt
from loopwright.providers.local.tasks import Outcome
from loopwright.providers.local.tasks.loops import run_until_stopped
from loopwright.providers.local.throughput import Throughput

if TYPE_CHECKING:
    from loopwright.providers.local.worker import Work

_PATIENCE = 120.0
_CURVE = "loss.svg"


def run(work: Work) -> Outcome:
    """Evaluate under a number that the first attempt settles.

    Raises EvaluationError on questions that cannot be asked, TransientError when an endpoint is
    away or took another model in the meantime.
    """
    places, arguments = work.places, work.arguments
    name = arguments["name"]
    claim = work.claim(partial(_settle, places, name))
    evaluation = _evaluation(arguments)
    _must_be_served(work)
    finished = _finished(work, evaluation)
    _must_be_served(work)
    folder = RunFolder(places.evaluations / name / f"v{claim['version']}")
    evaluated = _registered(evaluation.contestants[0].label, places)
    told = Told(
        name,
        claim["version"],
        arguments["suite"],
        arguments["confidence"],
        _lineage(evaluation, evaluated),
        claim["startedAt"],
        to_text(SystemClock().now()),
        _notes(evaluation, finished),
        Prices.of(arguments["prices"]),
    )
    result = result_of(evaluation, finished, told)
    folder.write(result, finished.records)
    html.write(result, finished.records, folder.page, extra=_extra(evaluated))
    learned = [arguments["floors"]] if arguments["floors"] else []
    outputs = work.told(outputs_of(result, finished, arguments, path=places.text(folder.page)))
    external_id = f"{name}@v{claim['version']}"
    drawn = drawn_from([one["path"] for one in arguments["sets"]] + learned, places)
    facts = {DRAWN: drawn, "files": folder.digests()}
    receipt = Receipt(external_id, work.job.owner, work.job.revision, outputs, facts)
    receipts_of(places).put(receipt)
    return Outcome(external_id, outputs, message_of(result))


def _settle(places: Places, name: str) -> dict[str, Any]:
    """A number that nobody else has: its folder is made at once."""
    while True:
        version = next_version(places, name)
        try:
            (places.evaluations / name / f"v{version}").mkdir(parents=True, mode=0o700)
        except FileExistsError:
            continue
        return {"version": version, "startedAt": to_text(SystemClock().now())}


def _evaluation(arguments: Mapping[str, Any]) -> Evaluation:
    learned = arguments["floors"]
    return Evaluation(
        tuple(QuestionSet.from_json(one) for one in arguments["sets"]),
        tuple(Contestant(**one) for one in arguments["contestants"]),
        floors(Path(learned)) if learned else {},
        arguments["concurrency"],
    )


def _must_be_served(work: Work) -> None:
    """Raises TransientError when an endpoint took another model since the run was planned, or
    does so now."""
    for endpoint, before in work.arguments["declared"].items():
        if is_taken_over(work.places, endpoint):
            raise TransientError(
                f"another model began to take over the endpoint {endpoint} while it was evaluated",
                hint="the run is made again once one model answers every call",
            )
        if before and declared_digest(work.places, endpoint) != before:
            raise TransientError(
                f"the endpoint {endpoint} took another model while it was evaluated",
                hint="plan again: the model that it serves now is another revision",
            )


def _finished(work: Work, evaluation: Evaluation) -> Finished:
    find = partial(gateway_access, DaemonFolder(work.places.state))
    watch = _Watch(work)
    try:
        finished = evaluate(
            evaluation,
            lambda endpoint: GatewayAsker(endpoint, find, patience=_PATIENCE),
            cache=work.places.evaluations / CACHE,
            tag=work.folder.path.name,
            told=watch,
            loop=run_until_stopped,
        )
    except EndpointAwayError as error:
        raise TransientError(error.message, hint=error.hint or "") from error
    watch.remember(finished)
    return finished


class _Watch:
    """Reports how far an evaluation is, and notes how fast it went."""

    def __init__(self, work: Work) -> None:
        self._work, self._began = work, time.monotonic()

    def __call__(self, done: int, total: int, words: str) -> None:
        passed = time.monotonic() - self._began
        left = passed / done * (total - done) if done else None
        self._work.report(Progress(done, total, "answers", words, left))

    def remember(self, finished: Finished) -> None:
        """For the next plan's estimate."""
        given = [*(one for of in finished.answers.values() for one in of), *finished.judging]
        asked = sum(not one.cached for one in given)
        rate = asked / max(time.monotonic() - self._began, 1e-3)
        Throughput(self._work.places.throughput).note(f"eval/{self._work.arguments['name']}", rate)


def _registered(label: str, places: Places) -> ModelVersion | None:
    """The model of the registry that bears a label; None for whatever else answers."""
    name, _, number = label.partition("@")
    if not number.isdigit():
        return None
    try:
        return Registry(places.models).get(name, int(number))
    except ModelError:
        return None


def _lineage(evaluation: Evaluation, evaluated: ModelVersion | None) -> dict[str, Any]:
    told: dict[str, Any] = {
        "models": {one.label: one.digest for one in evaluation.contestants},
        "questions": {"/".join(one.key): one.file.name for one in evaluation.sets},
    }
    if evaluated is not None:
        told["job"] = dict(evaluated.lineage)
        if evaluated.base is not None:
            told["base"] = f"{evaluated.base.reference} ({evaluated.base.digest})"
    return told


def _extra(evaluated: ModelVersion | None) -> html.Extra:
    curve = evaluated.folder / _CURVE if evaluated else None
    if curve is None or not curve.is_file():
        return html.Extra()
    return html.Extra(loss_curve=curve.read_text(encoding="utf-8"))


def _notes(evaluation: Evaluation, finished: Finished) -> tuple[str, ...]:
    """What a reader of the scores should know."""
    notes = []
    for one in evaluation.contestants:
        failed = sum(bool(record.answers[one.label].error) for record in finished.records)
        if failed:
            total = len(finished.records)
            notes.append(f"{failed:,} of {total:,} items of {one.label} failed and score 0")
    if any(one.judging for one in evaluation.sets) and evaluation.floors:
        notes.append("answers that need no model are not judged")
    return tuple(notes)
