"""The Delivery adapter: calls of an endpoint go into a lake. Editing it leaves the endpoint alone.

It is not handed to the endpoint's creation: what a delivery needs, its lake, may come later.
"""

from __future__ import annotations

from loopwright.daemon.declared import Declared, Shelf
from loopwright.gateway.settings import Role
from loopwright.providers.base import Observed, Target
from loopwright.providers.local.lake_place import lake_arguments
from loopwright.providers.local.served_adapter import ServedAdapter
from loopwright.providers.local.serving import Status
from loopwright.resources.address import Address


class DeliveryAdapter(ServedAdapter):
    """Deliveries of the daemon's gateway. A daemon comes with the endpoint, not with these."""

    starts = False
    least = Role.STANDARD
    doing = "switch the delivery of calls"

    @property
    def shelf(self) -> Shelf:
        return self.serving.folder.deliveries

    def told(self, declared: Declared, status: Status | None) -> Observed:
        """Off while the daemon cannot do it: so the next apply tries, with what it knows."""
        why = self.trouble(declared, status) if status else ""
        return Observed(
            external_id=declared.name,
            spec={**declared.spec, "enabled": declared.spec.get("enabled", True) and not why},
            outputs={"endpoint": _named(declared, "endpoint"), "lake": _named(declared, "lake")},
            ready=not why,
            status=why or ("on" if declared.spec.get("enabled", True) else "off"),
            owner=declared.owner,
        )

    def trouble(self, declared: Declared, status: Status) -> str:
        if not declared.spec.get("enabled", True):
            return ""
        lake = _named(declared, "lake")
        if why := status["problems"].get(f"Lake/{lake}"):
            return f"Lake/{lake} cannot be opened: {why}"
        served = status["endpoints"].get(_named(declared, "endpoint"))
        if served and served["delivery"] != declared.name:
            return str(status["problems"].get("daemon", "the project daemon does not deliver yet"))
        return ""

    def before(self, target: Target) -> None:
        """The daemon finds a lake by its name: where it lies, and by which reference its key."""
        found = lake_arguments(target.inputs.get("lake"))
        name = Address.parse(target.spec["lake"]).name
        spec = {"storage": found["storage"], "masterKey": found["key"]}
        self.serving.folder.lakes.put(Declared(name, "", spec))


def _named(declared: Declared, field: str) -> str:
    return Address.parse(declared.spec[field]).name
