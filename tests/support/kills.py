"""Applies of the command line that are killed at any moment, over a fake cloud kept in a file."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import yaml

from loopwright.clock import SystemClock
from loopwright.engine.reconcile import Outcome, Reconciler
from loopwright.engine.workspace import Workspace, declare
from loopwright.errors import ExitCode
from loopwright.planning.plan import Plan, Selection
from loopwright.providers.memory.world import World
from loopwright.state.lease import current_holder
from support.portraits import creations, orphans
from support.projects import TestProject, flywheel, manifest_of

_SLOWLY = {
    "world": "world.jsonl",
    "faults": {"latencySeconds": 0.004},
    "jobSeconds": {"Dataset": 0.15, "FineTuneJob": 0.15, "EvalRun": 0.15},
}
_AT_WORK = 0.4
"""Seconds that an apply takes at the very least, by the jobs it waits for one after another."""
_PATIENCE = 120.0


class KilledProject:
    """The whole loop in a folder, applied by processes that die."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        documents = [manifest_of(found) for found in flywheel(connection=_SLOWLY)]
        (folder / "all.yaml").write_text(yaml.safe_dump_all(documents))

    def kill_an_apply(self, chance: random.Random) -> int:
        """Start one, and kill it a moment after it has taken the lock; returns how it ended."""
        before, deadline = self._takeovers(), time.monotonic() + _PATIENCE
        command = [sys.executable, "-m", "loopwright", "apply", "--yes", "--wait", "all.yaml"]
        with subprocess.Popen(
            command, cwd=self.folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as child:
            try:
                while self._takeovers() == before and child.poll() is None:
                    assert time.monotonic() < deadline
                    time.sleep(0.002)
                time.sleep(chance.uniform(0, _AT_WORK))
            finally:
                child.kill()
        return child.returncode

    def finish(self) -> None:
        """Apply to the end, and hold what came of it against what should have."""
        outcome = self._reconciled()
        assert outcome.exit_code == ExitCode.DONE, outcome.applied
        project = TestProject(self.folder, world=World(self.folder / "world.jsonl"))
        made = creations(project)
        assert set(made.values()) == {1}, made
        assert not orphans(project)
        assert len(project.records()) == len(flywheel())
        assert project.record("Endpoint/prod").promoted["value"] == {"model": "Model/router@1"}
        assert self._plan().is_empty

    def _takeovers(self) -> int:
        """How many locks were ever taken: the token only rises."""
        if not (self.folder / ".loopwright/default/state.db").is_file():
            return 0
        held = self._workspace().state().lease()
        return held.token if held else 0

    def _workspace(self) -> Workspace:
        return Workspace(self.folder, clock=SystemClock())

    def _reconciler(self) -> Reconciler:
        workspace = self._workspace()
        return Reconciler(workspace, declare(workspace, [str(self.folder / "all.yaml")]))

    def _plan(self) -> Plan:
        return self._reconciler().plan(Selection())

    def _reconciled(self) -> Outcome:
        with self._workspace().state().session(holder=current_holder(), command="apply") as session:
            return self._reconciler().apply(
                session, Selection(), approve=lambda plan: True, waits=True
            )


def kill_and_finish(folder: Path, kills: int, *, seed: int) -> None:
    """`kills` applies in a row die, unless little was left to do; then one comes to its end."""
    folder.mkdir()
    project, chance = KilledProject(folder), random.Random(seed)
    endings = [project.kill_an_apply(chance) for _ in range(kills)]
    assert endings[0] == -signal.SIGKILL
    assert set(endings) <= {-signal.SIGKILL, ExitCode.DONE}, endings
    project.finish()
