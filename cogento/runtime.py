"""What a process needs of Python itself: one event loop for synchronous callers, and a tuned garbage collector.

`run` is the only crossing from synchronous code to asynchronous code. The loop runs in a daemon thread that starts
with the first call, so a fork before that is harmless.
"""

from __future__ import annotations

import asyncio
import gc
import threading
from typing import TYPE_CHECKING, TypeVar

import uvloop

from cogento.startup import collect_rarely

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    ErrorHandler = Callable[[asyncio.AbstractEventLoop, dict[str, object]], object]

T = TypeVar("T")

_starting = threading.Lock()
_loop: asyncio.AbstractEventLoop | None = None
_error_handler: ErrorHandler | None = None


def on_error(handler: ErrorHandler) -> None:
    """Pass errors that nobody awaits to `handler`, as asyncio's `set_exception_handler` does.

    Call it before the first `run`.
    """
    global _error_handler  # noqa: PLW0603 - as the loop that it is for
    _error_handler = handler


def run(work: Coroutine[object, object, T], *, timeout_seconds: float | None = None) -> T:
    """Run a coroutine on this process's loop and wait for its result from a thread outside it.

    Raises whatever the coroutine raises. An interrupt of this thread cancels the coroutine, and so does the TimeoutError after
    `timeout_seconds`.
    """
    future = asyncio.run_coroutine_threadsafe(work, _running_loop())
    try:
        return future.result(timeout_seconds)
    finally:
        future.cancel()  # no effect on a coroutine that is done


def _running_loop() -> asyncio.AbstractEventLoop:
    global _loop  # noqa: PLW0603 - one loop a process is the point of this module
    with _starting:
        if _loop is None:
            _loop = uvloop.new_event_loop()
            _loop.set_exception_handler(_error_handler)
            threading.Thread(target=_loop.run_forever, name="event-loop", daemon=True).start()
        return _loop


def freeze_startup_objects() -> None:
    """Exclude all objects made so far from garbage collection; call it once, when a process has started.

    By default Python collects every few hundred new containers, and visits the objects made at the start each time.
    Processing an event makes no reference cycles, so rare collections suffice.
    """
    gc.collect()
    gc.freeze()
    collect_rarely()
