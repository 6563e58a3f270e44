"""What the kinds share whose revisions are models of the registry."""

from __future__ import annotations

from dataclasses import replace

from loopwright.providers.base import Observed, Operation, Target
from loopwright.providers.local.job_adapter import JobAdapter
from loopwright.providers.local.receipts import Receipt, Receipts
from loopwright.providers.local.refusing import explained
from loopwright.providers.local.registered import (
    checked,
    is_registered,
    model_receipts,
    registry_of,
    told_now,
)


class RegisteredAdapter(JobAdapter):
    """The external id is the revision that is registered, `name@N`."""

    def receipts(self, target: Target) -> Receipts:
        del target
        return model_receipts(self.places)

    def is_there(self, receipt: Receipt) -> bool:
        return is_registered(receipt.external_id, self.places)

    def observe(self, target: Target, external_id: str | None) -> Observed | None:
        """Not ready when a file of the model was tampered with."""
        found = super().observe(target, external_id)
        if found is None or not found.ready:
            return found
        with explained(target.address, "observe"):
            return checked(found, self.places)

    def adopt(self, target: Target, observed: Observed, key: str) -> Operation:
        """Take the name over, and every revision under it."""
        operation = super().adopt(target, observed, key)
        with explained(target.address, "adopt"):
            registry_of(self.places).adopt(target.address.name, owner=target.owner)
        return operation

    def _told(self, receipt: Receipt) -> Observed:
        found = super()._told(receipt)
        return replace(found, outputs=told_now(dict(found.outputs), self.places))
