"""The batch task: every line asked once, then both files in place of those of an earlier run."""

from __future__ import annotations

import time
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from loopwright.daemon.access import gateway_access
from loopwright.daemon.declared import DaemonFolder
from loopwright.disk import Disk
from loopwright.errors import InferenceError, ServingError, TransientError
from loopwright.hashing import digest
from loopwright.inference.batch import Batch, Counts, ServerAwayError
from loopwright.inference.client import Client, Server
from loopwright.inference.journal import Journal
from loopwright.inference.prices import Prices
from loopwright.providers.base import Progress
from loopwright.providers.local.batch_output import (
    ERRORS,
    batches_of,
    check_place,
    put_files,
)
from loopwright.providers.local.batch_sources import lines_of
from loopwright.providers.local.gateway_asker import GatewayAsker
from loopwright.providers.local.receipts import Receipt
from loopwright.providers.local.serving import Serving
from loopwright.providers.local.tasks import Outcome
from loopwright.providers.local.tasks.loops import run_until_stopped
from loopwright.providers.local.throughput import Throughput
from loopwright.providers.local.unfinished import Unfinished

if TYPE_CHECKING:
    from loopwright.providers.local.worker import Work

_PATIENCE = 300.0
_RUNTIME_PATIENCE = 20.0
_LONGEST_REASON = 200


def run(work: Work) -> Outcome:
    """Ask what no attempt has asked yet, and write both files.

    Raises InferenceError when no line was answered or the place is taken, TransientError when
    nobody answers now.
    """
    arguments, owner = work.arguments, work.job.owner
    place, places = arguments["to"], work.places
    check_place(place, places, owner=owner)
    unfinished = Unfinished(places.unfinished)
    folder = unfinished.folder(owner, work.job.fingerprint or work.folder.path.name)
    began = _began(folder)
    with Journal(folder / "journal.jsonl") as journal:
        batch = Batch(
            lines_of(arguments["input"], places),
            journal,
            parameters=arguments["parameters"],
            model=arguments["name"],
        )
        batch.check()
        _ask(work, batch, left=began + arguments["window"] - time.time())
        _must_have_answers(batch)
        in_order = arguments["order"] == "input"
        files = put_files(batch, place, places, owner=owner, in_order=in_order)
    outputs = work.told(_outputs(work, batch.counts, files, seconds=time.time() - began))
    receipt = Receipt(
        work.job.external_id, owner, work.job.revision, outputs, facts={"files": files}, place=place
    )
    batches_of(places).put(receipt)
    unfinished.clear(owner)
    return Outcome(work.job.external_id, outputs, _message(place, batch.counts))


def _began(folder: Path) -> float:
    """When the first attempt did: the completion window is of the run, not of an attempt."""
    path = folder / "began.json"
    with suppress(FileNotFoundError, ValueError):
        return float(orjson.loads(path.read_bytes()))
    now = time.time()
    Disk().write_atomic(path, orjson.dumps(now))
    return now


def _ask(work: Work, batch: Batch, *, left: float) -> None:
    """Ask what is open, while the window is. Raises TransientError when nobody answers."""
    counts = batch.counts
    if counts.settled == counts.lines or left <= 0:
        return
    watch = _Watch(work, counts)
    ask = _ask_endpoint if work.arguments["by"] == "endpoint" else _ask_model
    ask(work, batch, left, watch)
    watch.remember()


def _ask_endpoint(work: Work, batch: Batch, left: float, watch: _Watch) -> None:
    """Through the gateway: these are calls as any other, and are recorded as such."""
    patience = min(_PATIENCE, left)
    find = partial(gateway_access, DaemonFolder(work.places.state), records=True)
    name, concurrency = work.arguments["name"], work.arguments["concurrency"]

    async def ask() -> None:
        async with GatewayAsker(name, find, patience=patience) as asker:
            await batch.ask(
                asker, concurrency=concurrency, seconds=left, patience=patience, told=watch
            )

    try:
        run_until_stopped(ask())
    except ServerAwayError as error:
        raise TransientError(
            f"the endpoint {name} does not answer: {error.message}",
            hint="what was answered is kept, and the next attempt goes on from there",
        ) from error
    # a Dataset that waits for these calls is made in the same apply
    Serving(work.places).handed_over()


