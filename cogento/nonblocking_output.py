"""Standard output and error that never block.

When nobody reads a pipe it fills up, and the next write blocks the process: with an event loop, that holds up all requests.
Here a line that does not fit is buffered, up to a limit, and written with a later one. Beyond the limit new lines are
dropped, and their number is logged. Whatever fits is written at once, so a killed process loses no line that fitted.
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

MAX_BUFFERED_BYTES = 256 * 1024
"""More than a thousand lines: the reader of the log may be restarted meanwhile."""


class NonBlockingStream(io.TextIOBase):
    """A text stream into `fd`, safe for threads and signal handlers."""

    def __init__(self, fd: int) -> None:
        self._fd = _own_descriptor(fd)
        self._buffer: deque[bytes] = deque()
        self._buffered_bytes = 0
        self._dropped = 0
        self._is_draining = False
        self._writing = threading.RLock()
        os.register_at_fork(after_in_child=self._clear)

    def fileno(self) -> int:
        """Return the descriptor written to; non-blocking where the system allows that."""
        return self._fd

    def writable(self) -> bool:
        """Always true."""
        return True

    def write(self, text: str, /) -> int:
        """Write, buffer or drop a text; never blocks and never raises."""
        with self._writing:
            self._append(text.encode(errors="backslashreplace"))
            self._drain()
        return len(text)

    def flush(self) -> None:
        """Write as much of the buffer as fits."""
        with self._writing:
            self._drain()

    def _append(self, text: bytes) -> None:
        if self._buffered_bytes + len(text) > MAX_BUFFERED_BYTES:
            self._dropped += 1
        else:
            self._buffer.append(text)
            self._buffered_bytes += len(text)

    def _drain(self) -> None:
        """Write the buffer; a line that a signal handler logs meanwhile is written by this loop, too."""
        if self._is_draining:
            return
        self._is_draining = True
        try:
            while self._buffer and self._write_first():
                if not self._buffer and self._dropped:
                    dropped, self._dropped = self._dropped, 0
                    fields = {"event": "log_lines_dropped", "count": dropped, "level": "warning"}
                    now = datetime.now(UTC).isoformat()
                    self._append(f"{json.dumps(fields | {'timestamp': now})}\n".encode())
        finally:
            self._is_draining = False

    def _write_first(self) -> bool:
        """Write the oldest text, or part of it; False when the pipe is full."""
        text = self._buffer[0]
        try:
            written = os.write(self._fd, text)
        except BlockingIOError:
            return False
        except OSError:  # the reader has closed the pipe
            written = len(text)
        self._buffered_bytes -= written
        if written < len(text):
            self._buffer[0] = text[written:]
        else:
            self._buffer.popleft()
        return True

    def _clear(self) -> None:
        """Empty the buffer in a forked child: the parent writes it."""
        self._buffer.clear()
        self._buffered_bytes = self._dropped = 0
        self._is_draining = False
        self._writing = threading.RLock()


def make_output_nonblocking() -> None:
    """Replace standard output and error by non-blocking streams."""
    sys.stdout = sys.__stdout__ = NonBlockingStream(1)  # type: ignore[assignment, misc] # all that is used of them
    sys.stderr = sys.__stderr__ = NonBlockingStream(2)  # type: ignore[assignment, misc]


def _own_descriptor(fd: int) -> int:
    """Open a pipe again: O_NONBLOCK belongs to the open file, which other processes may share.

    A file does not block. A terminal may block, as people expect. A socket cannot be opened again.
    """
    if stat.S_ISFIFO(os.fstat(fd).st_mode):
        with suppress(OSError):
            return os.open(f"/proc/self/fd/{fd}", os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    return fd
