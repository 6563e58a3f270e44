"""As whom somebody at a command line acts.

With LOOPWRIGHT_API_KEY in the environment it is the principal whose key that is, in its role.
Without it, whoever has the project's files has its keys too, and acts as admin.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from loopwright.daemon.declared import DaemonFolder
from loopwright.daemon.principals import KeyDigests, bearer
from loopwright.daemon.secrets import Secrets
from loopwright.errors import LoopwrightError
from loopwright.gateway.settings import Role
from loopwright.manifests.project import Project

API_KEY = "LOOPWRIGHT_API_KEY"
_RANKS = {Role.READER: 0, Role.STANDARD: 1, Role.ADMIN: 2}


class NotAllowedError(LoopwrightError):
    """The principal's role does not reach that far."""


@dataclass(frozen=True, slots=True)
class Acting:
    """Who acts. `name` is empty for the owner of the files."""

    name: str
    role: Role

    def must_be(self, least: Role, what: str) -> None:
        """Raises NotAllowedError unless the role allows to do `what`."""
        if _RANKS[self.role] < _RANKS[least]:
            raise NotAllowedError(
                f"principal {self.name} has the role {self.role} and may not {what}",
                hint=f"act as one with the role {least}"
                + (f" or {Role.ADMIN}" if least is Role.STANDARD else ""),
            )


OWNER = Acting("", Role.ADMIN)
"""Whoever has the project's files."""


def acting(
    project: Project, project_dir: Path, folder: DaemonFolder, environ: Mapping[str, str]
) -> Acting:
    """Raises NotAllowedError when the key in the environment is nobody's."""
    key = environ.get(API_KEY)
    if not key:
        return OWNER
    known = Secrets(project_dir, environ)
    principals, _ = KeyDigests(folder.path).principals(project.principals, known.resolve)
    found = bearer(principals, key)
    if found is None:
        raise NotAllowedError(
            f"the key in {API_KEY} belongs to no principal of this project",
            hint=f"declare the principal in loopwright.yaml, or unset {API_KEY}",
        )
    return Acting(found.name, found.role)
