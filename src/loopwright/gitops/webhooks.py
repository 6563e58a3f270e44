"""Posts messages to the project's webhooks, in a thread of its own; never stops a pass.

Addresses may be secrets: no log line and no error text of this module holds one.
"""

from __future__ import annotations

import logging
import queue
import threading
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.error import HTTPError

import orjson

from loopwright.errors import LoopwrightError
from loopwright.gitops.notifications import Message
from loopwright.manifests.project import Notification
from loopwright.manifests.secrets import SecretRef

log = logging.getLogger(__name__)

_TIMEOUT = 10.0
_PAUSES = (1.0, 5.0)
"""Seconds before the second and the third try."""
_LAST_WORDS = 5.0


@dataclass(frozen=True, slots=True)
class _Letter:
    message: Message
    hooks: tuple[Notification, ...]


class Webhooks:
    """Delivers in order. What cannot be delivered is logged and dropped."""

    def __init__(
        self,
        *,
        environ: Mapping[str, str],
        base_dir: Path,
        pause: Callable[[float], object] | None = None,
    ) -> None:
        self._environ, self._base_dir = environ, base_dir
        self._closing = threading.Event()
        self._pause = pause or self._closing.wait
        self._letters: queue.SimpleQueue[_Letter | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._deliver, name="webhooks", daemon=True)
        self._thread.start()

    def send(self, message: Message, hooks: Sequence[Notification]) -> None:
        """Hand a message over to the hooks that want its event; returns at once."""
        wanting = tuple(hook for hook in hooks if message.event in hook.events)
        if wanting:
            self._letters.put(_Letter(message, wanting))

    def close(self) -> None:
        """Give what is queued a few seconds, without pauses between tries."""
        self._letters.put(None)
        self._closing.set()
        self._thread.join(timeout=_LAST_WORDS)

    def _deliver(self) -> None:
        while (letter := self._letters.get()) is not None:
            body = orjson.dumps(letter.message.to_json())
            for hook in letter.hooks:
                self._post_to(hook, body)

    def _post_to(self, hook: Notification, body: bytes) -> None:
        problem = ""
        for pause in (*_PAUSES, None):
            try:
                self._post(hook, body)
            except HTTPError as error:
                problem = f"answered {error.code}"
                error.close()
            except LoopwrightError as error:
                problem = error.message  # names the reference, never the address
            except Exception as error:  # its text may hold the address
                problem = type(error).__name__
            else:
                return
            if pause is not None:
                self._pause(pause)
        log.warning("webhook not delivered", extra={"webhook": hook.name, "problem": problem})

    def _post(self, hook: Notification, body: bytes) -> None:
        address = hook.webhook
        if isinstance(address, SecretRef):
            address = address.resolve(self._environ, self._base_dir).reveal().strip()
        if not address.startswith(("https://", "http://")):
            raise LoopwrightError("the address is not an http(s) address")
        request = urllib.request.Request(
            address, data=body, headers={"content-type": "application/json"}, method="POST"
        )
        with urllib.request.urlopen(request, timeout=_TIMEOUT) as answer:
            answer.read(1024)
