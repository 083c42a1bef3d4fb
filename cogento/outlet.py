"""Standard output and error that never make anybody wait for whoever reads them.

A pipe that nobody reads fills up, and the next write stops the process: with an event loop all requests at once.
Here a line that does not fit is kept, up to a bound, and written with a later one; beyond the bound new
lines are dropped, and counted in the log. What is written is written at once: a process that is
killed has said all it had to say.
"""

from __future__ import annotations

import io
import json
import os
import stat
import sys
import threading
from collections import deque
from contextlib import suppress
from datetime import UTC, datetime

MOST_BYTES_KEPT = 256 * 1024
"""More than a thousand lines: whoever reads the log may be restarted meanwhile."""


class Outlet(io.TextIOBase):
    """A text stream into `fd`; for any number of threads and for signal handlers."""

    def __init__(self, fd: int) -> None:
        self._fd = _own_descriptor(fd)
        self._kept: deque[bytes] = deque()
        self._kept_bytes = 0
        self._dropped = 0
        self._is_pouring = False
        self._writing = threading.RLock()
        os.register_at_fork(after_in_child=self._forget)

    def fileno(self) -> int:
        """The descriptor written to; it does not block where the system lets us have such a one."""
        return self._fd

    def writable(self) -> bool:
        """It is."""
        return True

    def write(self, text: str, /) -> int:
        """Write, keep or drop a text; never waits and never raises."""
        with self._writing:
            self._keep(text.encode(errors="backslashreplace"))
            self._pour()
        return len(text)

    def flush(self) -> None:
        """Write what is kept, as far as it goes."""
        with self._writing:
            self._pour()

    def _keep(self, text: bytes) -> None:
        if self._kept_bytes + len(text) > MOST_BYTES_KEPT:
            self._dropped += 1
        else:
            self._kept.append(text)
            self._kept_bytes += len(text)

    def _pour(self) -> None:
        """Write what is kept; a signal handler that speaks meanwhile leaves its line to this loop."""
        if self._is_pouring:
            return
        self._is_pouring = True
        try:
            while self._kept and self._write_first():
                if not self._kept and self._dropped:
                    dropped, self._dropped = self._dropped, 0
                    self._keep(_told(dropped))
        finally:
            self._is_pouring = False

    def _write_first(self) -> bool:
        """Write the oldest text, or some of it; False when nothing goes in."""
        text = self._kept[0]
        try:
            written = os.write(self._fd, text)
        except BlockingIOError:
            return False
        except OSError:  # the reader has gone for good
            written = len(text)
        self._kept_bytes -= written
        if written < len(text):
            self._kept[0] = text[written:]
        else:
            self._kept.popleft()
        return True

    def _forget(self) -> None:
        """Leave to the parent what it had kept."""
        self._kept.clear()
        self._kept_bytes = self._dropped = 0
        self._is_pouring = False
        self._writing = threading.RLock()


def never_block() -> None:
    """Let standard output and error, and what already refers to them by name, be outlets."""
    sys.stdout = sys.__stdout__ = Outlet(1)  # type: ignore[assignment, misc] # all that anybody asks of them
    sys.stderr = sys.__stderr__ = Outlet(2)  # type: ignore[assignment, misc]


def _own_descriptor(fd: int) -> int:
    """Open a pipe again, for us alone: not to block is a property that all who share a descriptor have.

    A file does not block. A terminal may, as people expect of it. A socket cannot be opened again.
    """
    if stat.S_ISFIFO(os.fstat(fd).st_mode):
        with suppress(OSError):
            return os.open(f"/proc/self/fd/{fd}", os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    return fd


def _told(dropped: int) -> bytes:
    fields = {"event": "log_lines_dropped", "count": dropped, "level": "warning"}
    return f"{json.dumps(fields | {'timestamp': datetime.now(UTC).isoformat()})}\n".encode()
