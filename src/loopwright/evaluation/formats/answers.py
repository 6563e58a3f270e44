"""What both log formats need of a result: moments, and calls of tools as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from loopwright.evaluation.results import Answer, EvaluationResult


def started(result: EvaluationResult) -> datetime:
    """When it began; the epoch where no time is known."""
    return moment(result.started_at or result.finished_at)


def moment(instant: str) -> datetime:
    """An RFC 3339 instant; the epoch where there is none."""
    return datetime.fromisoformat(instant) if instant else datetime.fromtimestamp(0, UTC)


def tool_text(answer: Answer) -> str:
    """Calls of tools as JSON, nothing where there are none."""
    return json.dumps(list(answer.tool_calls), ensure_ascii=False) if answer.tool_calls else ""


def tool_call(call: Mapping[str, Any], number: int) -> dict[str, Any]:
    """A call as OpenAI writes it, in parts: id, function, arguments as a mapping or an error."""
    function = call.get("function", call)
    arguments = function.get("arguments") or {}
    error = None
    if isinstance(arguments, str):
        try:
            parsed = json.loads(arguments)
        except ValueError as problem:
            parsed, error = None, f"arguments are not JSON: {problem}"
        arguments = parsed if isinstance(parsed, dict) else {"arguments": arguments}
    found = {
        "id": call.get("id") or f"call-{number}",
        "function": str(function.get("name", "")),
        "arguments": arguments,
        "type": "function",
    }
    return found | ({"parse_error": error} if error else {})
