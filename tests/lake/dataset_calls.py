"""Small lakes of made-up calls for the dataset tests."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson

from loopwright.clock import FakeClock
from loopwright.lake.datasets.recipe import Recipe
from loopwright.lake.ingest import append
from loopwright.lake.keys import MasterKey
from loopwright.lake.store import Lake

START = datetime(2026, 3, 1, tzinfo=UTC)


def record(number: int, *, text: str | None = None, **columns: Any) -> dict[str, Any]:
    """Call `number`, a minute after the one before; equal `text` makes equal exchanges."""
    text = f"question {number}" if text is None else text
    request = {"model": "m", "messages": [{"role": "user", "content": text}]}
    answer = columns.pop("answer", {"role": "assistant", "content": f"answer to {text}"})
    request |= columns.pop("request", {})
    body = orjson.dumps(request).decode()
    response = orjson.dumps({"choices": [{"message": answer}]}).decode()
    return {
        "call_id": f"call-{number:05}",
        "ts": START + timedelta(minutes=number),
        "endpoint": "chat",
        "operation": "chat",
        "outcome": "ok",
        "model_version": "m-1",
        "input_tokens": 10,
        "output_tokens": 5,
        "exchange_hash": hashlib.sha256((body + response).encode()).digest()[:16],
        "request": body,
        "response": response,
        **columns,
    }


def records(count: int, **columns: Any) -> list[dict[str, Any]]:
    return [record(number, **columns) for number in range(count)]


def make_lake(root: Path, *batches: Iterable[dict[str, Any]]) -> Lake:
    """A lake with one commit, and so at least one file, a batch."""
    master = MasterKey.from_file(root.with_name(root.name + ".key"), create=True)
    lake = Lake.create(root, master=master, clock=FakeClock())
    for batch in batches:
        append(lake, list(batch))
    return lake


def cut_up(calls: Sequence[dict[str, Any]], pieces: int) -> list[Sequence[dict[str, Any]]]:
    size = -(-len(calls) // pieces)
    return [calls[start : start + size] for start in range(0, len(calls), size)]


def recipe(**spec: Any) -> Recipe:
    return Recipe.from_spec(spec)
