"""May whoever acts here do this? By the role of the key in LOOPWRIGHT_API_KEY, see `acting`."""

from __future__ import annotations

from collections.abc import Iterator

from loopwright.daemon.acting import NotAllowedError, acting
from loopwright.daemon.declared import DaemonFolder
from loopwright.gateway.settings import Role
from loopwright.providers.base import Opinion, Severity, Target
from loopwright.providers.local.places import Places


def must_be(least: Role, what: str, places: Places) -> None:
    """Raises NotAllowedError unless the role reaches as far as `what`."""
    folder = DaemonFolder(places.state)
    acting(places.file, places.project, folder, places.environ).must_be(least, what)


def forbidden(least: Role, what: str, places: Places, target: Target) -> Iterator[Opinion]:
    """An opinion where the role does not reach: a plan shows it, an apply is refused over it."""
    try:
        must_be(least, what, places)
    except NotAllowedError as error:
        yield Opinion(Severity.FORBIDDEN, str(target.address), error.message, error.hint or "")
