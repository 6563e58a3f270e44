"""The Endpoint adapter: a name in the project's gateway, and behind it a model or servers."""

from __future__ import annotations

import socket
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from loopwright.clock import SystemClock
from loopwright.daemon.canary import PROMOTED, REFUSED, Stage
from loopwright.daemon.configuring import is_own as is_here
from loopwright.daemon.configuring import place_of, spec_digest
from loopwright.daemon.declared import Declared, Shelf
from loopwright.daemon.served import upstream_digest
from loopwright.daemon.stages import Stages
from loopwright.errors import ModelError
from loopwright.gateway.settings import Role
from loopwright.providers.base import (
    FieldChange,
    Observed,
    Operation,
    OperationStatus,
    Opinion,
    Progress,
    Severity,
    Target,
)
from loopwright.providers.local.job_adapter import refusal
from loopwright.providers.local.permission import must_be
from loopwright.providers.local.project_settings import unapplied
from loopwright.providers.local.refusing import explained
from loopwright.providers.local.servables import Servables, is_own
from loopwright.providers.local.served_adapter import ServedAdapter, edited, sent
from loopwright.providers.local.serving import Status

_CONNECT_SECONDS = 1.0
_LOOK_AGAIN, _LOOK_AT_CANARY = 0.5, 2.0
_NOT_YET = "the project daemon does not serve it yet"
_MODEL = ("model", "runtime")  # the fields that say what answers


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
        """Running only while a daemon serves it: a dead daemon shows as `running: false`. During a
        canary the model is the one from before."""
        wanted = declared.spec.get("running", True)
        why = self._absence(declared, status) if wanted else ""
        spec, serves = self._effective(declared)
        return Observed(
            external_id=declared.name,
            spec={**_without_keys(spec), "running": bool(wanted and not why)},
            outputs={
                "url": f"{self._address(status)}/v1",
                "model": declared.name,
                **_answering(spec, serves),
            },
            ready=not why,
            status=why or self._state(declared, status),
            owner=declared.owner,
            beside=unapplied(self.places),
        )

    def trouble(self, declared: Declared, status: Status) -> str:
        if why := _problem(declared, status):
            return why
        if _is_followed(declared, status) and self._is_here(status):
            return ""
        return self._absence(declared, status) or _NOT_YET

    def declared(self, target: Target, spec: Mapping[str, Any]) -> Declared:
        """With the model found and verified, where it is computed here."""
        found = super().declared(target, spec)
        if not is_own(spec):
            return found
        if not spec.get("running", True):
            with suppress(ModelError):
                return replace(found, serves=self.servables.of(target).to_json())
            return found
        return replace(found, serves=self.servables.of(target).to_json())

    def edited(
        self, target: Target, held: Declared | None, changes: Sequence[FieldChange], key: str
    ) -> Declared:
        """A change ends a canary; of a promotion in steps it begins one."""
        if held is None:
            return self.declared(target, sent(target.spec))
        if target.canary and held.canary and held.canary["key"] == key:
            return held
        spec, serves = self._effective(held)
        found = self.declared(target, edited(spec, sent(target.spec), changes))
        is_same = found.serves == serves and found.spec["model"] == spec["model"]
        if not target.canary or is_same or not found.spec.get("running", True):
            return found
        before = {"spec": {name: spec[name] for name in _MODEL if name in spec}, "serves": serves}
        return replace(found, canary={"key": key, "rules": dict(target.canary), "before": before})

    def judged(self, declared: Declared, status: Status, operation: Operation) -> Operation:
        """Under way while a model is being loaded, or takes over in steps."""
        told = status["endpoints"].get(declared.name, {})
        if note := told.get("loading"):
            return _running(operation, Progress(note=note))
        if not declared.canary:
            return operation
        stage = self.stages.read(declared.name, declared.canary["key"])
        if stage is None or not stage.outcome:
            canary = told.get("canary", {})
            weight, words = canary.get("weight", 0), canary.get("words", "")
            progress = Progress(weight, 100, "%", words.partition(", ")[2])
            return replace(_running(operation, progress), poll_after=_LOOK_AT_CANARY)
        if stage.outcome == PROMOTED:
            return replace(operation, progress=None)
        return operation.with_status(OperationStatus.FAILED, refused=stage.why, progress=None)

    def pins(self, target: Target) -> Mapping[str, str]:
        """What a base model's name stands for. Raises ModelError when it stands for nothing."""
        return self.servables.pins(target)

    def poll(self, target: Target, operation: Operation) -> Operation:
        """A server that does not answer is said, and holds nothing up: it may come later."""
        return _warned(target, operation, super().poll(target, operation))

    def take_back(self, target: Target, operation: Operation, why: str) -> Operation:
        """The daemon ends it; while none serves, it is written down for the next one."""
        with explained(target.address, "take back"):
            must_be(self.least, self.doing, self.places)
            name = target.address.name
            held = self.shelf.get(name)
            if operation.status.is_terminal or held is None or not held.canary:
                return operation
            key = held.canary["key"]
            if not self.serving.refuse(name, key, why):
                stage = self.stages.read(name, key) or Stage(SystemClock().now())
                if not stage.outcome:
                    self.stages.write(name, key, replace(stage, outcome=REFUSED, why=why))
            ended = self.stages.read(name, key)
            if ended is None or ended.outcome != REFUSED:
                return operation
            return operation.with_status(OperationStatus.FAILED, refused=ended.why, progress=None)

    def create(self, target: Target, key: str) -> Operation:
        self._retry(target)
        return _warned(target, None, super().create(target, key))

    def update(
        self, target: Target, observed: Observed, changes: Sequence[FieldChange], key: str
    ) -> Operation:
        self._retry(target)
        return super().update(target, observed, changes, key)

    def logs(self, target: Target, operation: Operation) -> Iterable[str]:
        """What the daemon has written lately."""
        del target, operation
        log = self.serving.folder.log
        return log.read_text(encoding="utf-8").splitlines() if log.is_file() else ()

    def opinions(self, target: Target) -> Iterable[Opinion]:
        """Models are computed where that is installed; a gateway does not call itself."""
        gateway = self.places.file.gateway
        if not gateway.is_private and gateway.tls is None:
            yield Opinion(
                Severity.WARNING,
                str(target.address),
                f"the gateway on {gateway.listen} speaks plain HTTP: keys and calls cross the "
                "network for everybody to read",
                "declare gateway.tls, or listen on 127.0.0.1 behind a server that has it",
            )
        if is_own(target.spec):
            yield from self.servables.opinions(target)
        for server in _servers(target.spec):
            if is_here(server["url"], gateway):
                yield refusal(
                    target,
                    f"its upstream {server['url']} is the gateway of this very project",
                    "name the server that answers, or listen elsewhere with gateway.listen",
                )

    def _retry(self, target: Target) -> None:
        """What could not be loaded may be there by now: whoever applies wants it tried."""
        if is_own(target.spec):
            self.serving.followed(retry=True)

    @property
    def servables(self) -> Servables:
        return Servables(self.places)

    @property
    def stages(self) -> Stages:
        return Stages(self.serving.folder.canaries)

    def _effective(self, declared: Declared) -> tuple[Mapping[str, Any], Mapping[str, Any] | None]:
        """The spec and the model that answer, or that answer most calls while a canary runs."""
        canary = declared.canary
        if canary is None:
            return declared.spec, declared.serves
        stage = self.stages.read(declared.name, canary["key"])
        if stage and stage.outcome == PROMOTED:
            return declared.spec, declared.serves
        kept = {name: value for name, value in declared.spec.items() if name not in _MODEL}
        return {**kept, **canary["before"]["spec"]}, canary["before"]["serves"]

    def _absence(self, declared: Declared, status: Status | None) -> str:
        """Why it does not answer as declared; empty where it does, or soon will."""
        if status is None:
            return "the project daemon does not run"
        told = status["endpoints"].get(declared.name)
        if (why := _problem(declared, status)) and not self._answers(declared, told):
            return why
        if told is not None and self._is_here(status):
            return ""
        if why := status["problems"].get("daemon"):
            return str(why)
        if self._is_here(status):
            return _NOT_YET
        return f"the gateway is at {status['gateway']}, not at {self._address(None)}"

    def _answers(self, declared: Declared, told: Mapping[str, Any] | None) -> bool:
        """Whether what is to answer most calls does, whatever else may be wrong."""
        _, serves = self._effective(declared)
        if not told or not told.get("answers") or not serves:
            return False
        return bool(told["modelDigest"] == serves["digest"])

    def _state(self, declared: Declared, status: Status | None) -> str:
        if not declared.spec.get("running", True):
            return "stopped"
        told = (status or {}).get("endpoints", {}).get(declared.name, {})
        canary = told.get("canary")
        if canary and not canary["outcome"]:
            return f"running; a new model answers {canary['words']}"
        return str(told.get("loading") or "running")

    def _is_here(self, status: Status) -> bool:
        """Whether the gateway is where the project file wants it; with port 0, anywhere."""
        port = self.places.file.gateway.port
        return port in (0, place_of(status["gateway"])[1])

    def _address(self, status: Status | None) -> str:
        if status:
            return str(status["gateway"])
        gateway = self.places.file.gateway
        return f"{'https' if gateway.tls else 'http'}://{gateway.listen}"


