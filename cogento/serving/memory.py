"""Memory of a serving process: what a flood of requests took is returned to the system."""

from __future__ import annotations

import ctypes
import gc
import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

LARGE_BYTES = 131_072
"""Blocks of this size and more are returned to the system when freed. A put needs smaller ones: returning them would cost more than keeping them."""
GROWTH = 1.05
"""A process that uses more than so many times the least it ever used returns memory …"""
PAUSE_SECONDS = 5
"""… at most this often, because it may really need it."""

_M_MMAP_THRESHOLD = -3  # mallopt(3)
_STATM = Path("/proc/self/statm")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


class MemoryTrimmer:
    """Returns memory that a flood of requests took to the system, so that the next flood starts from the same level.

    Three things keep such memory: glibc raises the size from which it returns a block at once to the largest that was ever
    freed; smaller blocks stay in the middle of its heap; and connections that were cut are reference cycles, which Python
    collects late.

    Call `trim_if_grown` about every second, for the first time when the process has started.
    """

    def __init__(self) -> None:
        libc = ctypes.CDLL(None)
        if hasattr(libc, "mallopt"):  # other C libraries return large blocks anyway
            libc.mallopt(_M_MMAP_THRESHOLD, LARGE_BYTES)
        self._trim: Callable[[int], int] = getattr(libc, "malloc_trim", lambda _keep: 0)
        self._least_bytes: int | None = None
        self._rests_until = 0.0

    def trim_if_grown(self, now: float) -> None:
        """Return free memory if the process has grown; that takes some milliseconds."""
        if self._least_bytes is None:
            gc.freeze()  # objects of now stay, and need not be searched again
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
