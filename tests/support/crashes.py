"""Applies that are stopped before or after any of their journal writes and provider calls."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from loopwright.errors import ExitCode
from loopwright.manifests.project import Project
from loopwright.providers.memory.adapter import MemoryAdapter
from loopwright.resources.base import Resource
from loopwright.state.session import SqliteSession
from support.canaries import before_canary, canaried
from support.portraits import creations, orphans, portrait
from support.projects import TestProject, flywheel, resource

NewProject = Callable[[], TestProject]
_VERBS = ("create", "update", "delete", "adopt", "cancel", "poll")
_LEASE = 120.0


class Crash(BaseException):
    """The process is gone; nothing may catch this."""


class Steps:
    """Counts journal writes and provider calls; from step `at` on every one of them crashes."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        self.at: int | None = None
        self.after = False
        self.lock = threading.Lock()
        for verb in _VERBS:
            monkeypatch.setattr(MemoryAdapter, verb, self._counted(getattr(MemoryAdapter, verb)))
        monkeypatch.setattr(SqliteSession, "commit", self._counted(SqliteSession.commit))

    def _counted(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            with self.lock:
                self.count += 1
                step = self.count
            if self.at is not None and (step > self.at or (step == self.at and not self.after)):
                raise Crash
            found = real(*args, **kwargs)
            if self.at == step and self.after:
                raise Crash
            return found

        return call

    def crash_at(self, step: int | None, *, after: bool = False) -> None:
        self.count, self.at, self.after = 0, step, after


@dataclass(frozen=True)
class Story:
    """What was applied before, if anything, and the apply that is stopped."""

    before: Callable[[], list[Resource]] | None
    now: Callable[[], list[Resource]]
    project: Project | None = None
    destroys: bool = False
    steps: int = 20
    """At least so many there must be."""

    def begin(self, project: TestProject) -> None:
        if self.before:
            project.apply(self.before())

    def apply(self, project: TestProject) -> ExitCode:
        return project.apply(
            self.now(), project=self.project, destroy=self.destroys, delete_data=self.destroys
        ).exit_code

    def is_settled(self, project: TestProject) -> bool:
        return project.plan(
            self.now(), project=self.project, destroy=self.destroys, delete_data=self.destroys
        ).is_empty


def _slow_loop(ratio: float = 0.2) -> list[Resource]:
    seconds = {"Dataset": 6, "FineTuneJob": 12, "EvalRun": 6, "Endpoint": 5}
    return flywheel(ratio=ratio, connection={"jobSeconds": seconds})


def _edited_loop() -> list[Resource]:
    """An update, a replace, a move, a removal and another sample, with all that follows from it."""
    kept = [found for found in _slow_loop(0.3) if found.kind not in ("Delivery", "Export")]
    return [
        *(found for found in kept if str(found.address) != "Endpoint/candidate"),
        resource(
            "Endpoint",
            "candidate",
            provider="mem",
            model={"fineTuneJob": "router"},
            rateLimit={"rpm": 9, "tpm": 900},
        ),
        resource("Endpoint", "side", provider="mem", type="preset", model={"base": "tiny"}),
        resource("Lake", "spare", provider="mem", storage="elsewhere"),
    ]


def _loop_before_edit() -> list[Resource]:
    return [
        *_slow_loop(),
        resource("Endpoint", "side", provider="mem", model={"base": "tiny"}),
        resource("Lake", "old", provider="mem", storage="elsewhere"),
    ]


_MOVE = Project.model_validate({"moved": [{"from": "Lake/old", "to": "Lake/spare"}]})

STORIES = {
    "the whole loop from nothing": Story(None, _slow_loop),
    "edits of everything": Story(_loop_before_edit, _edited_loop, _MOVE),
    "destroy": Story(_slow_loop, _slow_loop, destroys=True),
    "a canary to its end": Story(before_canary, canaried, steps=6),
    "a canary that goes back": Story(
        lambda: before_canary(0.071, since=25), lambda: canaried(0.071, since=25), steps=6
    ),
}


def stop_at_every_step(story: Story, steps: Steps, new_project: NewProject, *, after: bool) -> None:
    """Whatever the step, the next apply must end where an undisturbed one would have: every
    object made as often as it should, nothing forgotten, nothing left over."""
    undisturbed = new_project()
    story.begin(undisturbed)
    steps.crash_at(None)
    assert story.apply(undisturbed) == ExitCode.DONE
    total, wanted, made = steps.count, portrait(undisturbed), creations(undisturbed)
    assert total > story.steps
    assert story.is_settled(undisturbed)
    for step in range(1, total + 1):
        steps.crash_at(None)
        project = new_project()
        story.begin(project)
        steps.crash_at(step, after=after)
        with pytest.raises(Crash):
            story.apply(project)
        steps.crash_at(None)
        project.clock.advance(_LEASE)
        assert story.apply(project) == ExitCode.DONE, step
        assert portrait(project) == wanted, step
        assert creations(project) == made, step
        assert not orphans(project), step
        assert story.is_settled(project), step
