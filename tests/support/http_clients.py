"""Clients as small and as ill-mannered as a test needs: over a bare socket, or one plain call."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        """The code of an error body."""
        return str(self.json["error"]["code"])


def call(
    url: str,
    body: Any = None,
    *,
    headers: dict[str, str] | None = None,
    connection: http.client.HTTPConnection | None = None,
) -> Answer:
    """POST `body` as JSON (bytes as they are), or GET without one."""
    parts = urlsplit(url)
    used = connection or http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=30)
    try:
        data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        told = {"content-type": "application/json", **(headers or {})}
        used.request("GET" if data is None else "POST", parts.path, data, told)
        response = used.getresponse()
        found = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, found, response.read())
    finally:
        if connection is None:
            used.close()


@contextmanager
def raw(url: str) -> Iterator[socket.socket]:
    """A bare connection to a gateway."""
    parts = urlsplit(url)
    with socket.create_connection((parts.hostname or "", parts.port or 0), timeout=30) as sock:
        yield sock


def request_bytes(path: str, body: bytes, *extra: str) -> bytes:
    """A POST as it travels."""
    lines = [f"POST {path} HTTP/1.1", "host: gateway", f"content-length: {len(body)}", *extra]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


def received(sock: socket.socket) -> bytes:
    """Everything until the other side closes; a reset ends it too."""
    parts = []
    try:
        while part := sock.recv(1 << 16):
            parts.append(part)
    except ConnectionResetError:
        pass
    return b"".join(parts)
