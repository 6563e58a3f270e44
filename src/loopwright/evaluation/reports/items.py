"""Item records as the page's script reads them: short keys, texts ready to show."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from loopwright.evaluation.reports.markup import Markup
from loopwright.evaluation.results import Answer, EvaluationResult, ItemRecord

_UNSAFE = {ord(sign): f"\\u{ord(sign):04x}" for sign in "<>&\u2028\u2029"}


def embedded(result: EvaluationResult, records: Iterable[ItemRecord]) -> Markup:
    """JSON for a `<script type="application/json">`; no text can end that element."""
    value = {
        "subjects": [{"label": s.label, "part": s.part.value} for s in result.subjects],
        "items": [_item(record, [s.label for s in result.subjects]) for record in records],
    }
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return Markup(text.translate(_UNSAFE))


def _item(record: ItemRecord, labels: Sequence[str]) -> dict[str, Any]:
    return {
        "id": record.id,
        "c": record.capability,
        "d": record.dataset,
        "m": [[str(m.get("role", "")), message_text(m)] for m in record.messages],
        "e": shown(record.expected),
        "a": [_answer(record.answers.get(label)) for label in labels],
    }


def _answer(answer: Answer | None) -> dict[str, Any] | None:
    """What there is to tell; empty parts are left out, as there may be 10,000 of these."""
    if answer is None:
        return None
    told = {
        "t": answer.text,
        "s": round(answer.score, 2),
        "r": answer.reason,
        "x": answer.error,
        "f": [shown(call) for call in answer.tool_calls],
        "w": answer.seconds,
        "k": int(answer.cached),
    }
    return {key: value for key, value in told.items() if value or key == "s"}


def message_text(message: Mapping[str, Any]) -> str:
    """A message's text; parts that are no text, and calls of tools, as JSON."""
    content = message.get("content")
    parts = content if isinstance(content, list) else [content] if content else []
    texts = [
        part["text"] if isinstance(part, Mapping) and part.get("type") == "text" else shown(part)
        for part in parts
    ]
    texts += [shown(call) for call in message.get("tool_calls") or ()]
    return "\n".join(texts)


def shown(value: Any) -> str:
    """A value as text to read: itself, or JSON on lines; a call of a tool as `name(arguments)`."""
    if value is None or isinstance(value, str):
        return value or ""
    if call := _call(value):
        return call
    if isinstance(value, list) and value and all(_call(one) for one in value):
        return "\n".join(_call(one) for one in value)
    return json.dumps(value, ensure_ascii=False, indent=2)


def _call(value: Any) -> str:
    """`look_up_order({"order": 7})` of a call as OpenAI writes it; nothing of anything else."""
    function = value.get("function", value) if isinstance(value, Mapping) else {}
    if not isinstance(function, Mapping) or {"name", "arguments"} - function.keys():
        return ""
    arguments = function["arguments"]
    if not isinstance(arguments, str):
        arguments = json.dumps(arguments, ensure_ascii=False)
    return f"{function['name']}({arguments})"
