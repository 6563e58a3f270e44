"""Evaluations that state records, and their folders on this machine."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from loopwright.cli.acting import caller
from loopwright.errors import LoopwrightError
from loopwright.manifests.diagnostics import nearest

if TYPE_CHECKING:
    from loopwright.cli.common import ProjectOptions
    from loopwright.engine.workspace import Workspace
    from loopwright.evaluation.results import EvaluationResult
    from loopwright.evaluation.run_folder import RunFolder
    from loopwright.state.records import Record

RUN = "RUN"
_SAME = 1e-3
"""Points by which a recorded score may be rounded."""
_REVISION = re.compile(r"v?([1-9][0-9]*)")

AS_JSON = click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")


@dataclass(frozen=True, slots=True)
class RecordedRun:
    """One finished evaluation."""

    name: str
    revision: int
    outputs: Mapping[str, Any]
    folder: RunFolder
    loss_curve: Path | None = None
    """The picture of the training that made the evaluated model, where it was made here."""

    @property
    def label(self) -> str:
        return f"{self.name}@{self.revision}"

    def edited(self, result: EvaluationResult) -> str:
        """Where the file tells other scores than state recorded: a word on it; else nothing."""
        first = result.subjects[0]
        recorded = {"": self.outputs.get("composite"), **self.outputs.get("capabilities", {})}
        said = {"": first.composite, **first.capabilities}
        for name, score in recorded.items():
            told = said.get(name)
            if score is not None and (told is None or abs(told.score - score) > _SAME):
                now = "nothing" if told is None else f"{told.score:.2f}"
                where = f" in {name}" if name else ""
                return (
                    f"report.json of {self.label} was changed: it tells {now}{where}, recorded is "
                    f"{score:.2f}; make it again: loopwright apply --replace EvalRun/{self.name}"
                )
        return ""


def recorded_runs(options: ProjectOptions) -> list[RecordedRun]:
    """Every finished evaluation of the environment, by name and revision."""
    from loopwright.evaluation.run_folder import RunFolder

    workspace = options.workspace()
    records = [record for _, record in sorted(workspace.state().records().items())]
    curves = _loss_curves(workspace, records)
    return [
        RecordedRun(
            name=record.address.name,
            revision=revision.number,
            outputs=revision.outputs,
            folder=RunFolder(_folder(workspace, revision.outputs["report"])),
            loss_curve=next(
                (curves[d] for d in revision.outputs.get("models", {}).values() if d in curves),
                None,
            ),
        )
        for record in records
        if record.address.kind == "EvalRun"
        for revision in record.revisions
        if revision.outputs.get("report")
    ]


def _folder(workspace: Workspace, text: str) -> Path:
    """The folder of a run whose report is recorded: the folder itself, or a file in it."""
    path = workspace.project_dir / Path(text).expanduser()
    return path.parent if path.suffix else path


def _loss_curves(workspace: Workspace, records: Sequence[Record]) -> dict[str, Path]:
    """Digest of a model that was tuned here -> its loss curve."""
    return {
        outputs["digest"]: workspace.project_dir / Path(outputs["path"]) / "loss.svg"
        for record in records
        if record.address.kind == "FineTuneJob"
        for revision in record.revisions
        if (outputs := revision.outputs).get("digest") and outputs.get("path")
    }


def find(runs: Sequence[RecordedRun], text: str) -> RecordedRun:
    """What `[EvalRun/]NAME[@vN]` means; without a number the newest. Raises LoopwrightError."""
    name, at, label = text.removeprefix("EvalRun/").partition("@")
    number = _REVISION.fullmatch(label)
    if at and number is None and label != "latest":
        raise LoopwrightError(f"{text!r} names no revision", hint="write NAME or NAME@2")
    own = [run for run in runs if run.name == name]
    if not own:
        near = nearest(name, {run.name for run in runs})
        raise LoopwrightError(
            f"no finished evaluation {name!r} is recorded",
            hint=f"did you mean {near}?" if near else "`loopwright eval list` lists them",
        )
    if number is None:
        return own[-1]
    if found := next((run for run in own if run.revision == int(number[1])), None):
        return found
    known = ", ".join(str(run.revision) for run in own)
    raise LoopwrightError(
        f"evaluation {name!r} has no finished revision {number[1]}", hint=f"there are {known}"
    )


def may_read(options: ProjectOptions) -> None:
    """Questions and answers may be recorded calls. Raises NotAllowedError for a mere reader."""
    from loopwright.gateway.settings import Role

    acting = caller(options, options.workspace())
    acting.must_be(Role.STANDARD, "read questions and answers of evaluations")
