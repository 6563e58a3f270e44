"""The answer of a query: rows as they come from its child, and what else the child says.

Openings of text are recorded here, before the child may read any. How a child ends without a word
is told here too.
"""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

import pyarrow as pa

from loopwright.errors import (
    LakeError,
    LakeIntegrityError,
    LakeKeyError,
    SqlError,
    SqlLimitError,
)
from loopwright.lake.audit import AuditLog
from loopwright.lake.sql.frames import ROWS, Receiver, TimeUpError
from loopwright.lake.sql.request import Request
from loopwright.lake.sql.running import out_of_memory, too_deep

_ERRORS: Mapping[str, type[LakeError]] = {
    kind.__name__: kind for kind in (LakeError, LakeKeyError, LakeIntegrityError, SqlLimitError)
}


class Answer:
    """Rows on their way from a child. `audits` records openings of text, by view."""

    def __init__(
        self,
        child: subprocess.Popen[bytes],
        request: Request,
        *,
        audits: Mapping[str, AuditLog],
    ) -> None:
        """Hand the query over, and wait until its columns are known; raises as `ask`."""
        assert child.stdout is not None
        seconds = request.limits.seconds
        deadline = None if seconds is None else time.monotonic() + seconds
        self._child = child
        self._request = request
        self._audits = audits
        self._receiver = Receiver(child.stdout.fileno(), deadline=deadline)
        self.rows = 0
        """So many have come."""
        self.is_cut = False
        """Whether there are more rows than were wanted; known at the end."""
        self.opened_text = False
        """Whether text was opened for it; known at the end."""
        self.cpu_seconds: float | None = None
        """What the query has used, the child's start left out; known at the end."""
        self._tell(request.to_line())
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
            self._audits[note["view"]].end(note["opened"], rows=note["rows"])
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
        given = {name: str(value) for name, value in self._request.parameters.items()}
        told = {"sql": self._request.query, "parameters": given, "view": view, **query}
        opening = self._audits[view].begin(purpose=purpose, query=told)
        self.opened_text = True
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


def _failure(note: Mapping[str, Any]) -> LakeError:
    return _ERRORS.get(note["failed"], SqlError)(note["message"], hint=note["hint"])
