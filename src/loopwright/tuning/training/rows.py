"""Rows of chat from JSONL files: read, checked, and parted into training and validation.

A row is a line of a dataset version (`messages`, `tools`, a weight in the loss beside a message).
Whatever is wrong is said with file and line; nothing is bent to fit.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from loopwright.errors import ModelError, TuningError
from loopwright.hashing import canonical_json, sha256_hex
from loopwright.models.chat import template_messages
from loopwright.tuning.counting import held_out_rows

_SHOWN = 5
_WEIGHTS = ("loss_weight", "weight")


@dataclass(frozen=True, slots=True)
class Row:
    """One conversation, shaped for a chat template."""

    messages: Sequence[Mapping[str, Any]]
    tools: Sequence[Mapping[str, Any]] | None
    weights: tuple[float, ...]
    """Of every assistant message, in order: its share in the loss, 0 to 1."""
    place: str
    """File and line, for messages."""

    @property
    def opening(self) -> str:
        """Digest up to the first user's words: the same through all turns of a conversation."""
        users = (at for at, each in enumerate(self.messages) if each.get("role") == "user")
        end = next(users, len(self.messages) - 1)
        return sha256_hex(canonical_json([dict(each) for each in self.messages[: end + 1]]))


class UnusableRowError(Exception):
    """This line is no row to train on; the text says why."""


def read_rows(files: Iterable[Path]) -> list[Row]:
    """Every row of the files. Raises TuningError that names bad lines and how many there are."""
    rows: list[Row] = []
    bad: list[str] = []
    for place, line in _lines(files):
        try:
            rows.append(parse_row(line, place))
        except UnusableRowError as error:
            bad.append(f"{place}: {error}")
    if bad:
        more = f" and {len(bad) - _SHOWN} more" if len(bad) > _SHOWN else ""
        raise TuningError(
            f"{len(bad)} of {len(bad) + len(rows)} rows cannot be trained on: "
            f"{'; '.join(bad[:_SHOWN])}{more}",
            hint="a row is one JSON object a line: {'messages': [...], 'tools': [...]}, with an "
            "answer of role assistant",
        )
    return rows


def parse_row(line: bytes, place: str) -> Row:
    """One line. Raises UnusableRowError."""
    try:
        stated = orjson.loads(line)
    except ValueError as error:
        raise UnusableRowError("not JSON") from error
    spoken = stated.get("messages") if isinstance(stated, dict) else None
    if not isinstance(spoken, list) or not all(_is_message(message) for message in spoken):
        raise UnusableRowError("`messages` is not a list of objects with a role")
    answers = [message for message in spoken if message["role"] == "assistant"]
    if not answers:
        raise UnusableRowError("no message has the role assistant")
    tools = stated.get("tools") or None
    if tools is not None and not _are_objects(tools):
        raise UnusableRowError("`tools` is not a list of objects")
    try:
        messages = template_messages(spoken)
    except ModelError as error:
        raise UnusableRowError(error.message) from error
    if not all(map(_is_whole, messages)):
        raise UnusableRowError("the arguments of a tool call are not the JSON of an object")
    return Row(messages, tools, tuple(_weight(message) for message in answers), place)


def part(rows: Sequence[Row], percentage: float) -> tuple[list[Row], list[Row]]:
    """Training and validation rows, in their order. Rows with one opening stay together.

    Which openings are held out follows from their digests alone, never from the order of rows.
    """
    wanted = held_out_rows(len(rows), percentage)
    sizes: dict[str, int] = {}
    openings = [row.opening for row in rows]
    for opening in openings:
        sizes[opening] = sizes.get(opening, 0) + 1
    held: set[str] = set()
    count = 0
    for opening in sorted(sizes):
        if count + sizes[opening] <= wanted:
            held.add(opening)
            count += sizes[opening]
    sides = list(zip(rows, openings, strict=True))
    train = [row for row, opening in sides if opening not in held]
    return train, [row for row, opening in sides if opening in held]


def _lines(files: Iterable[Path]) -> Iterator[tuple[str, bytes]]:
    for file in files:
        try:
            with file.open("rb") as handle:
                for number, line in enumerate(handle, start=1):
                    if line.strip():
                        yield f"{file.name}:{number}", line
        except OSError as error:
            raise TuningError(
                f"cannot read the training rows {file}: {error.strerror}",
                hint="build the dataset version again, or name another",
            ) from error


def _is_message(message: object) -> bool:
    return isinstance(message, dict) and isinstance(message.get("role"), str)


def _are_objects(found: object) -> bool:
    return isinstance(found, list) and all(isinstance(one, dict) for one in found)


def _is_whole(message: Mapping[str, Any]) -> bool:
    """Whether its calls have arguments that parse. At inference a call that was cut short is a
    part of the talk; nobody wants to learn one."""
    calls = message.get("tool_calls", ())
    return all(isinstance(call["function"]["arguments"], Mapping) for call in calls)


def _weight(message: Mapping[str, Any]) -> float:
    weight = next((message[key] for key in _WEIGHTS if message.get(key) is not None), 1)
    if isinstance(weight, bool) or not isinstance(weight, int | float):
        raise UnusableRowError(f"the weight {weight!r} is no number")
    if not math.isfinite(weight) or not 0 <= weight <= 1:
        raise UnusableRowError(f"the weight {weight!r} is not in 0 to 1")
    return float(weight)
