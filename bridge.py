"""The one crossing from synchronous code above to asynchronous code below.

Each process that needs it owns one event loop in a daemon thread, started on first use, so that a
fork before the first call is harmless. Knows nothing of what runs on the loop.
"""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Coroutine

T = TypeVar("T")

_starting = threading.Lock()
_loop: asyncio.AbstractEventLoop | None = None


def run(work: Coroutine[object, object, T], *, timeout_seconds: float | None = None) -> T:
    """Run a coroutine on this process's loop and wait for its result from a thread outside it.

    Raises whatever the coroutine raises, and TimeoutError (after cancelling it) when it takes longer
    than `timeout_seconds`.
    """
    future = asyncio.run_coroutine_threadsafe(work, _running_loop())
    try:
        return future.result(timeout_seconds)
    except TimeoutError:
        future.cancel()
        raise


def _running_loop() -> asyncio.AbstractEventLoop:
    global _loop  # noqa: PLW0603 - one loop a process is the point of this module
    with _starting:
        if _loop is None:
            _loop = asyncio.new_event_loop()
            threading.Thread(target=_loop.run_forever, name="event-loop", daemon=True).start()
        return _loop
