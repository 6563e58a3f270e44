"""Speaking to a running daemon: authenticated requests over loopback, small and synchronous.

Loads neither the gateway nor the lake, since every plan of a local endpoint asks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import orjson

from loopwright.daemon.presence import Facts, Presence
from loopwright.errors import DaemonError

_SECONDS = 10.0
_LONGEST_FLUSH = 60.0


@dataclass(frozen=True, slots=True)
class DaemonClient:
    """A daemon that serves."""

    port: int
    token: str = field(repr=False)

    @classmethod
    def of(cls, folder: Path) -> Self | None:
        """The daemon of a `daemon/` folder; None while none serves."""
        facts = Presence(folder).facts()
        return cls.to(facts) if facts else None

    @classmethod
    def to(cls, facts: Facts) -> Self:
        return cls(facts.port, facts.token)

    def status(self) -> dict[str, Any]:
        """Endpoints, lakes, logs and problems as they are now."""
        return self._call("GET", "/status")

    def reload(
        self, secrets: Mapping[str, str] | None = None, *, retry: bool = False
    ) -> dict[str, Any]:
        """Read what is declared anew, and tell the status after that.

        `secrets` are values of environment variables that the daemon may not have; it keeps
        them in memory. With `retry` it tries once more what it could not load.
        """
        path = "/reload?retry=1" if retry else "/reload"
        return self._call("POST", path, {"secrets": dict(secrets or {})})

    def flush(self, *, seconds: float = 30.0) -> bool:
        """Put all calls that were delivered so far into their lakes; whether that was done."""
        told = self._call(
            "POST", "/flush", {"seconds": min(seconds, _LONGEST_FLUSH)}, seconds=_SECONDS + seconds
        )
        return bool(told["flushed"])

    def refuse(self, endpoint: str, key: str, why: str) -> None:
        """End the canary of a promotion by its key, if it has not ended."""
        self._call("POST", "/refuse", {"endpoint": endpoint, "key": key, "why": why})

    def stop(self) -> None:
        """Ask it to let running calls end and go; it takes a while to be gone."""
        self._call("POST", "/stop")

    def _call(
        self, method: str, path: str, body: Any = None, *, seconds: float = _SECONDS
    ) -> dict[str, Any]:
        import http.client  # half of what a plan would load, and often nobody is asked

        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=seconds)
        try:
            connection.request(
                method,
                path,
                body=None if body is None else orjson.dumps(body),
                headers={"authorization": f"Bearer {self.token}"},
            )
            answer = connection.getresponse()
            told: dict[str, Any] = orjson.loads(answer.read())
        except (OSError, http.client.HTTPException, orjson.JSONDecodeError) as error:
            raise DaemonError(
                f"the project daemon does not answer on its control port {self.port}: {error}",
                hint="try again; if it stays so, end it and apply again",
            ) from error
        finally:
            connection.close()
        if answer.status != http.client.OK:
            raise DaemonError(
                f"the project daemon refused {method} {path}: {told.get('message', answer.status)}"
            )
        return told
