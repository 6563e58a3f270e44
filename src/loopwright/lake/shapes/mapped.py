"""Fields that the user says where to find: a dotted path into the line for each.

For logs of one's own, and to correct a known format. JSON text on the way is read into.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from loopwright.lake.shapes import chat
from loopwright.lake.shapes.base import BadLineError, Exchange, Json
from loopwright.lake.shapes.bodies import request_from, response_from
from loopwright.lake.shapes.fields import (
    decoded,
    instant,
    optional_endpoint,
    optional_text,
    word,
)
from loopwright.lake.shapes.messages import check_bodies, is_error

_BODIES = frozenset({"request", "messages"})


@dataclass(frozen=True, slots=True)
class FieldPaths:
    """Dotted paths by field: request and response, or messages; ts, endpoint, model, session,
    subject, id. A number in a path is a place in a list, counted from 0."""

    paths: Mapping[str, str]

    @property
    def says_bodies(self) -> bool:
        """Whether a line needs no format to be read."""
        return not _BODIES.isdisjoint(self.paths)

    def bodies(self, line: Any) -> Exchange:
        """The exchange of a line by its mapped bodies alone. Raises BadLineError."""
        if "messages" in self.paths:
            messages = decoded(self._found(line, "messages"))
            request, response = chat.bodies_of_conversation({"messages": messages})
        else:
            request = request_from(self._found(line, "request"))
            response = response_from(self._found(line, "response"))
            check_bodies(request, response)
        return Exchange(
            request=request,
            response=response,
            ts=instant(response.get("created")),
            endpoint=None,
            subject=optional_text(request, "user"),
            session_id=None,
        )

    def applied(self, exchange: Exchange, line: Any) -> Exchange:
        """The exchange with what the line says at the mapped places. Raises BadLineError."""
        told = {name: self._found(line, name) for name in self.paths}
        given: Json = {name: value for name, value in told.items() if value is not None}
        if "model" in given:
            exchange = _with_model(exchange, optional_text(given, "model"))
        columns = {**exchange.columns}
        if "id" in given:
            columns["client_request_id"] = word(_name(given, "id"))
        subject = _name(given, "subject") or exchange.subject
        if subject is not None:
            exchange.request.setdefault("user", subject)
        return exchange._replace(
            ts=instant(given["ts"]) if "ts" in given else exchange.ts,
            endpoint=optional_endpoint(given, "endpoint") or exchange.endpoint,
            session_id=_name(given, "session") or exchange.session_id,
            subject=subject,
            columns=columns,
        )

    def _found(self, line: Any, field: str) -> Any:
        """What lies at the path, or None."""
        found = line
        for step in self.paths[field].split("."):
            found = decoded(found)
            if isinstance(found, dict):
                found = found.get(step)
            elif isinstance(found, list) and step.isdecimal() and int(step) < len(found):
                found = found[int(step)]
            else:
                return None
        return found


def _name(given: Json, name: str) -> str | None:
    """Ids are text, or numbers that stand for it."""
    value = given.get(name)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if value is not None and not isinstance(value, str):
        raise BadLineError(f"{name} is not text")
    return value or None


def _with_model(exchange: Exchange, model: str | None) -> Exchange:
    request = {**exchange.request, "model": model}
    if is_error(exchange.response):
        return exchange._replace(request=request)
    return exchange._replace(request=request, response={**exchange.response, "model": model})
