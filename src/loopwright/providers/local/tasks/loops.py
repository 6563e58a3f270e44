"""Tasks that ask many things at once: an event loop that ends when the job is to stop."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


def run_until_stopped(main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end. A request to stop cancels it, and is then raised as it would
    have been outside of a loop: raised within, it would be lost in whatever task was running."""
    before = signal.getsignal(signal.SIGTERM)
    asked: list[bool] = []

    async def within() -> T:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()

        def stop() -> None:
            asked.append(True)
            if task is not None:
                task.cancel()

        if threading.current_thread() is threading.main_thread():
            loop.add_signal_handler(signal.SIGTERM, stop)
        return await main

    try:
        return asyncio.run(within())
    except asyncio.CancelledError:
        if asked and callable(before):
            before(signal.SIGTERM, None)
        raise
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, before)
