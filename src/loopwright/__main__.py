"""Where the process starts. Says its version without loading anything else."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line; ends the process."""
    if sys.argv[1:] == ["--version"]:
        from loopwright import __version__

        sys.stdout.write(f"loopwright {__version__}\n")
        return
    from loopwright.cli import run

    sys.exit(run())


if __name__ == "__main__":
    main()
