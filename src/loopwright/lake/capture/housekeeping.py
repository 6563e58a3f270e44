"""What a lake that is being filled needs now and then: small files merged, retention kept.

Neither is urgent, so what goes wrong here is told and tried again, and holds up no call.
"""

from __future__ import annotations

import logging
from collections import Counter
from datetime import datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc

from loopwright.clock import Clock
from loopwright.errors import LakeError
from loopwright.lake.batch import Batch
from loopwright.lake.compaction import compact
from loopwright.lake.erasing.clearing import clear
from loopwright.lake.erasing.retention import enforce
from loopwright.lake.store import Lake

_log = logging.getLogger(__name__)
_MANY_FILES = 16
_MERGED_BYTES = 64 << 20  # a file of half of this is left alone, so none is rewritten for ever
_LOOK_EVERY = timedelta(seconds=30)
_RETAIN_EVERY = timedelta(hours=1)


class Housekeeping:
    """Looks after one lake, between two steps of its recorder."""

    def __init__(self, lake: Lake, *, clock: Clock) -> None:
        self._lake = lake
        self._clock = clock
        self._days: set[str] = set()
        self._looked = clock.now()
        self._retained: datetime | None = None

    def note(self, batch: Batch) -> None:
        """These calls came; their days may have got many files."""
        days = pc.unique(batch.metadata["ts"].cast(pa.date32()))
        self._days.update(day.isoformat() for day in days.to_pylist())

    def look_after(self) -> None:
        """Merge and let go what is due."""
        now = self._clock.now()
        try:
            if self._days and now - self._looked >= _LOOK_EVERY:
                self._looked = now
                self._merge()
            if self._retained is None or now - self._retained >= _RETAIN_EVERY:
                self._retained = now
                self._let_go(now)
        except LakeError as error:
            _log.warning("a lake could not be tidied", extra={"why": error.message})

    def _merge(self) -> None:
        files = Counter(
            file.partition
            for file in self._lake.manifest.head().files
            if file.dt in self._days and file.bytes < _MERGED_BYTES // 2
        )
        if max(files.values(), default=0) >= _MANY_FILES:
            compact(self._lake, dts=sorted(self._days), target_bytes=_MERGED_BYTES)
        self._days.clear()

    def _let_go(self, now: datetime) -> None:
        """Also of what processes that died left behind, at the beginning above all."""
        kept = self._lake.retention
        if kept.text is not None or kept.metadata is not None:
            enforce(self._lake, text=kept.text, metadata=kept.metadata, now=now)
        else:
            with self._lake.writing() as head:
                clear(self._lake, head)
