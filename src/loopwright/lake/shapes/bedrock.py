"""Amazon Bedrock: records of model invocation logging, of Converse and of invoked chat models.

Bodies over 100 KB lie in objects of their own; they are read where they lie beside the log, under
their name or in the folder `data`, as copying the log's prefix gives them.
"""

from __future__ import annotations

import gzip
import zlib
from io import BytesIO
from pathlib import PurePosixPath
from typing import Any

import orjson

from loopwright.lake.jsonl import LONGEST_LINE
from loopwright.lake.shapes import anthropic, converse
from loopwright.lake.shapes.base import BadLineError, Beside, Exchange, Json, NotACallError, Shape
from loopwright.lake.shapes.bodies import default, failure, usage_apart
from loopwright.lake.shapes.fields import (
    count,
    decoded,
    instant,
    known,
    milliseconds,
    status_code,
    table,
    text,
    word,
)
from loopwright.lake.shapes.messages import check_bodies, is_error

_BODIES = (
    ("input", "inputBodyJson", "inputBodyS3Path"),
    ("output", "outputBodyJson", "outputBodyS3Path"),
)
_CONVERSE_EVENTS = frozenset({"messageStart", "contentBlockDelta", "messageStop", "metadata"})


def _parse(line: Any) -> Exchange:
    if not isinstance(line, dict):
        raise BadLineError("not a JSON object")
    given, answer = _bodies(line)
    request, response, columns = _exchange(given, answer, line)
    default(request, {"model": text(line.get("modelId"))})
    default(request, {"metadata": table(line.get("requestMetadata")) or None})
    if not is_error(response):
        default(response, {"model": text(line.get("modelId")), "usage": _usage(line)})
    check_bodies(request, response)
    return Exchange(
        request=request,
        response=response,
        ts=instant(line.get("timestamp")),
        endpoint=None,
        subject=text(request.get("user")),
        session_id=None,
        columns=columns
        | known(
            client_request_id=word(line.get("requestId")),
            provider="aws.bedrock",
            stream="Stream" in (text(line.get("operation")) or ""),
            cache_write_tokens=count(table(line.get("input")).get("cacheWriteInputTokenCount")),
        ),
    )


def _bodies(line: Json) -> tuple[dict[str, Any], Any]:
    """The body that was sent, and what came back: a body, or the events of a stream."""
    found = []
    for side, body, pointer in _BODIES:
        part = table(line.get(side))
        if part.get(body) is None and part.get(pointer) is not None:
            raise NotACallError("body in an object of its own, which is not beside the log")
        found.append(part.get(body))
    given, answer = found
    return table(given), decoded(answer)


def _exchange(
    given: Json, answer: Any, line: Json
) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Request, response and what the service measured, by the kind of body that was sent."""
    if not isinstance(given.get("messages"), list):
        raise NotACallError("call of a model that takes no messages")
    failed = _failure(line, answer)
    if "anthropic_version" in given:
        response = failed or anthropic.response_of(answer)
        return anthropic.request_of(given), response, _measured(anthropic.metrics_of(answer))
    if isinstance(answer, dict) and "choices" in answer:
        return dict(given), dict(answer), {}
    if not (failed or _is_converse(answer)):
        raise NotACallError("call of a model whose answer is neither Converse's nor a completion")
    latency = known(latency_ms=milliseconds(converse.latency_of(answer)))
    return converse.request_of(given), failed or converse.response_of(answer), latency


def _is_converse(answer: Any) -> bool:
    if isinstance(answer, dict):
        return "output" in answer
    return isinstance(answer, list) and any(
        not _CONVERSE_EVENTS.isdisjoint(event) for event in answer if isinstance(event, dict)
    )


def _failure(line: Json, answer: Any) -> dict[str, Any] | None:
    code = text(line.get("errorCode"))
    if code is None:
        return None
    told = answer if isinstance(answer, dict) else {}
    return failure(
        type=code, code=status_code(line.get("status")), message=text(told.get("message"))
    )


def _measured(metrics: Json) -> dict[str, Any]:
    return known(
        latency_ms=milliseconds(metrics.get("invocationLatency")),
        ttft_ms=milliseconds(metrics.get("firstByteLatency")),
    )


def _usage(line: Json) -> dict[str, Any] | None:
    """What the record counts, where the answer itself does not."""
    given, answer = table(line.get("input")), table(line.get("output"))
    return usage_apart(
        fresh=count(given.get("inputTokenCount")),
        completion=count(answer.get("outputTokenCount")),
        cached=count(given.get("cacheReadInputTokenCount")),
        written=count(given.get("cacheWriteInputTokenCount")),
    )


def _completed(line: Any, beside: Beside) -> Any:
    """The line with the bodies that lie beside it. Raises BadLineError."""
    if not isinstance(line, dict):
        return line
    found = dict(line)
    for side, body, pointer in _BODIES:
        part = table(line.get(side))
        path = text(part.get(pointer))
        if path is None or part.get(body) is not None:
            continue
        name = PurePosixPath(path).name
        content = beside(name) or beside(f"data/{name}")
        if content is not None:
            found[side] = {**part, body: _read(content)}
    return found


def _read(content: bytes) -> Any:
    try:
        return orjson.loads(_unpacked(content))
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise BadLineError("the body beside the log is not JSON") from error


def _unpacked(content: bytes) -> bytes:
    if not content.startswith(b"\x1f\x8b"):
        return content
    with gzip.open(BytesIO(content)) as file:
        return file.read(LONGEST_LINE + 1)


def _bears(line: Json) -> bool:
    return line.get("schemaType") == "ModelInvocationLog"


SHAPE = Shape(
    name="bedrock-invocations",
    marks=frozenset({"schemaType", "modelId", "operation", "input", "output", "requestId"}),
    bears=_bears,
    parse=_parse,
    completed=_completed,
)
