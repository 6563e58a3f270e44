"""Options that many commands share, and what they lead to."""

from __future__ import annotations

import functools
import gc
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from loopwright.errors import LoopwrightError
from loopwright.resources.address import Address

if TYPE_CHECKING:
    from collections.abc import Iterator

    from loopwright.engine.workspace import Declared, Workspace
    from loopwright.planning.plan import Selection
    from loopwright.state.store import StateReader, StateSession

_Command = TypeVar("_Command", bound=Callable[..., Any])


@dataclass(frozen=True)
class ProjectOptions:
    """Which project and environment, and which values its variables have."""

    project: Path | None
    environment: str
    variables: tuple[str, ...] = ()
    var_files: tuple[str, ...] = ()

    def workspace(self) -> Workspace:
        """The project: given, or the nearest folder from here up that has one."""
        from loopwright.engine.workspace import Workspace, find_project

        folder = self.project or find_project(Path.cwd())
        if self.project and not folder.is_dir():
            raise LoopwrightError(f"{folder} is not a folder", hint="see --project")
        remember_environment()
        return Workspace(folder.resolve(), self.environment, environ=dict(os.environ))

    def values(self) -> dict[str, str]:
        """`--var NAME=VALUE` as a mapping. Raises a usage error."""
        found = {}
        for text in self.variables:
            name, equals, value = text.partition("=")
            if not equals or not name:
                raise click.BadParameter(f"{text!r} is not NAME=VALUE", param_hint="--var")
            found[name] = value
        return found

    def declare(
        self,
        workspace: Workspace,
        paths: Sequence[str],
        state: StateReader | None = None,
    ) -> Declared:
        """Read and validate the manifests. Raises ManifestError with all that is wrong."""
        from loopwright.engine.workspace import declare

        declared = declare(
            workspace,
            paths or ["."],
            variables=self.values(),
            var_files=self.var_files,
            stdin=sys.stdin.buffer.read,
            state=state,
        )
        remember_declared(workspace, declared)
        return declared


def manifest_paths(command: _Command) -> _Command:
    """Adds PATHS and, as kubectl users expect, -f; the command gets both as `paths`."""

    def wrapped(*args: Any, paths: tuple[str, ...], files: tuple[str, ...], **kwargs: Any) -> Any:
        return command(*args, paths=(*paths, *files), **kwargs)

    functools.update_wrapper(wrapped, command)
    decorated = click.option(
        "-f", "--file", "files", multiple=True, metavar="PATH", help="Same as PATHS; - is stdin."
    )(wrapped)
    # click types what its decorators give as Callable, not as what they were given.
    return click.argument("paths", nargs=-1)(decorated)  # type: ignore[return-value]


def project_options(command: _Command) -> _Command:
    """Adds --project, --env, --var, --var-file; the command gets `options: ProjectOptions`."""

    def wrapped(
        *args: Any,
        project: Path | None,
        environment: str,
        variables: tuple[str, ...],
        var_files: tuple[str, ...],
        **kwargs: Any,
    ) -> Any:
        options = ProjectOptions(project, environment, variables, var_files)
        return command(*args, options=options, **kwargs)

    wrapped.__name__, wrapped.__doc__ = command.__name__, command.__doc__
    # Where click keeps the options that decorators below this one have added.
    wrapped.__click_params__ = getattr(command, "__click_params__", [])  # type: ignore[attr-defined]
    for decorate in (
        click.option(
            "--var-file",
            "var_files",
            multiple=True,
            type=click.Path(dir_okay=False),
            help="YAML file of variable values.",
        ),
        click.option(
            "--var", "variables", multiple=True, metavar="NAME=VALUE", help="Value of a variable."
        ),
        click.option(
            "-e",
            "--env",
            "environment",
            default="default",
            show_default=True,
            envvar="LOOPWRIGHT_ENV",
            help="Environment; each has a state of its own.",
        ),
        click.option(
            "--project",
            type=click.Path(path_type=Path),
            envvar="LOOPWRIGHT_PROJECT",
            help="Project folder. Default: the nearest with loopwright.yaml or a state.",
        ),
    ):
        wrapped = decorate(wrapped)
    return wrapped  # type: ignore[return-value]


def selection_options(command: _Command) -> _Command:
    """Adds --target, --exclude, --replace, --no-refresh, --no-prune."""
    for decorate in (
        click.option(
            "--no-prune", is_flag=True, help="Leave alone what the manifests no longer name."
        ),
        click.option("--no-refresh", is_flag=True, help="Plan from state alone."),
        click.option(
            "--replace",
            "replaces",
            multiple=True,
            metavar="ADDRESS",
            help="Run it again, though nothing changed.",
        ),
        click.option(
            "--exclude",
            "excludes",
            multiple=True,
            metavar="ADDRESS",
            help="Leave it, and what needs it, alone.",
        ),
        click.option(
            "-t",
            "--target",
            "targets",
            multiple=True,
            metavar="ADDRESS",
            help="Only it, and what it needs.",
        ),
    ):
        command = decorate(command)
    return command


def selection(
    *,
    targets: tuple[str, ...],
    excludes: tuple[str, ...],
    replaces: tuple[str, ...],
    no_refresh: bool,
    no_prune: bool,
) -> Selection:
    """The selection that the options say."""
    from loopwright.planning.plan import Selection

    return Selection(
        targets=targets,
        excludes=excludes,
        replaces=replaces,
        refresh=not no_refresh,
        prune=not no_prune,
    )


@contextmanager
def session(
    workspace: Workspace, command: str, *, wait_seconds: float = 0
) -> Iterator[StateSession]:
    """The state, under the lease. Raises StateLockedError saying who holds it."""
    from loopwright.state.lease import current_holder

    with workspace.session(
        holder=current_holder(), command=command, wait_seconds=wait_seconds
    ) as opened:
        yield opened


def runs_long() -> None:
    """Collect garbage after all: this command may run for hours. See `__main__`."""
    gc.freeze()
    gc.enable()


def actor() -> str:
    """Who is at the keyboard, for the journal."""
    import getpass

    return os.environ.get("LOOPWRIGHT_ACTOR") or getpass.getuser()


def address(text: str) -> Address:
    """An address as typed. Raises LoopwrightError."""
    try:
        return Address.parse(text)
    except ValueError as error:
        raise LoopwrightError(str(error), hint="e.g. Dataset/router-sft") from error


def remember_environment() -> None:
    """Mask the values of environment variables whose names say that they are secrets."""
    from loopwright.cli.output import remember_secret

    marks = ("KEY", "TOKEN", "SECRET", "PASSWORD", "CREDENTIAL")
    for name, value in os.environ.items():
        if any(mark in name.upper() for mark in marks):
            remember_secret(value)


def remember_declared(workspace: Workspace, declared: Declared) -> None:
    """Mask the secrets that manifests and project file refer to, whatever their names."""
    from loopwright.cli.output import remember_secret
    from loopwright.engine.secrecy import secret_values

    for value in secret_values(
        declared.resources.values(),
        declared.project,
        environ=workspace.environ,
        project_dir=workspace.project_dir,
    ):
        remember_secret(value)
