"""The Endpoint adapter: a name in the project's gateway, with OpenAI-compatible servers behind."""

from __future__ import annotations

import socket
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from loopwright.daemon.configuring import is_own, place_of, spec_digest
from loopwright.daemon.declared import Declared, Shelf
from loopwright.gateway.settings import Role
from loopwright.providers.base import (
    Observed,
    Operation,
    OperationStatus,
    Opinion,
    Severity,
    Target,
)
from loopwright.providers.local.job_adapter import refusal
from loopwright.providers.local.project_settings import unapplied
from loopwright.providers.local.refusing import elsewhere
from loopwright.providers.local.served_adapter import ServedAdapter
from loopwright.providers.local.serving import Status

_CONNECT_SECONDS = 1.0


class EndpointAdapter(ServedAdapter):
    """Endpoints of the daemon's gateway. One that is declared running needs a daemon."""

    starts = True
    least = Role.STANDARD
    doing = "change an endpoint"

    @property
    def shelf(self) -> Shelf:
        return self.serving.folder.endpoints

    def needs_daemon(self, declared: Declared) -> bool:
        return bool(declared.spec.get("running", True))

    def told(self, declared: Declared, status: Status | None) -> Observed:
        """Running only while a daemon serves it: a dead daemon shows as `running: false`."""
        served = (status or {}).get("endpoints", {}).get(declared.name, {})
        wanted = declared.spec.get("running", True)
        is_served = bool(status and served and self._is_here(status))
        why = "" if is_served or not wanted else self._absence(declared, status)
        return Observed(
            external_id=declared.name,
            spec={**_without_keys(declared.spec), "running": bool(wanted and is_served)},
            outputs={"url": f"{self._address(status)}/v1", "model": declared.name},
            ready=not why,
            status=why or ("running" if wanted else "stopped"),
            owner=declared.owner,
            beside=unapplied(self.places),
        )

    def trouble(self, declared: Declared, status: Status) -> str:
        served = status["endpoints"].get(declared.name, {})
        if served.get("digest") == spec_digest(declared) and self._is_here(status):
            return ""
        return self._absence(declared, status)

    def poll(self, target: Target, operation: Operation) -> Operation:
        """A server that does not answer is said, and holds nothing up: it may come later."""
        return _warned(target, operation, super().poll(target, operation))

    def create(self, target: Target, key: str) -> Operation:
        return _warned(target, None, super().create(target, key))

    def logs(self, target: Target, operation: Operation) -> Iterable[str]:
        """What the daemon has written lately."""
        del target, operation
        log = self.serving.folder.log
        return log.read_text(encoding="utf-8").splitlines() if log.is_file() else ()

    def opinions(self, target: Target) -> Iterable[Opinion]:
        """Models of its own are for other providers; a gateway does not call itself."""
        gateway = self.places.file.gateway
        if not gateway.is_private and gateway.tls is None:
            yield Opinion(
                Severity.WARNING,
                str(target.address),
                f"the gateway on {gateway.listen} speaks plain HTTP: keys and calls cross the "
                "network for everybody to read",
                "declare gateway.tls, or listen on 127.0.0.1 behind a server that has it",
            )
        upstream = target.spec["model"].get("upstream")
        if upstream is None:
            said = ", ".join(sorted(target.spec["model"]))
            yield refusal(
                target,
                f"provider {target.spec['provider']} is local and serves what an OpenAI-compatible "
                f"server answers, not spec.model.{said}",
                "write model: {upstream: {url: ..., model: ...}}" + elsewhere("Endpoint"),
            )
            return
        for server in _servers(upstream):
            if is_own(server["url"], gateway):
                yield refusal(
                    target,
                    f"its upstream {server['url']} is the gateway of this very project",
                    "name the server that answers, or listen elsewhere with gateway.listen",
                )

    def _absence(self, declared: Declared, status: Status | None) -> str:
        if status is None:
            return "the project daemon does not run"
        problems = status.get("problems", {})
        told = problems.get(f"Endpoint/{declared.name}") or problems.get("daemon")
        if told or self._is_here(status):
            return told or "the project daemon does not serve it yet"
        return f"the gateway is at {status['gateway']}, not at {self._address(None)}"

    def _is_here(self, status: Status) -> bool:
        """Whether the gateway is where the project file wants it; with port 0, anywhere."""
        port = self.places.file.gateway.port
        return port in (0, place_of(status["gateway"])[1])

    def _address(self, status: Status | None) -> str:
        if status:
            return str(status["gateway"])
        gateway = self.places.file.gateway
        return f"{'https' if gateway.tls else 'http'}://{gateway.listen}"


def _servers(upstream: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield upstream
    yield from upstream.get("alternatives", ())


def _without_keys(spec: Mapping[str, Any]) -> dict[str, Any]:
    """The spec as it is told back; the reference to a key is not."""
    upstream = spec["model"].get("upstream", {})
    told = {name: value for name, value in upstream.items() if name != "apiKey"}
    return {**spec, "model": {"upstream": told}} if upstream else dict(spec)


def _warned(target: Target, before: Operation | None, after: Operation) -> Operation:
    """With a word on servers that do not answer, when it has just succeeded."""
    was_over = before is not None and before.status.is_terminal
    upstream = target.spec.get("model", {}).get("upstream")
    if after.status is not OperationStatus.SUCCEEDED or was_over or not upstream:
        return after
    mute = [server["url"] for server in _servers(upstream) if not _answers(server["url"])]
    said = f"{', '.join(mute)} cannot be reached now; calls fail until it can" if mute else ""
    return replace(after, message=said)


def _answers(url: str) -> bool:
    try:
        with socket.create_connection(place_of(url), timeout=_CONNECT_SECONDS):
            return True
    except OSError:
        return False
