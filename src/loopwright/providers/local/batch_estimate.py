"""What a batch would ask and cost: its lines counted, their tokens guessed from their length."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from loopwright.inference.lines import BadLineError, Request, read_line
from loopwright.inference.prices import Prices
from loopwright.providers.base import Estimate, LastRun, Range, Target
from loopwright.providers.local.batch_sources import input_arguments, lines_of
from loopwright.providers.local.places import Places
from loopwright.providers.local.throughput import Throughput

_LOOKED_AT = 2_000
_BYTES_A_TOKEN = 4.0
_ANSWER_TOKENS = 256
"""Of an answer whose length nothing bounds and no earlier run tells."""


@dataclass(slots=True)
class Looked:
    """What the first lines of an input are like."""

    usable: int = 0
    bad: list[str] = field(default_factory=list)
    """`questions.jsonl:3: is not JSON`, one each."""
    read_bytes: int = 0
    body_bytes: int = 0
    answer_tokens: int = 0
    """As far as the requests bound it."""
    bounded: int = 0

    @property
    def lines(self) -> int:
        return self.usable + len(self.bad)


def look_at(
    arguments: Mapping[str, Any], places: Places, parameters: Mapping[str, Any] | None = None
) -> Looked:
    """Read the first two thousand lines of an input."""
    found = Looked()
    for place, named, data in islice(lines_of(arguments, places)(), _LOOKED_AT):
        found.read_bytes += len(data)
        if not data.strip():
            continue
        try:
            _count(found, read_line(data, named=named), parameters or {}, len(data))
        except BadLineError as error:
            found.bad.append(f"{place}: {error.reason}")
    return found


def estimate_of(target: Target, places: Places, *, last: LastRun | None) -> Estimate:
    """Raises LoopwrightError when a file of the input cannot be read."""
    lines, input_tokens, output_tokens, notes = _amounts(target, places, last)
    if lines is None:
        is_planned = any(found.planned for found in target.inputs.values())
        return Estimate(notes=() if is_planned else ("what it reads is not there yet",))
    seconds = Throughput(places.throughput).seconds(f"batch/{_asked(target)}", lines)
    prices = Prices.of(places.prices)
    cost = [
        prices.cost(getattr(input_tokens, end), getattr(output_tokens, end))
        for end in ("likely", "low", "high")
    ]
    return Estimate(
        rows=lines,
        tokens=_rounded(input_tokens + output_tokens),
        hours=_scaled(seconds, 1 / 3600) if seconds else None,
        cost=Range(*cost),
        currency=prices.currency,
        notes=(*notes, *(() if seconds else ("how long it takes is not known before a run",))),
    )


def _amounts(
    target: Target, places: Places, last: LastRun | None
) -> tuple[Range | None, Range, Range, tuple[str, ...]]:
    """Lines, tokens of the requests, tokens of the answers, and what to say of them."""
    said = target.spec["input"]
    nothing = Range.exact(0)
    if "file" in said:
        return *_of_file(target, places, last), ()
    name = "dataset" if "dataset" in said else "export"
    found = target.inputs.get(f"input.{name}")
    planned = found.planned if found else None
    if planned and planned.rows:
        tokens = planned.tokens or Range(0, 0, 0)
        return planned.rows, tokens, _answers(planned.rows, target, last), ()
    if found is None or planned or "rows" not in found.outputs:
        return None, nothing, nothing, ()
    rows = Range.exact(found.outputs["rows"])
    if "tokens" in found.outputs:
        tokens = Range.exact(found.outputs["tokens"])
    else:
        looked = look_at(input_arguments(target, places), places)
        tokens = _tokens(looked.body_bytes * rows.likely / max(1, looked.lines))
    return rows, tokens, _answers(rows, target, last), ()


def _of_file(target: Target, places: Places, last: LastRun | None) -> tuple[Range, Range, Range]:
    """Exact for a file that was read to its end, by its size for a longer one."""
    arguments = input_arguments(target, places)
    looked = look_at(arguments, places, target.spec["parameters"])
    size = sum(places.path(text).stat().st_size for text in arguments["files"])
    times = size / looked.read_bytes if looked.read_bytes else 1.0
    lines = looked.lines * times
    rows = Range.exact(lines) if times <= 1 else Range(round(lines), lines * 0.8, lines * 1.25)
    answers = _answers(rows, target, last)
    if looked.bounded and looked.bounded == looked.usable:
        most = looked.answer_tokens * times
        answers = Range(min(answers.likely, most), min(answers.low, most), most)
    return _rounded(rows), _tokens(looked.body_bytes * times), answers


def _answers(rows: Range, target: Target, last: LastRun | None) -> Range:
    """Tokens of the answers: as long as last time, else as the parameters bound them."""
    if last and last.outputs.get("completed"):
        each = last.outputs["outputTokens"] / last.outputs["completed"]
        return Range(rows.likely * each, rows.low * each * 0.8, rows.high * each * 1.25)
    most = _bound(target.spec["parameters"])
    each = min(_ANSWER_TOKENS, most or _ANSWER_TOKENS)
    return Range(rows.likely * each, 0, rows.high * (most or 4 * _ANSWER_TOKENS))


def _count(found: Looked, request: Request, parameters: Mapping[str, Any], size: int) -> None:
    found.usable += 1
    found.body_bytes += size
    if bound := _bound({**parameters, **request.body}):
        found.bounded += 1
        found.answer_tokens += bound


def _bound(body: Mapping[str, Any]) -> int:
    most = body.get("max_completion_tokens") or body.get("max_tokens")
    return most if isinstance(most, int) and most > 0 else 0


def _tokens(size: float) -> Range:
    likely = size / _BYTES_A_TOKEN
    return Range(likely, likely / 2, likely * 2)


def _scaled(found: Range, factor: float) -> Range:
    return Range(found.likely * factor, found.low * factor, found.high * factor)


def _rounded(found: Range) -> Range:
    return Range(round(found.likely), round(found.low), round(found.high))


def _asked(target: Target) -> str:
    found = target.inputs.get("endpoint") or target.inputs.get("model")
    if found and "version" in found.outputs:
        return f"{found.outputs['model']}@{found.outputs['version']}"
    return found.external_id if found else ""
