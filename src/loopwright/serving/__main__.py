"""A runtime's process: `python -P -m loopwright.serving SETTINGS.json`."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path

from loopwright.children import PARENT
from loopwright.errors import LoopwrightError, ServingError
from loopwright.serving.announcing import announce_failure
from loopwright.serving.extra import check_extra
from loopwright.serving.settings import TOKEN, RuntimeSettings

_log = logging.getLogger("loopwright.serving")


def main(path: Path) -> int:
    """Serve until SIGTERM or the parent's end; the exit code."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    settings = RuntimeSettings.read(path)
    token = os.environ.pop(TOKEN, "")
    parent = os.environ.pop(PARENT, "")
    try:
        if not token:
            raise ServingError(f"a runtime needs its token in {TOKEN}")
        check_extra()
        from loopwright.serving.embedded.process import serve

        serve(settings, token=token, parent=int(parent) if parent else None)
    except LoopwrightError as error:
        announce_failure(settings.announce, error)
        _log.error("cannot serve: %s", error.message)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
