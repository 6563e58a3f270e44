"""What is settled stays settled: through kills, torn ends, and another attempt."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from loopwright.inference.journal import Journal

RECORDS = st.dictionaries(st.text(max_size=4), st.text() | st.lists(st.integers(0, 9)), max_size=8)
WRITER = """
import sys
from pathlib import Path
from loopwright.inference.journal import Journal
journal = Journal(Path(sys.argv[1]))
for number in range(10**9):
    journal.add(str(number), {"text": "word " * 50})
    print(number, flush=True)
"""


@given(records=RECORDS, more=RECORDS, data=st.data())
def test_a_journal_cut_anywhere_holds_what_lies_before_the_cut(
    tmp_path: Path, records: dict[str, object], more: dict[str, object], data: st.DataObject
) -> None:
    path = tmp_path / "journal.jsonl"
    path.unlink(missing_ok=True)
    ends = [0]
    with Journal(path) as journal:
        for key, record in records.items():
            journal.add(key, record)
            ends.append(path.stat().st_size)
    cut = data.draw(st.integers(0, ends[-1]))
    os.truncate(path, cut)
    whole = sum(end - 1 <= cut for end in ends[1:])  # the end of a line says nothing more
    with Journal(path) as journal:
        kept = dict(list(records.items())[:whole])
        assert dict(journal.known()) == kept
        for key, record in more.items():
            journal.add(key, record)
        assert dict(journal.known()) == kept | more
    with Journal(path) as journal:
        assert dict(journal.known()) == kept | more


def test_a_killed_process_loses_nothing_that_it_settled(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        told = [int(child.stdout.readline()) for _ in range(100)]
        child.send_signal(signal.SIGKILL)
        told += [int(line) for line in child.stdout.read().split()]
    with Journal(path) as journal:
        assert set(map(str, told)) <= journal.known().keys()
        assert journal.known()["99"] == {"text": "word " * 50}
    assert path.stat().st_mode & 0o077 == 0
