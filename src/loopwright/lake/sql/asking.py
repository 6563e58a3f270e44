"""Asking a lake in SQL: starts the child, hands it the query, ends it in any case.

The time limit, Ctrl-C and an early end all come down to SIGKILL; a child holds nothing that could
be lost. What comes back is an `Answer`.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from loopwright.lake.partitions import CALLS, FEEDBACK
from loopwright.lake.sql.answer import Answer
from loopwright.lake.sql.request import Limits, Relation, Request, Value
from loopwright.lake.store import Lake

_DEFAULT = Limits()


@dataclass(frozen=True, slots=True)
class View:
    """A name in the query, and the table of a lake that it stands for."""

    name: str
    lake: Lake
    table: str = CALLS
    through: int | None = None
    """Up to which ingest sequence; None: the watermark."""

    @property
    def relation(self) -> Relation:
        return Relation(
            view=self.name,
            table=self.table,
            root=str(self.lake.root.absolute()),
            role=self.lake.keys.role.value,
            master=self.lake.keys.master.secret.hex(),
            through=self.through,
        )


def views_of(lake: Lake, *, through: int | None = None) -> tuple[View, ...]:
    """The views of a lake, `calls` and `feedback`, both up to the same ingest sequence."""
    cut = lake.snapshot().cut if through is None else through
    return tuple(View(name, lake, name, cut) for name in (CALLS, FEEDBACK))


@contextmanager
def ask(
    query: str,
    views: Sequence[View],
    *,
    parameters: Mapping[str, Value] | None = None,
    limits: Limits = _DEFAULT,
    most_rows: int | None = None,
    only: Sequence[str] | None = None,
    counted: bool = False,
) -> Iterator[Answer]:
    """Run one SELECT; its answer is good inside the block, and the child is gone after it.

    With `most_rows` the answer ends after so many, and tells whether there were more; with `only`
    it has these columns of the result; `counted`, it is the number of `rows` alone.

    Raises SqlError when the query cannot run or takes more than `limits`, LakeKeyError when it
    needs text that the lake's role may not open, LakeIntegrityError over a damaged file.
    """
    request = Request(
        query=query,
        relations=tuple(view.relation for view in views),
        limits=limits,
        parameters=parameters or {},
        most_rows=most_rows,
        only=None if only is None else tuple(only),
        counted=counted,
    )
    with _child() as child:
        yield Answer(child, request, audits={view.name: view.lake.audit for view in views})


@contextmanager
def _child() -> Iterator[subprocess.Popen[bytes]]:
    """A child with an empty environment and a session of its own, so that it sees no Ctrl-C."""
    child = subprocess.Popen(
        [sys.executable, "-P", "-m", "loopwright.lake.sql.child"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=child_environment(os.environ),
        cwd="/",
        start_new_session=True,
    )
    try:
        yield child
    finally:
        child.kill()
        child.wait()
        for pipe in (child.stdin, child.stdout):
            assert pipe is not None
            with suppress(BrokenPipeError):
                pipe.close()


def child_environment(ours: Mapping[str, str]) -> dict[str, str]:
    """Nothing of ours but where Python finds modules; Arrow without arenas of its own, which
    would count as memory in use."""
    kept = {name: ours[name] for name in ("PYTHONPATH",) if name in ours}
    return {**kept, "ARROW_DEFAULT_MEMORY_POOL": "system"}
