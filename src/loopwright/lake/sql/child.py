"""The child of one query: `python -P -m loopwright.lake.sql.child`, told by a line on stdin.

Answers in frames on stdout: a note before text is opened (and waits for a line back), rows, and
how it ended. Ends at once when its parent is gone. Holds keys, so it writes nothing else anywhere.
"""

from __future__ import annotations

import os
import queue
import resource
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from loopwright.errors import LoopwrightError, SqlError
from loopwright.lake.audit import AuditLog, RowCount
from loopwright.lake.sql.confining import confine
from loopwright.lake.sql.frames import Sender
from loopwright.lake.sql.request import Request
from loopwright.lake.sql.running import out_of_memory, run

_DEEPEST = 10_000  # DuckDB nests up to 1,000 expressions, each some levels of JSON


class _ToldAudit(AuditLog):
    """Has the parent record an opening, and reads no text before it has."""

    _lock = threading.Lock()

    def __init__(self, view: str, *, sender: Sender, answers: queue.Queue[str]) -> None:
        self._view = view
        self._sender = sender
        self._answers = answers

    @contextmanager
    def opening(self, *, purpose: str, query: Mapping[str, Any]) -> Iterator[RowCount]:
        facts = {"view": self._view, "purpose": purpose, "query": dict(query)}
        count = RowCount()
        with self._lock:  # one question at a time, so that the answer is to it
            self._sender.note({"opening": facts})
            opening = self._answers.get()
        try:
            yield count
        finally:
            self._sender.note({"opened": opening, "view": self._view, "rows": count.rows})


def main() -> None:
    """Run the query of the first line; what goes wrong is told in a last note."""
    sender = Sender(sys.stdout.fileno())
    request = Request.from_line(sys.stdin.buffer.readline())
    answers: queue.Queue[str] = queue.Queue()
    threading.Thread(target=_listen, args=(answers,), daemon=True).start()
    audits = {
        relation.view: _ToldAudit(relation.view, sender=sender, answers=answers)
        for relation in request.relations
    }
    sys.setrecursionlimit(_DEEPEST)
    try:
        import duckdb  # noqa: F401 - loaded before its memory counts

        confine(request.limits)
        started = _cpu_seconds()
        for batch in run(request, audits=audits):
            sender.rows(batch)
        sender.note({"done": True, "cpu_seconds": _cpu_seconds() - started})
    except LoopwrightError as error:
        sender.note(_failure(error))
    except MemoryError:
        sender.note(_failure(out_of_memory(request.limits)))
    except Exception as error:
        sender.note(_failure(SqlError(f"the query broke: {type(error).__name__}: {error}")))


def _listen(answers: queue.Queue[str]) -> None:
    """Pass the parent's answers on. When it is gone, nobody wants the result."""
    for line in sys.stdin.buffer:
        answers.put(line.decode().strip())
    os._exit(1)


def _failure(error: LoopwrightError) -> dict[str, Any]:
    return {"failed": type(error).__name__, "message": error.message, "hint": error.hint}


def _cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
    sys.stdout.flush()
    os._exit(0)  # DuckDB's bindings tell of leaks at a clean exit
