"""As whom a command acts: the principal whose key is in LOOPWRIGHT_API_KEY, else the owner.

Every command that opens recorded text, erases or rotates asks here before it does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from loopwright.errors import ManifestError

if TYPE_CHECKING:
    from loopwright.cli.common import ProjectOptions
    from loopwright.daemon.acting import Acting
    from loopwright.engine.workspace import Workspace
    from loopwright.manifests.project import Project


def caller(options: ProjectOptions, workspace: Workspace) -> Acting:
    """Who acts, and in which role. Raises NotAllowedError when the key is nobody's."""
    from loopwright.daemon.acting import acting
    from loopwright.daemon.declared import DaemonFolder

    return acting(
        acting_project(options, workspace),
        workspace.project_dir,
        DaemonFolder(workspace.state_dir),
        workspace.environ,
    )


def acting_project(options: ProjectOptions, workspace: Workspace) -> Project:
    """The project with its principals; an empty one where nobody acts as one of them."""
    from loopwright.daemon.acting import API_KEY
    from loopwright.manifests.project import Project

    return project_of(options, workspace) if workspace.environ.get(API_KEY) else Project()


def project_of(options: ProjectOptions, workspace: Workspace) -> Project:
    """What the project's loopwright.yaml says, without any manifest. Raises ManifestError.

    One that lies among the manifests is read by applies only: what the last one understood holds.
    """
    from loopwright.daemon.declared import DaemonFolder
    from loopwright.daemon.project import PROJECT_FILE, applied_project
    from loopwright.manifests.diagnostics import Severity
    from loopwright.manifests.loader import load

    if not (workspace.project_dir / PROJECT_FILE).is_file():
        return applied_project(DaemonFolder(workspace.state_dir).path)
    found = load(
        (),
        project_dir=workspace.project_dir,
        stdin=bytes,
        environ=workspace.environ,
        var=options.values(),
        var_files=options.var_files,
        environment=workspace.environment,
    )
    if any(one.severity is Severity.ERROR for one in found.diagnostics):
        raise ManifestError(found.diagnostics)
    return found.project
