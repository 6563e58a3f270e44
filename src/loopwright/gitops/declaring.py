"""What the manifests declared when they last made sense, and what is wrong with them now.

A broken, empty or vanished set of manifests never replaces a good one.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from loopwright.engine.workspace import Declared, Workspace, declare
from loopwright.errors import LoopwrightError, ManifestError
from loopwright.gitops.sources import Look, Revision, Source
from loopwright.manifests.diagnostics import Diagnostic, Severity
from loopwright.resources.address import Address
from loopwright.state.store import StateReader

_DIAGNOSTICS_KEPT = 5


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a revision, or the place it comes from, cannot be used."""

    what: str
    """`manifests` or `source`."""
    message: str
    since: datetime
    revision: str = ""
    diagnostics: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Good:
    """A revision that was understood, when it first was, and what had failed before it."""

    revision: Revision
    declared: Declared
    since: datetime
    failures: Mapping[Address, int] = field(default_factory=dict)
    """Failures in a row as of then: no backoff holds them against the revision."""


Declare = Callable[[Revision, StateReader], Declared]


def declare_revision(
    workspace: Workspace,
    *,
    variables: dict[str, str],
    var_files: Sequence[str],
) -> Declare:
    """How a revision of this workspace is read. The function raises LoopwrightError."""

    def read(revision: Revision, state: StateReader) -> Declared:
        place = replace(workspace, project_dir=revision.root or workspace.project_dir)
        try:
            found = declare(
                place, revision.paths, variables=variables, var_files=var_files, state=state
            )
        except ManifestError as error:
            raise ManifestError([_inside(item, revision) for item in error.diagnostics]) from error
        return replace(
            found,
            commit=revision.commit,
            origins={at: _relative(text, revision) for at, text in found.origins.items()},
            sources=tuple(_relative(text, revision) for text in found.sources),
        )

    return read


class LastGood:
    """Takes every look at the source; gives the newest revision that made sense."""

    def __init__(self, source: Source, declare: Declare) -> None:
        self._source, self._declare = source, declare
        self.good: Good | None = None
        self.broken: Problem | None = None
        self.unreachable: Problem | None = None

    def recall(self, revision_id: str, since: datetime, state: StateReader) -> None:
        """After a restart: go on with the revision that was good, if it still lies there."""
        revision = self._source.earlier(revision_id)
        if revision is None:
            return
        try:
            self._accept(Good(revision, self._declare(revision, state), since))
        except LoopwrightError:
            self.good = None  # this release does not understand it any more: wait for a new one

    def take(self, look: Look, state: StateReader, now: datetime) -> bool:
        """Whether there is a new good revision now."""
        self._note_source(look, now)
        revision = look.revision
        if revision is None:
            return False
        if self.good and revision.id == self.good.revision.id:
            self.broken = None
            return False
        try:
            declared = self._declare(revision, state)
        except LoopwrightError as error:
            self._note_broken(revision, error.message, _told(error), now)
            return False
        records = state.records()
        if records and not declared.resources:
            message = f"the manifests declare nothing, yet {len(records)} resources are recorded"
            self._note_broken(revision, message, (), now)
            return False
        self.broken = None
        failures = {address: record.failures for address, record in records.items()}
        self._accept(Good(revision, declared, now, failures))
        return True

    def _accept(self, good: Good) -> None:
        self.good = good
        self._source.keep(good.revision)

    def _note_source(self, look: Look, now: datetime) -> None:
        if not look.problem:
            self.unreachable = None
        else:
            since = self.unreachable.since if self.unreachable else now
            self.unreachable = Problem("source", look.problem, since)

    def _note_broken(
        self, revision: Revision, message: str, told: tuple[str, ...], now: datetime
    ) -> None:
        since = self.broken.since if self.broken else now
        self.broken = Problem("manifests", message, since, revision.short, told)


def _told(error: LoopwrightError) -> tuple[str, ...]:
    if not isinstance(error, ManifestError):
        return (error.hint,) if error.hint else ()
    errors = [item for item in error.diagnostics if item.severity is Severity.ERROR]
    return tuple(
        f"{item.span}: {item.message}" if item.span else item.message
        for item in errors[:_DIAGNOSTICS_KEPT]
    )


def _inside(item: Diagnostic, revision: Revision) -> Diagnostic:
    """A diagnostic with places as the repository names them, not the folder it was laid out in."""
    span = item.span
    return replace(
        item,
        span=replace(span, file=_relative(span.file, revision)) if span else None,
        message=_relative(item.message, revision),
        hint=_relative(item.hint, revision),
    )


def _relative(text: str, revision: Revision) -> str:
    if revision.root is None:
        return text
    root = str(revision.root)
    for prefix in (root, os.path.relpath(root)):
        text = text.replace(f"{prefix}{os.sep}", "")
    return text
