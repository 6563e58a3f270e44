"""Reads questions: JSONL of our own form, chat lines, dataset lines, and CSV.

A row says `messages`, or a question under one of its usual names. What is expected stands under
one of its usual names, or is what the assistant said last in `messages`.
"""

from __future__ import annotations

import csv
from codecs import BOM_UTF8
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from string import ascii_uppercase
from typing import Any

import orjson

from loopwright.errors import EvaluationError
from loopwright.evaluation.questions import (
    MULTIPLE_CHOICE,
    TOOL_CALL,
    Item,
    Message,
    QuestionSet,
    identified,
    plain_text,
)

_ASKING = ("question", "prompt", "input", "query", "instruction", "text")
_EXPECTING = ("expected", "answer", "label", "target", "output", "reference", "references")
_SYSTEM = ("system", "system_prompt", "systemPrompt")
_ROLES = frozenset({"system", "developer", "user", "assistant", "tool"})
_SAID = ("role", "content", "name", "tool_calls", "tool_call_id")
_MOST_TOLD = 20


class BadRow(Exception):
    """A row that is no question, with the reason."""


def load_items(asked: QuestionSet) -> tuple[Item, ...]:
    """The items in the order of the file; with `limit`, those of the least digests.

    Raises EvaluationError that names every bad line.
    """
    found: list[Item] = []
    bad: list[str] = []
    seen: Counter[str] = Counter()
    for where, row in _rows(asked.file):
        try:
            for item in _items(_row(row), asked):
                plain = identified(item, asked).id
                found.append(identified(item, asked, ordinal=seen[plain]))
                seen[plain] += 1
        except BadRow as reason:
            bad.append(f"{where}: {reason}")
    if bad:
        more = [f"and {len(bad) - _MOST_TOLD} more"] if len(bad) > _MOST_TOLD else []
        raise EvaluationError(
            "\n".join([*bad[:_MOST_TOLD], *more]),
            hint="a row needs messages or question, and expected where the method compares",
        )
    if not found:
        raise EvaluationError(f"{asked.file}: holds no question")
    return _limited(found, asked.limit)


def recorded_answers(path: Path) -> Iterator[tuple[str, Any, Sequence[Any]]]:
    """Question, answer and tool calls of each chat line that ends with an assistant's message."""
    for _, row in _rows(path):
        if isinstance(row, BadRow):
            continue
        said = row.get("messages")
        messages: list[Any] = said if isinstance(said, list) else []
        last = messages[-1] if messages else {}
        if isinstance(last, Mapping) and last.get("role") == "assistant":
            question = Item("", messages).question
            yield question, plain_text(last.get("content")), last.get("tool_calls") or ()


def _limited(items: list[Item], limit: int | None) -> tuple[Item, ...]:
    if limit is None or len(items) <= limit:
        return tuple(items)
    kept = {item.id for item in sorted(items, key=lambda one: one.id)[:limit]}
    return tuple(item for item in items if item.id in kept)


def _items(row: Mapping[str, Any], asked: QuestionSet) -> Iterator[Item]:
    if "messages" in row and row["messages"] is not None:
        yield from _conversation(row, asked)
        return
    question = _first(row, _ASKING)
    if not isinstance(question, str) or not question.strip():
        raise BadRow("has neither messages nor a question")
    choices = _choices(row, asked)
    system = asked.system_prompt or _first(row, _SYSTEM)
    messages: list[Message] = [{"role": "system", "content": system}] if system else []
    messages.append({"role": "user", "content": question + _listed(choices)})
    yield _item(messages, _first(row, _EXPECTING), choices, row, asked)


def _conversation(row: Mapping[str, Any], asked: QuestionSet) -> Iterator[Item]:
    messages = [_message(one) for one in _parsed(row["messages"], list, "messages")]
    if asked.system_prompt is not None:
        kept = [one for one in messages if one["role"] not in ("system", "developer")]
        messages = [{"role": "system", "content": asked.system_prompt}, *kept]
    choices, expected = _choices(row, asked), _first(row, _EXPECTING)
    ends = [number for number, one in enumerate(messages) if one["role"] == "assistant"]
    if asked.turns == "last" or expected is not None or not ends:
        end = ends[-1] if ends and ends[-1] == len(messages) - 1 else len(messages)
        ends = [end]
    for end in ends:
        answer = messages[end] if end < len(messages) else None
        told = _said(answer, asked) if expected is None and answer else expected
        yield _item(messages[:end], told, choices, row, asked)


def _item(
    messages: Sequence[Message],
    expected: Any,
    choices: Sequence[str],
    row: Mapping[str, Any],
    asked: QuestionSet,
) -> Item:
    if not any(one["role"] in ("user", "tool") for one in messages):
        raise BadRow("asks nothing: no message of a user before the answer")
    if expected in (None, "") and asked.needs_expected:
        raise BadRow(f"says nothing that is expected, and {asked.method} compares with that")
    if asked.method == TOOL_CALL:
        expected = _calls(expected)
    if asked.method == MULTIPLE_CHOICE:
        expected = _chosen(expected, choices)
    tools = _parsed(row["tools"], list, "tools") if row.get("tools") else ()
    return Item("", tuple(messages), expected, tuple(choices), tuple(tools))


