"""Memory of a process that serves: what a flood of requests took goes back to the system."""

from __future__ import annotations

import ctypes
import gc
import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

LARGE_BYTES = 131_072
"""Blocks of this size and more are returned when they are freed; what a put takes is smaller, for to return it costs
more than to keep it."""
GROWTH = 1.05
"""A process that has more than so many times the least it ever had gives memory back …"""
PAUSE_SECONDS = 5
"""… at most this often, for what it has may be what it needs."""

_M_MMAP_THRESHOLD = -3  # mallopt(3)
_STATM = Path("/proc/self/statm")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


class MemoryTrimmer:
    """Gives memory that a flood of requests took back to the system, so that the next flood begins where the last did.

    Three things keep it: glibc raises the size from which it returns a block at once to the largest that was ever
    freed; what is smaller stays in the middle of its heap; and connections that were cut are cycles, which Python
    collects late.

    For this process; call `trim_if_grown` about every second, the first time when it has started.
    """

    def __init__(self) -> None:
        libc = ctypes.CDLL(None)
        if hasattr(libc, "mallopt"):  # other libraries return what is large anyway
            libc.mallopt(_M_MMAP_THRESHOLD, LARGE_BYTES)
        self._trim: Callable[[int], int] = getattr(libc, "malloc_trim", lambda _keep: 0)
        self._least_bytes: int | None = None
        self._rests_until = 0.0

    def trim_if_grown(self, now: float) -> None:
        """Give back what is free if the process has grown; takes some milliseconds then."""
        if self._least_bytes is None:
            gc.freeze()  # what is here stays, and need not be looked at again
            self._least_bytes = resident_bytes()
        elif now >= self._rests_until and resident_bytes() > GROWTH * self._least_bytes:
            gc.collect()
            self._trim(0)
            self._least_bytes = min(self._least_bytes, resident_bytes())
            self._rests_until = now + PAUSE_SECONDS


def resident_bytes() -> int:
    """Return how much memory this process has; 0 where the system has no /proc."""
    try:
        return int(_STATM.read_text().split()[1]) * _PAGE_BYTES
    except FileNotFoundError:
        return 0
