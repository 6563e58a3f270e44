"""Projects of the `local` provider in a folder: recorded calls, targets by hand, jobs done inline.

Inline, a job is done before `create` returns: no process is started, and nothing is slow.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import pytest

from loopwright.clock import SystemClock
from loopwright.providers.base import Operation, OperationStatus, ProviderContext, Resolved, Target
from loopwright.providers.local import factory
from loopwright.providers.local.connection import Connection
from loopwright.providers.local.job_folder import JobFolder
from loopwright.providers.local.places import Places
from loopwright.providers.local.provider import LocalProvider
from loopwright.providers.local.worker import work
from loopwright.resources.address import Address
from loopwright.resources.registry import resource_class

LINEAGE = "lineage-1"
Said = tuple[int, str, str]
"""Exit code, stdout, stderr."""
Loopwright = Callable[..., Said]

RECORDED_CALLS = """
apiVersion: loopwright.dev/v1alpha1
kind: Provider
metadata: {name: local}
spec: {type: local}
---
apiVersion: loopwright.dev/v1alpha1
kind: Lake
metadata: {name: main}
spec: {provider: local, storage: lake}
---
apiVersion: loopwright.dev/v1alpha1
kind: CallImport
metadata: {name: recorded}
spec: {provider: local, lake: main, files: [calls.jsonl]}
"""
"""Manifests of a lake and the calls that are imported into it from `calls.jsonl`."""


def line(number: int, *, text: str | None = None, answer: str | None = None) -> dict[str, Any]:
    """A recorded call, a minute after the one before."""
    question = f"question {number}" if text is None else text
    return {
        "messages": [
            {"role": "user", "content": question},
            {"role": "assistant", "content": f"answer to {question}" if answer is None else answer},
        ],
        "model": "teacher",
        "created": 1_760_000_000 + 60 * number,
        "endpoint": "chat",
    }


def write_lines(path: Path, lines: Iterable[Mapping[str, Any] | bytes]) -> Path:
    """A JSONL file; bytes are written as they are, as a bad line."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = (row if isinstance(row, bytes) else orjson.dumps(row) for row in lines)
    path.write_bytes(b"".join(row + b"\n" for row in rows))
    return path


def do_jobs_inline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let `begin` and `poll` do the work themselves, in this process."""

    def spawn(folder: JobFolder, places: Places) -> None:
        lock = folder.hold()
        assert lock is not None
        try:
            with pytest.MonkeyPatch.context() as its_own:
                for name, value in places.environ.items():
                    its_own.setenv(name, value)
                work(folder)
        finally:
            os.close(lock)

    monkeypatch.setattr("loopwright.providers.local.jobs.spawn", spawn)


@dataclass
class LocalWorld:
    """A project folder with one local provider, and what was made in it."""

    folder: Path
    environ: dict[str, str] = field(default_factory=dict)
    lineage: str = LINEAGE
    datasets: str | None = None
    keys: int = 0
    keep_models: int | None = None

    @property
    def provider(self) -> LocalProvider:
        context = ProviderContext(
            name="here",
            connection=Connection(datasets=self.datasets, keepModels=self.keep_models),
            project_dir=self.folder,
            state_dir=self.folder / ".loopwright" / "default",
            clock=SystemClock(),
            environ=self.environ,
        )
        found = factory.build(context)
        assert isinstance(found, LocalProvider)
        return found

    def adapter(self, kind: str) -> Any:
        return self.provider.adapters[kind]

    def target(
        self,
        kind: str,
        name: str,
        *,
        inputs: Mapping[str, Resolved] | None = None,
        revision: int | None = None,
        **spec: Any,
    ) -> Target:
        resource = resource_class(kind).model_validate(
            {
                "apiVersion": "loopwright.dev/v1alpha1",
                "kind": kind,
                "metadata": {"name": name},
                "spec": {"provider": "here", **spec},
            }
        )
        return Target(
            address=resource.address,
            spec=resource.desired(),
            owner=f"{self.lineage}/{resource.address}",
            inputs=inputs or {},
            revision=revision or (1 if resource.nature.is_run else None),
            base_dir=self.folder,
        )

    def key(self) -> str:
        self.keys += 1
        return f"key-{self.keys}"

    def made(self, target: Target, key: str | None = None) -> Operation:
        """Created and polled to its end, whatever that is."""
        adapter = self.adapter(target.address.kind)
        operation = adapter.create(target, key or self.key())
        while not operation.status.is_terminal:
            time.sleep(operation.poll_after)
            operation = adapter.poll(target, operation)
        return operation

    def lake(self, name: str = "main", **spec: Any) -> Resolved:
        spec.setdefault("storage", name)
        target = self.target("Lake", name, **spec)
        return resolved(target, self.made(target))

    def imported(self, lake: Resolved, *files: str, name: str = "recorded") -> Operation:
        return succeeded(
            self.made(
                self.target("CallImport", name, inputs={"lake": lake}, lake="main", files=files)
            )
        )

    def dataset(self, lake: Resolved, name: str = "set", **spec: Any) -> Target:
        return self.target(
            "Dataset", name, inputs={"source.lake": lake}, source={"lake": "main"}, **spec
        )

    def export(self, dataset: Resolved, place: str = "out", **spec: Any) -> Target:
        return self.target(
            "Export",
            "copy",
            inputs={"source.dataset": dataset},
            source={"dataset": str(dataset.address)},
            to={"path": place},
            **spec,
        )


def resolved(target: Target, operation: Operation) -> Resolved:
    """What others are told of something that was made."""
    succeeded(operation)
    return Resolved(
        Address(target.address.kind, target.address.name),
        external_id=operation.external_id,
        revision=target.revision,
        digest=str(operation.outputs.get("digest", "")),
        outputs=operation.outputs,
        spec=target.spec,
    )


def succeeded(operation: Operation) -> Operation:
    assert operation.status is OperationStatus.SUCCEEDED, operation.message
    return operation
