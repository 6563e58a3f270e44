"""The project's daemon seen from the adapters: started, told to follow, asked, and let go.

The daemon itself, and what lies on disk for it, are in `loopwright.daemon`.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from loopwright.daemon.client import DaemonClient
from loopwright.daemon.declared import DaemonFolder, Declared
from loopwright.daemon.presence import Presence
from loopwright.daemon.project import write_project
from loopwright.daemon.starting import start, start_failure
from loopwright.errors import DaemonError, TransientError
from loopwright.providers.base import Operation, OperationStatus
from loopwright.providers.local.places import Places

Status = Mapping[str, Any]
"""What a daemon tells of itself."""
_LOOK_AGAIN = 0.1
_START_SECONDS = 10.0
_FLUSH_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Serving:
    """The daemon of an environment, seen from the adapters."""

    places: Places

    @property
    def folder(self) -> DaemonFolder:
        return DaemonFolder(self.places.state)

    def status(self) -> Status | None:
        """As it is now; None while no daemon serves. Raises TransientError when it is mute."""
        client = DaemonClient.of(self.folder.path)
        try:
            return client.status() if client else None
        except DaemonError as error:
            return self._mute(error)

    def followed(self, *, retry: bool = False) -> Status | None:
        """The status once a daemon has read what is declared; None while none serves.

        With `retry` it tries once more what it could not load.
        """
        client = DaemonClient.of(self.folder.path)
        try:
            return client.reload(self._secrets(), retry=retry) if client else None
        except DaemonError as error:
            return self._mute(error)

    def brought_on(self, operation: Operation, *, may_start: bool) -> tuple[Operation, Status]:
        """Towards a daemon that follows: done with its status, still running, or failed.

        Waits for as long as a daemon usually takes to start: an apply that does not wait itself
        leaves something behind that answers.
        """
        places = self.places
        write_project(self.folder.path, places.project, places.file, places.variables)
        until = time.monotonic() + _START_SECONDS
        while True:
            operation, status = self._step(operation, may_start=may_start)
            if operation.status.is_terminal or time.monotonic() >= until:
                return operation, status
            time.sleep(_LOOK_AGAIN)

    def refuse(self, endpoint: str, key: str, why: str) -> bool:
        """End the canary of a promotion; False while no daemon serves that could."""
        client = DaemonClient.of(self.folder.path)
        try:
            if client:
                client.refuse(endpoint, key, why)
            return client is not None
        except DaemonError as error:
            return self._mute(error) is not None

    def handed_over(self) -> None:
        """Have what was recorded so far in the lakes, as far as that goes within seconds."""
        if client := DaemonClient.of(self.folder.path):
            try:
                client.flush(seconds=_FLUSH_SECONDS)
            except DaemonError as error:
                self._mute(error)

    def stopped_if_idle(self) -> None:
        """End a daemon that we started and that has nothing left to serve."""
        facts = Presence(self.folder.path).facts()
        if facts and facts.detached and self.folder.is_idle:
            DaemonClient.to(facts).stop()

    def lake_moved_on(self, owner: str, storage: str, key: Mapping[str, str]) -> None:
        """A lake that calls are delivered into lies here now, under this master key."""
        name = owner.rpartition("/")[2]
        if before := self.folder.lakes.get(name):
            if before.spec["storage"] != storage:
                self.handed_over()  # what is sealed for the old lake goes there while it can
            spec = {"storage": storage, "masterKey": dict(key)}
            self.folder.lakes.put(Declared(name, "", spec))

    def _step(self, operation: Operation, *, may_start: bool) -> tuple[Operation, Status]:
        """Start a daemon, or look how far it is."""
        status = self.followed()
        if status is not None:
            return operation.with_status(OperationStatus.SUCCEEDED), status
        waiting = replace(operation, status=OperationStatus.RUNNING, poll_after=_LOOK_AGAIN)
        if Presence(self.folder.path).is_alive:  # about to serve, or about to be gone
            return waiting, {}
        if not may_start:
            return operation.with_status(OperationStatus.SUCCEEDED), {}
        if operation.handle.get("started"):
            why = start_failure(self.folder)
            said = f"{why.message}; {why.hint}" if why.hint else why.message
            return operation.with_status(OperationStatus.FAILED, message=said), {}
        start(self.folder, project=self.places.project, environ=self.places.environ)
        return replace(waiting, handle={"started": True}), {}

    def _secrets(self) -> dict[str, str]:
        """Values that we have of the variables which declarations refer to."""
        project = self.places.file.model_dump(mode="json", include={"principals"})
        shelves = (self.folder.endpoints, self.folder.lakes)
        every = [declared for shelf in shelves for declared in shelf.all()]
        specs = (spec for one in every for spec in (one.spec, one.canary))
        names = {name for spec in (project, *specs) for name in _variables(spec)}
        environ = self.places.environ
        return {name: environ[name] for name in sorted(names) if environ.get(name)}

    def _mute(self, error: DaemonError) -> Status | None:
        """Died between two looks: nothing serves. Lives and does not answer: try again later."""
        if not Presence(self.folder.path).is_alive:
            return None
        raise TransientError(error.message, hint=error.hint or "") from error


def _variables(value: Any) -> Iterator[str]:
    """The environment variables that references inside a value name."""
    if isinstance(value, Mapping):
        if isinstance(name := value.get("env"), str):
            yield name
        for item in value.values():
            yield from _variables(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _variables(item)
