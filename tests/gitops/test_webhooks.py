"""Webhooks get every message they asked for, or a log line without their address."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest

from loopwright.gitops.notifications import Message
from loopwright.gitops.webhooks import Webhooks
from loopwright.manifests.project import Notification
from loopwright.manifests.secrets import SecretRef

FAILED = Message("failed", "the world is busy", ("Lake/main",), "prod", "a1b2")


class Receiver(BaseHTTPRequestHandler):
    statuses: ClassVar[list[int]] = []
    bodies: ClassVar[list[dict[str, Any]]] = []

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.bodies.append(json.loads(body))
        self.send_response(self.statuses.pop(0) if self.statuses else 200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


@pytest.fixture
def address() -> Iterator[str]:
    Receiver.statuses, Receiver.bodies = [], []
    with ThreadingHTTPServer(("127.0.0.1", 0), Receiver) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/hook/s3cret-path"
        server.shutdown()
        thread.join()


def post(*hooks: Notification, environ: dict[str, str] | None = None) -> list[float]:
    """Send one message to all of them; returns the pauses that were made."""
    pauses: list[float] = []
    webhooks = Webhooks(environ=environ or {}, base_dir=Path(), pause=pauses.append)
    webhooks.send(FAILED, hooks)
    webhooks.close()
    return pauses


def test_a_message_is_posted_as_json_to_a_secret_address(address: str) -> None:
    hook = Notification(name="team", webhook=SecretRef(env="HOOK"))
    post(hook, environ={"HOOK": f"{address}\n"})
    assert Receiver.bodies == [
        {
            "text": "prod: failed: the world is busy (Lake/main)",
            "event": "failed",
            "cause": "the world is busy",
            "addresses": ["Lake/main"],
            "environment": "prod",
            "commit": "a1b2",
        }
    ]


def test_a_hook_gets_only_the_events_it_asked_for(address: str) -> None:
    post(Notification(name="team", webhook=address, events=["resolved", "drift"]))
    assert Receiver.bodies == []


def test_a_refusal_is_tried_three_times_with_pauses(address: str) -> None:
    Receiver.statuses = [503, 500]
    assert post(Notification(name="team", webhook=address)) == [1.0, 5.0]
    assert len(Receiver.bodies) == 3


def test_what_cannot_be_delivered_is_logged_without_its_address(
    address: str, caplog: pytest.LogCaptureFixture
) -> None:
    Receiver.statuses = [404] * 3
    hooks = [
        Notification(name="gone", webhook=address),
        Notification(name="unset", webhook=SecretRef(env="NOWHERE")),
        Notification(name="odd", webhook=SecretRef(env="ODD")),
    ]
    with caplog.at_level(logging.DEBUG):
        post(*hooks, environ={"ODD": "ftp://s3cret-path"})
    told = {record.webhook: record.problem for record in caplog.records}  # type: ignore[attr-defined]
    assert told == {
        "gone": "answered 404",
        "unset": "cannot resolve the secret {env: NOWHERE}: it is not set or empty",
        "odd": "the address is not an http(s) address",
    }
    assert "s3cret" not in caplog.text
