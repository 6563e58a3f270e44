"""What a run has got so far, kept until it ends well: checkpoints, answers that were paid for.

It lies by what decides the run's result, not by attempt, so that a run which is started again,
after a kill or after a failure, goes on where it was.
"""

from __future__ import annotations

import shutil
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from loopwright.disk import Disk
from loopwright.hashing import sha256_hex

_KEPT_SECONDS = 30 * 86_400


@dataclass(frozen=True, slots=True)
class Unfinished:
    """The unfinished runs of one provider and environment."""

    root: Path

    def folder(self, owner: str, fingerprint: str) -> Path:
        """The folder of a run; made when there is none.

        What the same resource left of other runs goes: nobody wants their results any more. So
        does what nobody has gone on with for a month.
        """
        mine = self._of(owner) / sha256_hex(fingerprint.encode())[:16]
        Disk().make_folders(mine)
        mine.touch()
        for other in self.root.glob("*/*"):
            if other != mine and (other.parent == mine.parent or _is_old(other)):
                shutil.rmtree(other, ignore_errors=True)
        return mine

    def clear(self, owner: str) -> None:
        """Forget what a resource has left."""
        shutil.rmtree(self._of(owner), ignore_errors=True)

    def _of(self, owner: str) -> Path:
        return self.root / sha256_hex(owner.encode())[:16]


def _is_old(folder: Path) -> bool:
    with suppress(OSError):
        return time.time() - folder.stat().st_mtime > _KEPT_SECONDS
    return False