def _problem(declared: Declared, status: Status) -> str:
    return str(status["problems"].get(f"Endpoint/{declared.name}", ""))


def _is_followed(declared: Declared, status: Status) -> bool:
    served = status["endpoints"].get(declared.name, {})
    return bool(served.get("digest") == spec_digest(declared))


def _running(operation: Operation, progress: Progress) -> Operation:
    return replace(
        operation, status=OperationStatus.RUNNING, progress=progress, poll_after=_LOOK_AGAIN
    )


def _answering(spec: Mapping[str, Any], serves: Mapping[str, Any] | None) -> dict[str, str]:
    """Which model: its name in records, and what stands for it where models are compared."""
    if upstream := spec["model"].get("upstream"):
        return {"serves": upstream["model"], "modelDigest": upstream_digest(upstream)}
    return {"serves": serves["label"], "modelDigest": serves["digest"]} if serves else {}


def _servers(spec: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Every server that is named."""
    if upstream := spec.get("model", {}).get("upstream"):
        yield upstream
        yield from upstream.get("alternatives", ())
    if vllm := (spec.get("runtime") or {}).get("vllm"):
        yield vllm


def _without_keys(spec: Mapping[str, Any]) -> dict[str, Any]:
    """The spec as it is told back; references to keys are not."""
    told = dict(spec)
    if upstream := spec["model"].get("upstream"):
        told["model"] = {"upstream": _keyless(upstream)}
    if vllm := (spec.get("runtime") or {}).get("vllm"):
        told["runtime"] = {"vllm": _keyless(vllm)}
    return told


def _keyless(server: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in server.items() if name != "apiKey"}


def _warned(target: Target, before: Operation | None, after: Operation) -> Operation:
    """With a word on servers that do not answer, when it has just succeeded."""
    was_over = before is not None and before.status.is_terminal
    if after.status is not OperationStatus.SUCCEEDED or was_over:
        return after
    mute = [server["url"] for server in _servers(target.spec) if not _answers(server["url"])]
    said = f"{', '.join(mute)} cannot be reached now; calls fail until it can" if mute else ""
    return replace(after, message=said)


def _answers(url: str) -> bool:
    try:
        with socket.create_connection(place_of(url), timeout=_CONNECT_SECONDS):
            return True
    except OSError:
        return False
