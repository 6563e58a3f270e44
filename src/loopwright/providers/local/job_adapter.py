"""What the run kinds share: begun as a job, polled and stopped by its key, told by a receipt."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from loopwright.errors import PermanentError
from loopwright.gateway.settings import Role
from loopwright.providers.base import (
    Capabilities,
    FieldChange,
    Observed,
    Operation,
    Opinion,
    Severity,
    Target,
)
from loopwright.providers.local.job_folder import Job
from loopwright.providers.local.jobs import Jobs
from loopwright.providers.local.permission import forbidden, must_be
from loopwright.providers.local.places import Places
from loopwright.providers.local.receipts import Receipt, Receipts
from loopwright.providers.local.refusing import explained

_OPENING_TEXT = "import calls, or build or export datasets"


class JobAdapter(ABC):
    """Base of the adapters whose create is a job. Subclasses say what, and where it is told."""

    def __init__(self, places: Places, capabilities: Capabilities) -> None:
        self.capabilities = capabilities
        self.places = places
        self.jobs = Jobs(places)

    @abstractmethod
    def receipts(self, target: Target) -> Receipts | None:
        """Where the receipts of this kind lie; None while there cannot be any."""

    @abstractmethod
    def is_there(self, receipt: Receipt) -> bool:
        """Whether what the receipt tells of is still in place."""

    def opinions(self, target: Target) -> Iterable[Opinion]:
        """What the kind has against a target before anything is done."""
        del target
        return ()

    def check(self, target: Target) -> Iterable[Opinion]:
        """Every job opens text, so whoever applies must be allowed to."""
        yield from forbidden(Role.STANDARD, _OPENING_TEXT, self.places, target)
        yield from self.opinions(target)

    def place_of(self, external_id: str) -> str:
        """The name that the receipt of an id is kept under."""
        return external_id

    def observe(self, target: Target, external_id: str | None) -> Observed | None:
        """A finished run by its receipt, a running one by its job; without an id, our newest."""
        with explained(target.address, "observe"):
            receipts = self.receipts(target)
            if receipts is None:
                return None
            if external_id is None:
                owned = receipts.owned(target.owner, target.revision)
                return next((self._told(found) for found in owned if self.is_there(found)), None)
            found = receipts.get(self.place_of(external_id))
            if found and found.external_id == external_id and self.is_there(found):
                return self._told(found)
            return self._at_work(external_id)

    def update(
        self, target: Target, observed: Observed, changes: Sequence[FieldChange], key: str
    ) -> Operation:
        """Raises PermanentError: what a run made never changes."""
        del observed, changes, key
        raise PermanentError(
            f"cannot change {target.address}: runs are immutable",
            address=str(target.address),
            action="update",
            hint=f"make a new revision: loopwright apply --replace {target.address}",
        )

    def poll(self, target: Target, operation: Operation) -> Operation:
        with explained(target.address, "poll"):
            return self.jobs.poll(operation)

    def look(self, target: Target, operation: Operation) -> Operation:
        """What its process told last; one that died is started again by a pass only."""
        with explained(target.address, "look at"):
            return self.jobs.look(operation)

    def cancel(self, target: Target, operation: Operation) -> Operation:
        with explained(target.address, "cancel"):
            return self.jobs.cancel(operation)

    def logs(self, target: Target, operation: Operation) -> Iterable[str]:
        """What the job has written; nothing once it is among the old ones that are cleared."""
        with explained(target.address, "read the logs of"):
            folder = self.jobs.find(operation.external_id)
            return folder.log_lines() if folder else ()

    def find(self, target: Target) -> Sequence[Observed]:
        """Results of a resource of this address under another tag, as after a lost state."""
        with explained(target.address, "find"):
            receipts = self.receipts(target)
            return [
                self._told(found)
                for found in (receipts.all() if receipts else ())
                if _is_namesake(found, target) and self.is_there(found)
            ][:1]

    def adopt(self, target: Target, observed: Observed, key: str) -> Operation:
        """Put our owner tag on a result, and on the earlier ones of its series."""
        with explained(target.address, "adopt"):
            receipts = self.receipts(target)
            found = receipts.get(self.place_of(observed.external_id)) if receipts else None
            if receipts is None or found is None:
                raise PermanentError(
                    f"cannot take {observed.external_id} over: it is gone",
                    address=str(target.address),
                    action="adopt",
                    hint="the next apply makes it anew",
                )
            series = [*receipts.owned(found.owner)] or [found]
            for receipt in reversed(series):  # the newest last, as it was
                receipts.put(replace(receipt, owner=target.owner))
            receipts.put(replace(found, owner=target.owner, revision=target.revision))
        return Operation(key, external_id=found.external_id, outputs=found.outputs)

    def begin(
        self,
        target: Target,
        key: str,
        *,
        task: str,
        external_id: str,
        arguments: Mapping[str, Any],
        grace: float = 5.0,
    ) -> Operation:
        """Start the job of this key unless it has been. `task` is a module of `tasks`; `grace`
        seconds are what a clean stop of it may take."""
        must_be(Role.STANDARD, _OPENING_TEXT, self.places)
        job = Job(
            task=f"loopwright.providers.local.tasks.{task}",
            grace=grace,
            external_id=external_id,
            owner=target.owner,
            revision=target.revision,
            fingerprint=target.fingerprint,
            arguments=arguments,
            places=self.places.to_json(),
        )
        return self.jobs.begin(key, job)

    def _at_work(self, external_id: str) -> Observed | None:
        """What is being made and is not there yet."""
        folder = self.jobs.find(external_id)
        job, status = (folder.job(), folder.status()) if folder else (None, None)
        if job is None or (status and status.status.is_terminal):
            return None
        return Observed(external_id, ready=False, status="running", owner=job.owner)

    def _told(self, receipt: Receipt) -> Observed:
        return Observed(
            receipt.external_id, outputs=receipt.outputs, status="ready", owner=receipt.owner
        )


def refusal(target: Target, message: str, hint: str, *, path: str = "") -> Opinion:
    """An opinion that keeps a plan from being made; `path` is the field it is about."""
    return Opinion(Severity.ERROR, str(target.address), message, hint, path)


def _is_namesake(receipt: Receipt, target: Target) -> bool:
    """Made for a resource of the same address, by a state that was not this one."""
    return receipt.owner.endswith(f"/{target.address}") and receipt.owner != target.owner
