"""Which part of a server's files is surely on disk, and a power cut that leaves no more than that.

A thread follows every fsync and fdatasync of the server with ptrace, as a debugger would: it needs no root,
for the server is our child, and no compiler. What was written and not synced is in the kernel's memory
only: SIGKILL spares it, a power cut does not, so it is cut off.
"""

from __future__ import annotations

import ctypes
import os
import platform
import signal
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.servers import wait_until

if TYPE_CHECKING:
    from cogento.local.valkey import Valkey
    from tests.support.servers import RunningServer

SEIZE, INTERRUPT, GO_TO_NEXT_CALL, CALL_INFO = 0x4206, 0x4207, 24, 0x420E
MARK_CALLS, FOLLOW_THREADS = 0x1, 0x8
WAIT_ALL, WAIT_OWN = 0x40000000, 0x20000000  # threads too; those that this thread follows, and not pytest's
CALL_STOP = signal.SIGTRAP | 0x80
BEGINS, ENDS = 1, 2
SYNCS = {"x86_64": {74, 75}, "aarch64": {82, 83}}  # fsync, fdatasync

_libc = ctypes.CDLL(None, use_errno=True)
_libc.ptrace.argtypes = (ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p)
_libc.ptrace.restype = ctypes.c_long


class _Call(ctypes.Structure):
    """The part that we read of Linux's `struct ptrace_syscall_info`."""

    _fields_ = (
        ("op", ctypes.c_uint8),
        ("padding", ctypes.c_uint8 * 3),
        ("arch", ctypes.c_uint32),
        ("instruction", ctypes.c_uint64),
        ("stack", ctypes.c_uint64),
        ("number_or_result", ctypes.c_int64),
        ("first_argument", ctypes.c_uint64),
        ("rest", ctypes.c_uint64 * 5),
    )


class Disk:
    """Follows a running server from now on; `cut_power` ends both.

    `stall` prevents every further sync: a caller that waits for one waits for ever.
    """

    def __init__(self, server: RunningServer[Valkey]) -> None:
        self._server = server
        self._folder = server.description.folder / "appendonlydir"
        self._synced: dict[str, int] = {file.name: file.stat().st_size for file in self._folder.iterdir()}
        self._syncing: dict[int, tuple[str, int]] = {}
        self._is_stalled = False
        self._is_following = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="disk", daemon=True)
        if platform.machine() not in SYNCS:
            pytest.skip(f"does not know the system calls of {platform.machine()}")
        self._thread.start()
        if not self._is_following.wait(5):
            pytest.skip("this machine does not let a process follow its own children (ptrace)")

    def stall(self) -> None:
        self._is_stalled = True

    def has_everything(self) -> bool:
        """Whether all that was written is synced."""
        return all(file.stat().st_size == self._synced.get(file.name) for file in self._growing())

    def cut_power(self, *, torn_bytes: int = 0) -> None:
        """Kill the server and cut its files to what was synced; `torn_bytes` of the rest may have reached the disk."""
        self._server.kill()
        wait_until(lambda: not self._thread.is_alive(), what="the last call of the server")
        for file in self._growing():
            kept = self._synced.get(file.name, 0) + torn_bytes
            os.truncate(file, min(kept, file.stat().st_size))

    def _growing(self) -> list[Path]:
        return list(self._folder.glob("*.incr.aof"))

    def _follow(self) -> None:
        try:
            for thread in Path(f"/proc/{self._server.pid}/task").iterdir():
                _ask(SEIZE, int(thread.name), MARK_CALLS | FOLLOW_THREADS)
                _ask(INTERRUPT, int(thread.name))
        except OSError:
            return
        self._is_following.set()
        while True:
            try:
                pid, status = os.waitpid(-1, WAIT_ALL | WAIT_OWN)
            except ChildProcessError:
                return
            if os.WIFSTOPPED(status):
                self._let_go_on(pid, status)

    def _let_go_on(self, pid: int, status: int) -> None:
        signal_ = os.WSTOPSIG(status)
        if signal_ == CALL_STOP:
            self._look_at_call(pid)
            if self._is_stalled and pid in self._syncing:
                return  # it stops before its sync until it is killed
        is_ours = signal_ == CALL_STOP or status >> 16
        _libc.ptrace(GO_TO_NEXT_CALL, pid, None, 0 if is_ours else signal_)

    def _look_at_call(self, pid: int) -> None:
        call = _Call()
        _libc.ptrace(CALL_INFO, pid, ctypes.sizeof(call), ctypes.addressof(call))
        if call.op == BEGINS and call.number_or_result in SYNCS[platform.machine()]:
            file = Path(f"/proc/{pid}/fd/{call.first_argument}")
            self._syncing[pid] = (file.readlink().name, file.stat().st_size)
        elif call.op == ENDS and pid in self._syncing:
            name, size = self._syncing.pop(pid)
            if call.number_or_result == 0:
                self._synced[name] = max(size, self._synced.get(name, 0))


def _ask(request: int, pid: int, data: int = 0) -> None:
    if _libc.ptrace(request, pid, None, data) == -1:
        raise OSError(ctypes.get_errno(), "ptrace")
