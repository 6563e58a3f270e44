"""The training child: `python -P -m loopwright.tuning SETTINGS.json`."""

from __future__ import annotations

import sys
from pathlib import Path

from loopwright.tuning.settings import RunSettings
from loopwright.tuning.training.child import main

if __name__ == "__main__":
    sys.exit(main(RunSettings.read(Path(sys.argv[1]))))
