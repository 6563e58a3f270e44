"""Where a local provider keeps things, and how its paths are written down.

Paths inside the project are recorded relative to it, so that a project can be moved.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from loopwright.manifests.project import Project
from loopwright.providers.base import ProviderContext
from loopwright.providers.local.connection import Connection


@dataclass(frozen=True, slots=True)
class Places:
    """The folders of one provider, and the environment that secrets are looked up in."""

    project: Path
    state: Path
    datasets: Path
    models: Path
    """The model registry."""
    settings: Connection = field(default_factory=Connection)
    """What the provider's connection says."""
    prices: Mapping[str, Any] = field(default_factory=dict)
    """What the account pays, as `Provider.spec.prices` says it."""
    environ: Mapping[str, str] = field(default_factory=dict, repr=False)
    file: Project = field(default_factory=Project)
    """What loopwright.yaml says; jobs do without."""
    variables: Mapping[str, str] = field(default_factory=dict)
    """With which it was read."""

    @classmethod
    def of(cls, context: ProviderContext) -> Self:
        settings = Connection.model_validate(context.connection)
        project, state = context.project_dir.absolute(), context.state_dir.absolute()
        return cls(
            project=project,
            state=state,
            datasets=project / settings.datasets if settings.datasets else state / "datasets",
            models=project / settings.models if settings.models else state / "models",
            settings=settings,
            prices=context.prices,
            environ=context.environ,
            file=context.project,
            variables=context.variables,
        )

    @property
    def jobs(self) -> Path:
        return self.state / "jobs"

    @property
    def evaluations(self) -> Path:
        """Evaluation runs, `NAME/vN` each, and the answers that were cached."""
        return self.state / "evaluations"

    @property
    def unfinished(self) -> Path:
        """What runs have got so far that did not end yet."""
        return self.state / "unfinished"

    @property
    def throughput(self) -> Path:
        """How fast runs went on this machine; beside the models, so that environments share it."""
        return self.models / ".throughput.json"

    @property
    def inference(self) -> Path:
        """Inference datasets, a folder each."""
        return self.state / "inference"

    @property
    def keys(self) -> Path:
        """Master keys that were made here; shared by the environments of the project."""
        return self.project / ".loopwright" / "keys"

    def path(self, text: str) -> Path:
        """A path as a manifest or a record says it."""
        return self.project / Path(text).expanduser()

    def text(self, path: Path) -> str:
        """A path as it is recorded: relative to the project when it lies inside."""
        try:
            return path.absolute().relative_to(self.project).as_posix()
        except ValueError:
            return str(path.absolute())

    def to_json(self) -> dict[str, Any]:
        """For a job; the environment is not written down."""
        return {
            "project": str(self.project),
            "state": str(self.state),
            "datasets": str(self.datasets),
            "models": str(self.models),
            "settings": self.settings.model_dump(mode="json", by_alias=True, exclude_none=True),
            "prices": dict(self.prices),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any], environ: Mapping[str, str]) -> Self:
        return cls(
            project=Path(data["project"]),
            state=Path(data["state"]),
            datasets=Path(data["datasets"]),
            models=Path(data["models"]),
            settings=Connection.model_validate(data["settings"]),
            prices=data.get("prices", {}),
            environ=environ,
        )
