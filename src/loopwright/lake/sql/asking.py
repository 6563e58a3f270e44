"""Asking a lake in SQL: starts the child, hands it the query, gives its rows, ends it in any case.

The time limit, Ctrl-C and an early end all come down to SIGKILL; a child holds nothing that could
be lost. Openings of text are recorded here, before the child may read any.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from loopwright.errors import (
    LakeError,
    LakeIntegrityError,
    LakeKeyError,
    SqlError,
    SqlLimitError,
)
from loopwright.lake.partitions import CALLS, FEEDBACK
from loopwright.lake.sql.frames import ROWS, Receiver, TimeUpError
from loopwright.lake.sql.request import Limits, Relation, Request, Value
from loopwright.lake.sql.running import out_of_memory, too_deep
from loopwright.lake.store import Lake

_DEFAULT = Limits()
_ERRORS: Mapping[str, type[LakeError]] = {
    kind.__name__: kind for kind in (LakeError, LakeKeyError, LakeIntegrityError, SqlLimitError)
}


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
    """The views of a lake: `calls` and `feedback`."""
    return tuple(View(name, lake, name, through) for name in (CALLS, FEEDBACK))


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
        answer = Answer(child, request, {view.name: view.lake for view in views})
        answer.begin()
        yield answer


@dataclass
class Answer:
    """Rows on their way from a child."""

    _child: subprocess.Popen[bytes]
    _request: Request
    _lakes: Mapping[str, Lake]
    schema: pa.Schema = field(init=False)
    cpu_seconds: float | None = None
    """What the query has used, the child's start left out; known at the end."""
    rows: int = 0
    """So many have come."""
    is_cut: bool = False
    """Whether there are more rows than were wanted; known at the end."""
    _receiver: Receiver = field(init=False)

    def begin(self) -> None:
        """Hand the query over, and wait until its columns are known."""
        seconds = self._request.limits.seconds
        deadline = None if seconds is None else time.monotonic() + seconds
        assert self._child.stdout is not None
        self._receiver = Receiver(self._child.stdout.fileno(), deadline=deadline)
        self._tell(self._request.to_line())
        first = self._next()
        self.schema = first.schema if first is not None else pa.schema([])

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The rows, once; raises as `ask`."""
        most = self._request.most_rows
        while (found := self._next()) is not None:
            for batch in found.to_batches():
                kept = batch if most is None else batch.slice(0, most - self.rows)
                self.is_cut |= kept.num_rows < batch.num_rows
                self.rows += kept.num_rows
                yield kept

    def _next(self) -> pa.Table | None:
        """The next rows; notes that come before them are acted upon."""
        while True:
            try:
                frame = self._receiver.receive()
            except TimeUpError:
                raise self._too_long() from None
            if frame is None:
                raise self._died()
            if frame.kind == ROWS:
                return frame.rows
            if self._noted(frame.note):
                return None

    def _noted(self, note: dict[str, Any]) -> bool:
        """Act upon a note; whether it is the last one. Raises what it tells of."""
        if "opening" in note:
            self._record(**note["opening"])
        elif "opened" in note:
            audit = self._lakes[note["view"]].audit
            audit.end(note["opened"], rows=note["rows"])
        elif "failed" in note:
            raise _failure(note)
        elif "done" in note:
            self.cpu_seconds = note["cpu_seconds"]
            return True
        return False

    def _record(self, *, view: str, purpose: str, query: Mapping[str, Any]) -> None:
        """Put the opening on record; only then may the child read.

        Of one whose child is killed it is never said how many rows it handed out.
        """
        told = {"sql": self._request.query, "view": view, **query}
        opening = self._lakes[view].audit.begin(purpose=purpose, query=told)
        self._tell(opening.encode() + b"\n")

    def _tell(self, line: bytes) -> None:
        assert self._child.stdin is not None
        with suppress(BrokenPipeError):  # it died: how is told when its frames end
            self._child.stdin.write(line)
            self._child.stdin.flush()

    def _too_long(self) -> SqlLimitError:
        return SqlLimitError(
            f"the query was ended: it took longer than {self._request.limits.seconds:g} s",
            hint="narrow it (a range of `dt` reads less), or give it more time with --timeout",
        )

    def _died(self) -> SqlError:
        """Why the child ended without a last word."""
        code = self._child.wait()
        if code == -signal.SIGXCPU:
            return self._too_long()
        if code in (-signal.SIGKILL, -signal.SIGABRT):
            return out_of_memory(self._request.limits)
        if code == -signal.SIGSEGV:
            return too_deep()
        return SqlError(
            f"the query's process ended by itself with {code}",
            hint="`loopwright doctor` checks the installation",
        )


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


def _failure(note: Mapping[str, Any]) -> LakeError:
    return _ERRORS.get(note["failed"], SqlError)(note["message"], hint=note["hint"])
