"""What the daemon knows of its project: where it lies, and what `loopwright.yaml` says now.

What the last apply understood holds until the file changes; from then on the file itself, read
with the variables that the apply was given, as long as it can be read whole.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import orjson

from loopwright.disk import Disk
from loopwright.errors import DaemonError
from loopwright.hashing import file_digest
from loopwright.manifests.diagnostics import Severity
from loopwright.manifests.project import Gateway, Principal, Project
from loopwright.manifests.project_file import read_project
from loopwright.manifests.source import Source
from loopwright.manifests.variables import Variables

PROJECT_FILE = "loopwright.yaml"


@dataclass(frozen=True, slots=True)
class DaemonProject:
    """The project of a daemon."""

    folder: Path
    gateway: Gateway
    principals: tuple[Principal, ...] = ()

    @classmethod
    def read(cls, daemon_folder: Path, environ: Mapping[str, str]) -> Self:
        """As it is now. Raises DaemonError when no apply has ever said where the project lies."""
        path = daemon_folder / "project.json"
        said = _read(path)
        try:
            folder = (daemon_folder / said["folder"]).resolve()
            project = Project.model_validate(said["project"])
            if _digest(folder) != said["read"]:
                variables = Variables(cli=said["variables"], environment=environ)
                found = _from_file(folder, said["environment"], variables)
                project = _followed(project, found or project)
        except (KeyError, TypeError, ValueError) as error:
            raise _damaged(path) from error
        return cls(folder, project.gateway, tuple(project.principals))


def applied_project(daemon_folder: Path) -> Project:
    """Gateway and principals as the last apply understood them; nothing where none said.

    Raises DaemonError when what it left is damaged.
    """
    path = daemon_folder / "project.json"
    if not path.is_file():
        return Project()
    try:
        return Project.model_validate(_read(path)["project"])
    except (KeyError, TypeError, ValueError) as error:
        raise _damaged(path) from error


def write_project(
    daemon_folder: Path, folder: Path, project: Project, variables: Mapping[str, str]
) -> None:
    """Leave for the daemon what this apply knows; nothing is written when that is there already.

    References to keys are written, never keys; variables are never secrets.
    """
    said = {
        "folder": os.path.relpath(folder.resolve(), daemon_folder.resolve()),
        "environment": daemon_folder.parent.name,
        "variables": dict(variables),
        "read": _digest(folder),
        "project": project.model_dump(
            mode="json", by_alias=True, include={"gateway", "principals"}, exclude_none=True
        ),
    }
    path, data = daemon_folder / "project.json", orjson.dumps(said)
    if not path.is_file() or path.read_bytes() != data:
        disk = Disk()
        disk.make_folders(daemon_folder)
        disk.write_atomic(path, data)


def _followed(applied: Project, found: Project) -> Project:
    """TLS is given up by an apply only: not because a line is gone from a file."""
    if applied.gateway.tls and not found.gateway.tls:
        return found.model_copy(update={"gateway": applied.gateway})
    return found


def _from_file(folder: Path, environment: str, variables: Variables) -> Project | None:
    """None when there is no file, or something is wrong with it."""
    try:
        text = (folder / PROJECT_FILE).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError):
        return None
    found = read_project([Source(PROJECT_FILE, text, folder)], variables, environment)
    wrong = any(one.severity is Severity.ERROR for one in found.diagnostics)
    return None if wrong else found.project


def _digest(folder: Path) -> str:
    try:
        return file_digest(folder / PROJECT_FILE)
    except OSError:
        return ""


def _read(path: Path) -> dict[str, Any]:
    try:
        said: dict[str, Any] = orjson.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise DaemonError(
            "no apply has said yet what the daemon is to serve", hint="run `loopwright apply`"
        ) from error
    except orjson.JSONDecodeError as error:
        raise _damaged(path) from error
    return said


def _damaged(path: Path) -> DaemonError:
    return DaemonError(f"{path} is damaged", hint="remove it and apply again")
