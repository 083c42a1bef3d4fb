"""Starts a process of ours as a copy of one that has loaded the libraries, which is most of what a start costs.

It is a process like any other, with an id, an environment, a folder, a log and an exit code of its own; the test's process
is its parent, and may kill, freeze or limit it. tests/support/process_template.py has what it is a copy of, and a test
compares it with one that was started from nothing.
"""

from __future__ import annotations

import ctypes
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, TypeAlias, cast

from cogento.local.process import LAUNCHER, Command, Process

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

Launch: TypeAlias = Callable[[Command], Process]

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = str(Path(__file__).with_name("process_template.py"))
SCRIPTS = tuple(str(Path(sys.executable).with_name(name)) for name in ("cogento", "gunicorn"))
"""Programs that our Python runs and whose command lines do not begin with it."""
READ_BELOW_PYTHON = ("GLIBC_", "LANG", "LC_", "LD_", "MALLOC_", "OPENSSL_", "PYTHON", "TZ")
READ_AT_A_START = ("OTEL_",)
"""By cogento/startup.py: whether there is any."""
PR_SET_CHILD_SUBREAPER = 36
MAX_REPLY_BYTES = 1 << 16
FORK_SECONDS = 60


start_from_nothing: Launch = Process
"""For tests that are about the start itself, or about memory."""


def start_process(command: Command) -> Process:
    """Start a process of ours: as a copy of the template, or from nothing where that could make a difference."""
    template = _current_template()
    if template and template.can_become(command):
        return ForkedProcess(command)
    return start_from_nothing(command)


def end_template() -> None:
    """End the template, if there is one; its copies run on."""
    global _template  # noqa: PLW0603 - there is one for each process of tests
    if _template:
        _template.end()
    _template = None


class ForkedProcess(Process):
    """A copy of the template that runs a command."""

    def _launch(self, log: BinaryIO) -> subprocess.Popen[bytes]:
        template = _current_template()
        assert template, "only Linux can hand a process over to another parent"
        return cast("subprocess.Popen[bytes]", AdoptedProcess(template.fork(self.command, log)))


class AdoptedProcess:
    """A child that another process started for us; it has of Popen what Process uses."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._exit_code: int | None = None
        self._reaping = threading.Lock()

    def poll(self) -> int | None:
        """Return how it ended, or None while it runs; reaps it."""
        with self._reaping:
            if self._exit_code is None:
                ended, status = os.waitpid(self.pid, os.WNOHANG)
                if ended:
                    self._exit_code = os.waitstatus_to_exitcode(status)
            return self._exit_code

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end and return how it ended; raises TimeoutExpired."""
        if self.poll() is None:
            ending = os.pidfd_open(self.pid)
            waiting = select.poll()
            waiting.register(ending, select.POLLIN)
            waiting.poll(None if timeout is None else 1000 * timeout)
            os.close(ending)
        code = self.poll()
        if code is None:
            raise subprocess.TimeoutExpired([str(self.pid)], timeout or 0)
        return code

    def send_signal(self, number: int) -> None:
        """Send a signal, if it still runs."""
        if self.poll() is None:
            os.kill(self.pid, number)


class Template:
    """The process that has loaded the libraries; it ends with us."""

    def __init__(self) -> None:
        self._environment = dict(os.environ)
        self._control, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._control.settimeout(FORK_SECONDS)
        self._asking = threading.Lock()
        how = (str(os.getpid()), str(int(signal.SIGKILL)), "")
        with its:
            self._popen = subprocess.Popen(
                [sys.executable, "-I", "-S", LAUNCHER, *how, sys.executable, PROGRAM, str(its.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=(its.fileno(),),
                start_new_session=True,
            )
        self._read_by_libraries = frozenset(json.loads(self._reply()))

    @property
    def pid(self) -> int:
        return self._popen.pid

    def can_become(self, command: Command) -> bool:
        """Say whether a copy does what this command does: no other program, user, folder, nor variable that mattered before."""
        is_ours = command.argv[0] in SCRIPTS or command.argv[:2] == (sys.executable, "-m")
        is_usual = command.folder == ROOT and not command.user and not command.inherited
        return is_ours and is_usual and not self._mattered(_environment_of(command))

    def fork(self, command: Command, log: BinaryIO) -> int:
        """Return the id of a new process that is a child of ours and runs this command."""
        request = {
            "argv": command.argv,
            "folder": str(command.folder),
            "environment": _environment_of(command),
            "death_signal": int(command.death_signal),
            "parent": os.getpid(),
        }
        with self._asking, _adopting():
            socket.send_fds(self._control, [json.dumps(request).encode()], [log.fileno()])
            return int(self._reply())

    def has_ended(self) -> bool:
        return self._popen.poll() is not None

    def end(self) -> None:
        """Let it end, and reap it."""
        self._control.close()
        self._popen.wait()

    def _reply(self) -> bytes:
        with suppress(ConnectionResetError):
            if reply := self._control.recv(MAX_REPLY_BYTES):
                return reply
        raise ChildProcessError(
            "the template of the tests' processes has ended; what it said is on standard error"
        )

    def _mattered(self, environment: Mapping[str, str]) -> bool:
        """Say whether a variable that counted while the template loaded has another value in this environment."""
        return any(
            self._environment.get(name) != environment.get(name)
            for name in self._environment.keys() | environment.keys()
            if name in self._read_by_libraries or name.startswith(READ_BELOW_PYTHON + READ_AT_A_START)
        )


def _environment_of(command: Command) -> dict[str, str]:
    return {**os.environ, **command.environment}


@contextmanager
def _adopting() -> Iterator[None]:
    """Become the parent of what loses its own below us, until the block ends: prctl(2)."""
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    try:
        yield
    finally:
        prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)


_template: Template | None = None
_starting = threading.Lock()


def _current_template() -> Template | None:
    """Return the template, started if need be; None on systems other than Linux."""
    global _template  # noqa: PLW0603 - as above
    if sys.platform != "linux":
        return None
    with _starting:
        if _template and _template.has_ended():
            end_template()
        _template = _template or Template()
        return _template
