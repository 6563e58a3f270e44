"""A project on disk: its folder, environment and state, and what its manifests declare."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from loopwright.clock import Clock, SystemClock
from loopwright.engine.secrecy import exposed, secret_values, veiled
from loopwright.errors import ManifestError
from loopwright.graph import Graph
from loopwright.manifests.diagnostics import Diagnostic, Severity
from loopwright.manifests.document import Document
from loopwright.manifests.loader import ManifestSet, load
from loopwright.manifests.project import Project
from loopwright.parsing import parse
from loopwright.resources.address import Address
from loopwright.resources.base import Resource
from loopwright.state.sqlite import SqliteState, open_state
from loopwright.state.store import StateReader

if TYPE_CHECKING:
    from loopwright.state.session import SqliteSession

STATE_FOLDER = ".loopwright"
PROJECT_FILE = "loopwright.yaml"
MANIFESTS_FILE = "manifests.txt"
"""Beside the states: the folder of the project file, where that is not the project's own."""


def find_project(start: Path) -> Path:
    """The nearest folder, from `start` up, with a project file or a state; else `start`.

    A project file that lies among manifests is of the project around it that applied them.
    """
    for folder in (start, *start.parents):
        if (folder / STATE_FOLDER).is_dir():
            return folder
        if (folder / PROJECT_FILE).is_file():
            around = (found for found in folder.parents if _reads_project_of(found, folder))
            return next(around, folder)
    return start


def _reads_project_of(folder: Path, manifests: Path) -> bool:
    try:
        told = (folder / STATE_FOLDER / MANIFESTS_FILE).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return False
    return (folder / told.strip()).resolve() == manifests.resolve()


@dataclass(frozen=True)
class Workspace:
    """Where a project lives and which of its environments is meant."""

    project_dir: Path
    environment: str = "default"
    clock: Clock = field(default_factory=SystemClock)
    environ: Mapping[str, str] = field(default_factory=dict)

    @property
    def state_dir(self) -> Path:
        return self.project_dir / STATE_FOLDER / self.environment

    @contextmanager
    def session(
        self, *, holder: str, command: str, wait_seconds: float = 0
    ) -> Iterator[SqliteSession]:
        """The state, to write to, under the lease. Raises StateLockedError saying who holds it."""
        with self.state().session(
            holder=holder, command=command, wait_seconds=wait_seconds
        ) as opened:
            self.keep_out_of_git()
            yield opened

    def keep_out_of_git(self) -> None:
        """State and keys are nobody's to commit; a folder that says so needs no care."""
        path = self.project_dir / STATE_FOLDER / ".gitignore"
        if not path.exists():
            path.write_text("*\n")

    def remember_project_file(self, declared: Declared) -> None:
        """So that commands which are run beside it find this project. Not of one elsewhere."""
        folder = declared.project_folder
        if folder is None or self.project_dir not in folder.resolve().parents:
            return
        path = self.project_dir / STATE_FOLDER / MANIFESTS_FILE
        path.write_text(f"{folder.resolve().relative_to(self.project_dir)}\n", encoding="utf-8")

    @cached_property
    def _state(self) -> SqliteState:
        return open_state(self.state_dir / "state.db", clock=self.clock)

    def state(self) -> SqliteState:
        """A reader; nothing is made on disk before a session is opened."""
        return self._state


@dataclass(frozen=True)
class Declared:
    """What the manifests say, validated."""

    resources: Mapping[Address, Resource]
    graph: Graph
    project: Project
    origins: Mapping[Address, str]
    digest: str
    sources: tuple[str, ...]
    variables: Mapping[str, str] = field(default_factory=dict)
    warnings: tuple[Diagnostic, ...] = ()
    commit: str = ""
    spendable: float | None = None
    """Money that the runs of one approval may cost at most today; None: no daily bound."""
    project_folder: Path | None = None
    """Where the project file lies that was read."""
    documents: Mapping[Address, Document] = field(default_factory=dict, repr=False)

    def place(self, address: Address, path: str = "") -> str:
        """`file:line` of a resource, or of a field below its `spec`, or what holds that field."""
        origin, document = self.origins.get(address, ""), self.documents.get(address)
        if not path or document is None:
            return origin
        span = document.span(("spec", *path.split(".")), key=True)
        return f"{origin.rpartition(':')[0]}:{span.line}"


def declare(
    workspace: Workspace,
    paths: Sequence[str],
    *,
    variables: Mapping[str, str] | None = None,
    var_files: Sequence[str] = (),
    stdin: Callable[[], bytes] | None = None,
    state: StateReader | None = None,
) -> Declared:
    """Read and validate manifests. Raises ManifestError with every problem of the run."""
    manifests, resources, graph, origins, diagnostics = examine(
        workspace, paths, variables=variables, var_files=var_files, stdin=stdin, state=state
    )
    if any(item.severity is Severity.ERROR for item in diagnostics):
        raise ManifestError(diagnostics)
    return Declared(
        resources=resources,
        graph=graph,
        project=manifests.project,
        origins=origins,
        digest=manifests.digest,
        sources=manifests.sources,
        variables=dict(variables or {}),
        warnings=tuple(diagnostics),
        project_folder=manifests.project_document.base_dir if manifests.project_document else None,
        documents={Address(one.kind, one.name): one for one in manifests.documents},
    )


def examine(
    workspace: Workspace,
    paths: Sequence[str],
    *,
    variables: Mapping[str, str] | None = None,
    var_files: Sequence[str] = (),
    stdin: Callable[[], bytes] | None = None,
    state: StateReader | None = None,
) -> tuple[ManifestSet, Mapping[Address, Resource], Graph, Mapping[Address, str], list[Diagnostic]]:
    """Read manifests and tell everything that is wrong with them, without raising."""
    manifests = load(
        paths,
        project_dir=workspace.project_dir,
        environment=workspace.environment,
        var=variables or {},
        var_files=var_files,
        environ=workspace.environ,
        stdin=stdin or _no_input,
    )
    recorded = (state or workspace.state()).addresses()
    parsed = parse(manifests, recorded=recorded)
    secrets = secret_values(
        parsed.resources.values(),
        manifests.project,
        environ=workspace.environ,
        project_dir=workspace.project_dir,
    )
    diagnostics = [
        *manifests.diagnostics,
        *parsed.diagnostics,
        *exposed(manifests, variables or {}, secrets),
    ]
    return (
        manifests,
        parsed.resources,
        parsed.graph,
        parsed.origins,
        veiled(diagnostics, secrets),
    )


def _no_input() -> bytes:
    return b""
