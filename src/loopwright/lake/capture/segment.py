"""One open segment: frames handed to the kernel one by one, whole or not at all.

Nothing here waits for a disk but `finish`, which the committing thread calls.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress

from loopwright.lake.capture.frames import Kind, Sealer
from loopwright.lake.capture.spool import FINISHED, OPEN, SpoolDisk, segment_path


class Segment:
    """A segment that is being written. Raises OSError where the disk refuses."""

    def __init__(self, folder: str, number: int, sealer: Sealer, *, disk: SpoolDisk) -> None:
        self.number = number
        self.path = segment_path(folder, number)
        self.calls = 0
        """Records in it."""
        self.born = time.monotonic()
        self.size = 0
        self._finished_path = self.path.removesuffix(OPEN) + FINISHED
        self._sealer = sealer
        self._disk = disk
        self._torn = self._ended = False
        self.descriptor = disk.create(self.path)
        try:
            self._append(sealer.header)
        except OSError:
            os.close(self.descriptor)
            with suppress(OSError):
                os.unlink(self.path)
            raise

    @property
    def is_gone(self) -> bool:
        """Whether the recorder has put it into the lake."""
        return not (os.path.exists(self.path) or os.path.exists(self._finished_path))

    def add(self, kind: Kind, content: bytes) -> int:
        """Hand over one frame; what a full disk took of it is taken back. Returns its bytes."""
        frame = self._sealer.frame(kind, content)
        self._append(frame)
        self._sealer.placed()
        self.calls += kind is Kind.RECORD
        return len(frame)

    def finish(self, content: bytes) -> bool:
        """End it, make it durable and give it the name by which the recorder takes it.

        Returns whether it is durable. A full disk may have no room for the end: then the segment
        goes without one. Raises OSError when it cannot be renamed; to be called again then.
        """
        if not self._ended:
            with suppress(OSError):
                self.add(Kind.END, content)
            self._ended = True
        try:
            self._disk.sync(self.descriptor)
            durable = True
        except OSError:
            durable = False
        self._disk.rename(self.path, self._finished_path)
        os.close(self.descriptor)
        return durable

    def _append(self, data: bytes) -> None:
        if self._torn:
            self._mend()
        try:
            written = self._disk.write(self.descriptor, data)
            while written < len(data):
                written += self._disk.write(self.descriptor, data[written:])
        except OSError:
            self._torn = True
            with suppress(OSError):
                self._mend()
            raise
        self.size += len(data)

    def _mend(self) -> None:
        self._disk.truncate(self.descriptor, self.size)
        self._torn = False