def _ask_model(work: Work, batch: Batch, left: float, watch: _Watch) -> None:
    from loopwright.providers.local.own_runtime import own_runtime

    arguments, concurrency = work.arguments, work.arguments["concurrency"]
    folder = work.folder.path / "runtime"
    with own_runtime(arguments["model"], arguments["version"], work.places, folder) as launched:
        server = Server(f"{launched.url}/v1", arguments["name"], launched.token)

        async def ask() -> None:
            async with Client(server, patience=_RUNTIME_PATIENCE) as client:
                await batch.ask(
                    client,
                    concurrency=concurrency,
                    seconds=left,
                    patience=_RUNTIME_PATIENCE,
                    told=watch,
                )

        try:
            run_until_stopped(ask())
        except ServerAwayError as error:
            said = error.message
            try:
                launched.look()
            except ServingError as death:
                said = death.message
            raise TransientError(said) from error


class _Watch:
    """Reports how far a batch is, and notes how fast it went."""

    def __init__(self, work: Work, counts: Counts) -> None:
        self._work, self._before, self._began = work, counts.settled, time.monotonic()
        self._counts = counts

    def __call__(self, counts: Counts) -> None:
        rate, failed = self._rate(), counts.failed + counts.invalid
        note = f"{failed:,} failed" if failed else ""
        left = (counts.lines - counts.settled) / rate if rate else None
        self._work.report(Progress(counts.settled, counts.lines, "lines", note, left))

    def remember(self) -> None:
        """For the next plan's estimate."""
        Throughput(self._work.places.throughput).note(
            f"batch/{self._work.arguments['name']}", self._rate()
        )

    def _rate(self) -> float:
        passed = time.monotonic() - self._began
        return (self._counts.settled - self._before) / passed if passed > 0 else 0.0


def _must_have_answers(batch: Batch) -> None:
    counts = batch.counts
    if counts.completed:
        return
    if not counts.lines:
        raise InferenceError("the input holds no line", hint="see `describe` for what it reads")
    first = orjson.loads(next(iter(batch.errors())))["error"]["message"][:_LONGEST_REASON]
    raise InferenceError(f"none of {_count(counts.lines, 'line')} was answered; the first: {first}")


def _outputs(
    work: Work, counts: Counts, files: dict[str, str], *, seconds: float
) -> dict[str, Any]:
    prices = Prices.of(work.places.prices)
    return {
        "path": work.arguments["to"],
        "answeredBy": work.arguments["name"],
        "modelDigest": work.arguments["modelDigest"],
        "lines": counts.lines,
        "completed": counts.completed,
        "failed": counts.failed,
        "invalid": counts.invalid,
        "expired": counts.expired,
        "inputTokens": counts.input_tokens,
        "outputTokens": counts.output_tokens,
        "cost": round(prices.cost(counts.input_tokens, counts.output_tokens), 6),
        "currency": prices.currency,
        "seconds": round(seconds, 1),
        "files": files,
        "digest": digest(files),
    }


def _message(place: str, counts: Counts) -> str:
    """E.g. `998 of 1,000 lines answered to batch/answers, 2 failed (errors.jsonl)`."""
    left = {"failed": counts.failed, "unusable": counts.invalid, "expired": counts.expired}
    told = ", ".join(f"{count:,} {word}" for word, count in left.items() if count)
    rest = f", {told} ({ERRORS})" if told else ""
    tokens = counts.input_tokens + counts.output_tokens
    answered = f"{counts.completed:,} of {_count(counts.lines, 'line')} answered to {place}"
    return f"{answered}{rest}; {_count(tokens, 'token')}"


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'s' if number != 1 else ''}"
