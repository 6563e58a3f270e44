"""May whoever acts here do this? By the role of the key in LOOPWRIGHT_API_KEY, see `acting`."""

from __future__ import annotations

from loopwright.daemon.acting import acting
from loopwright.daemon.declared import DaemonFolder
from loopwright.gateway.settings import Role
from loopwright.providers.local.places import Places


def must_be(least: Role, what: str, places: Places) -> None:
    """Raises NotAllowedError unless the role reaches as far as `what`."""
    folder = DaemonFolder(places.state)
    acting(places.file, places.project, folder, places.environ).must_be(least, what)
