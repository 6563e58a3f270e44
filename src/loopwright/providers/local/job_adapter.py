"""What the run kinds share: begun as a job, polled, stopped and read back by its key."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from loopwright.errors import PermanentError
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
from loopwright.providers.local.places import Places
from loopwright.providers.local.receipts import Receipt
from loopwright.providers.local.refusing import explained


class JobAdapter:
    """Base of the adapters whose create is a job. Subclasses say what, and what came of it."""

    def __init__(self, places: Places, capabilities: Capabilities) -> None:
        self.capabilities = capabilities
        self.places = places
        self.jobs = Jobs(places)

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

    def cancel(self, target: Target, operation: Operation) -> Operation:
        with explained(target.address, "cancel"):
            return self.jobs.cancel(operation)

    def logs(self, target: Target, operation: Operation) -> Iterable[str]:
        """What the job has written; nothing once it is among the old ones that are cleared."""
        with explained(target.address, "read the logs of"):
            folder = self.jobs.find(operation.external_id)
            return folder.log_lines() if folder else ()

    def begin(
        self,
        target: Target,
        key: str,
        *,
        task: str,
        external_id: str,
        arguments: Mapping[str, Any],
    ) -> Operation:
        """Start the job of this key unless it has been."""
        job = Job(
            task=task,
            external_id=external_id,
            owner=target.owner,
            revision=target.revision,
            arguments=arguments,
            places=self.places.to_json(),
        )
        return self.jobs.begin(key, job)

    def at_work(self, target: Target, external_id: str | None) -> Observed | None:
        """What is being made and is not there yet."""
        folder = self.jobs.find(external_id) if external_id else None
        status = folder.status() if folder else None
        if folder is None or (status and status.status.is_terminal):
            return None
        del target
        job = folder.job()
        return Observed(
            external_id or "", ready=False, status="running", owner=job.owner if job else ""
        )


def observed_of(receipt: Receipt) -> Observed:
    """What a receipt tells of a run's result."""
    return Observed(
        receipt.external_id, outputs=receipt.outputs, status="ready", owner=receipt.owner
    )


def refusal(target: Target, message: str, hint: str) -> Opinion:
    """An opinion that keeps a plan from being made."""
    return Opinion(Severity.ERROR, str(target.address), message, hint)