def _said(answer: Message, asked: QuestionSet) -> Any:
    """What an assistant's recorded message expects of a model."""
    calls = answer.get("tool_calls")
    if asked.method == TOOL_CALL:
        return calls or []
    return plain_text(answer.get("content")) or (calls or None)


def _message(said: Any) -> dict[str, Any]:
    if not isinstance(said, Mapping) or said.get("role") not in _ROLES:
        raise BadRow("holds a message without a known role")
    return {name: said[name] for name in _SAID if said.get(name) is not None}


def _calls(expected: Any) -> list[dict[str, Any]]:
    """Tool calls as name and arguments, however they were written."""
    if isinstance(expected, str):
        expected = _parsed(expected, (list, dict), "expected tool calls")
    found = [expected] if isinstance(expected, Mapping) else expected
    if not isinstance(found, list):
        raise BadRow("expects no tool call: give {name, arguments}, or a list of them")
    return [call_of(one) for one in found]


def call_of(said: Any) -> dict[str, Any]:
    """Name and arguments of a call, as OpenAI or we write it. Raises BadRow."""
    inner = said.get("function", said) if isinstance(said, Mapping) else {}
    name = inner.get("name") if isinstance(inner, Mapping) else None
    if not isinstance(name, str) or not name:
        raise BadRow("holds a tool call without a name")
    arguments = inner.get("arguments") or {}
    if isinstance(arguments, str):
        arguments = _parsed(arguments, dict, "arguments of a tool call")
    if not isinstance(arguments, Mapping):
        raise BadRow("holds a tool call whose arguments are no object")
    return {"name": name, "arguments": dict(arguments)}


def _choices(row: Mapping[str, Any], asked: QuestionSet) -> list[str]:
    if asked.method != MULTIPLE_CHOICE:
        return []
    told = row.get("choices") or row.get("options")
    if isinstance(told, Mapping):  # {"text": [...], "label": [...]}, as many public sets have it
        told = told.get("text")
    if isinstance(told, str):
        told = [part.strip() for part in told.split("|")]
    if not told:
        told = [row[letter] for letter in ascii_uppercase if row.get(letter)]
    found = [str(one) for one in told or asked.settings.get("choices") or ()]
    if not 2 <= len(found) <= len(ascii_uppercase):
        raise BadRow(f"has {len(found)} choices; a multiple choice has 2 to 26")
    return found


def _chosen(expected: Any, choices: Sequence[str]) -> str:
    """The letter of the right choice, from its letter, its number from 0, or its text."""
    if isinstance(expected, int) and not isinstance(expected, bool):
        if 0 <= expected < len(choices):
            return ascii_uppercase[expected]
        raise BadRow(f"expects choice {expected} of {len(choices)}, counted from 0")
    text = str(expected).strip()
    if text in choices:
        return ascii_uppercase[choices.index(text)]
    if len(text) == 1 and text.upper() in ascii_uppercase[: len(choices)]:
        return text.upper()
    raise BadRow(f"expects {text[:40]!r}, which is none of its choices")


def _listed(choices: Sequence[str]) -> str:
    if not choices:
        return ""
    lines = [f"{ascii_uppercase[number]}. {text}" for number, text in enumerate(choices)]
    return "\n\n" + "\n".join(lines) + "\n\nAnswer with the letter of the right choice."


def _first(row: Mapping[str, Any], names: Sequence[str]) -> Any:
    return next((row[name] for name in names if row.get(name) is not None), None)


def _parsed(value: Any, kind: type | tuple[type, ...], what: str) -> Any:
    """A value that CSV can only say as JSON text."""
    if isinstance(value, str):
        try:
            value = orjson.loads(value)
        except orjson.JSONDecodeError as error:
            raise BadRow(f"holds {what} that are no JSON") from error
    if not isinstance(value, kind):
        raise BadRow(f"holds {what} in a form that is not known")
    return value


def _rows(path: Path) -> Iterator[tuple[str, Mapping[str, Any] | BadRow]]:
    """Where each row stands, and what it says; of a line that is no JSON object, why not."""
    try:
        if path.suffix.lower() in (".csv", ".tsv"):
            yield from _table(path)
            return
        with path.open("rb") as lines:
            for number, line in enumerate(lines, start=1):
                if line.strip():
                    yield f"{path.name}:{number}", _object(line)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        said = getattr(error, "strerror", None) or error
        raise EvaluationError(f"cannot read the questions in {path}: {said}") from error


def _table(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    delimiter = "\t" if path.suffix.lower() == ".tsv" else ","
    with path.open(encoding="utf-8-sig", newline="") as handle:
        reader = csv.DictReader(handle, delimiter=delimiter)
        for row in reader:
            said = {(name or "").strip(): value for name, value in row.items() if value != ""}
            yield f"{path.name}:{reader.line_num}", said


def _object(line: bytes) -> Mapping[str, Any] | BadRow:
    try:
        found = orjson.loads(line.removeprefix(BOM_UTF8).strip())
    except orjson.JSONDecodeError as error:
        return BadRow(f"is not JSON: {error.msg}, at column {error.colno}")
    return found if isinstance(found, dict) else BadRow("is JSON, but not an object")


def _row(read: Mapping[str, Any] | BadRow) -> Mapping[str, Any]:
    if isinstance(read, BadRow):
        raise read
    return read
