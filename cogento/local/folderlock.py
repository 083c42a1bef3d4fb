"""A lock on a folder that lasts exactly as long as the processes that inherited it.

The kernel drops a `flock` when its last holder is gone, also by kill -9 and also while that holder is
an unreaped zombie; a file with a process id in it can say neither.
"""

from __future__ import annotations

import fcntl
import os
import time
from typing import TYPE_CHECKING

from cogento.local import private
from cogento.local.errors import InUseError

if TYPE_CHECKING:
    from pathlib import Path

LOOK_AGAIN_SECONDS = 0.05


def hold(path: Path, *, what: str, wait_seconds: float = 0) -> int:
    """Lock `path` and return the descriptor that holds the lock; InUseError names `what` is in use."""
    descriptor = private.open_lock(path)
    deadline = time.monotonic() + wait_seconds
    while not _locked(descriptor):
        if time.monotonic() >= deadline:
            os.close(descriptor)
            raise InUseError(f"{what} is already in use by another process")
        time.sleep(LOOK_AGAIN_SECONDS)
    return descriptor


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
