"""The garbage collector of a process that takes many calls and leaves few cycles behind.

Called once by whoever owns the process, when all that it needs is loaded.
"""

from __future__ import annotations

import gc

_COLLECT_AFTER = (20_000, 20, 20)


def spare_collecting() -> None:
    """Look for cyclic garbage less often, and not in what was loaded before."""
    gc.freeze()
    gc.set_threshold(*_COLLECT_AFTER)
