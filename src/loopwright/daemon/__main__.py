"""Where a daemon's process starts: `python -m loopwright.daemon STATE_DIR [--detach]`.

Takes the lock before anything is loaded, so that of two starts the second ends at once.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from loopwright.daemon.declared import DaemonFolder
from loopwright.daemon.presence import Presence


def main(arguments: list[str]) -> int:
    """Serve until SIGTERM. Ends at once, and well, when another daemon lives."""
    folder = DaemonFolder(Path(arguments[1]).absolute())
    detached = "--detach" in arguments
    if Presence(folder.path).hold() is None:
        return 0
    if detached and os.fork():
        os._exit(0)  # the one who started us waits for this: the lock is held
    from loopwright.daemon.running import serve

    return serve(folder, detached=detached)


if __name__ == "__main__":
    sys.exit(main(sys.argv))
