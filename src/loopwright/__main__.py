"""Where the process starts. Says its version without loading anything else.

A command that ends in seconds needs no garbage collector: it costs a third of a plan of a
thousand resources. What may run for hours (`apply`, `watch`) turns it on again.
"""

from __future__ import annotations

import gc
import sys


def main() -> None:
    """Run the command line; ends the process."""
    if sys.argv[1:] == ["--version"]:
        from loopwright import __version__

        sys.stdout.write(f"loopwright {__version__}\n")
        return
    gc.disable()
    from loopwright.cli import run

    sys.exit(run())


if __name__ == "__main__":
    main()
