"""One child process and its log: started detached from the terminal, ended with its parent, stopped in time."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from cogento.local import safe_files

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cogento.local.server_folder import ServerUser

KILL_WAIT_SECONDS = 1.0
LOG_LINES_SHOWN = 8
LOG_TAIL_BYTES = 16_384
MAX_LOG_BYTES = 20_000_000
LAUNCHER = str(Path(__file__).with_name("launch.py"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """What to start and how it is asked to end.

    `inherited` are descriptors (locks) passed on to the child: starting it closes them here.
    """

    argv: tuple[str, ...]
    log: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    folder: Path = Path("/")
    user: ServerUser | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    death_signal: signal.Signals = signal.SIGKILL
    inherited: tuple[int, ...] = ()


class Process:
    """A started command.

    The kernel sends the death signal when the *thread* that started the child ends, so start children
    from a thread that lives as long as they should.
    """

    def __init__(self, command: Command) -> None:
        self.command = command
        self._log_start = log_size(command.log)
        command.log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            with os.fdopen(safe_files.open_log(command.log), "ab") as log:
                self._popen = self._launch(log)
        finally:
            for descriptor in command.inherited:
                os.close(descriptor)

    def _launch(self, log: BinaryIO) -> subprocess.Popen[bytes]:
        command = self.command
        user = f"{command.user.uid}:{command.user.gid}" if command.user else ""
        how = (str(os.getpid()), str(int(command.death_signal)), user)
        return subprocess.Popen(
            [sys.executable, "-I", "-S", LAUNCHER, *how, *command.argv],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=command.folder,
            env={**os.environ, **command.environment},
            pass_fds=command.inherited,
            start_new_session=True,  # Ctrl-C in the terminal reaches only us, and we stop the children in order
        )

    @property
    def pid(self) -> int:
        """The child's process id, which is its process group as well."""
        return self._popen.pid

    def last_log_lines(self) -> list[str]:
        """The last lines of what this process, and not one before it, wrote to its log."""
        with self.command.log.open("rb") as file:
            file.seek(max(self._log_start, file.seek(0, os.SEEK_END) - LOG_TAIL_BYTES))
            return file.read().decode(errors="replace").splitlines()[-LOG_LINES_SHOWN:]

    def exit_code(self) -> int | None:
        """How it ended, or None while it runs; reaps it."""
        return self._popen.poll()

    def ask_to_stop(self) -> None:
        """Send the signal on which this program stops, and SIGCONT in case it was frozen."""
        self.send(self.command.stop_signal)
        self.send(signal.SIGCONT)

    def stop(self, *, within_seconds: float) -> None:
        """Ask it to stop, wait, then force it."""
        self.ask_to_stop()
        self.end(within_seconds=within_seconds)

    def end(self, *, within_seconds: float) -> None:
        """Wait for its end, then force it: with the death signal first, which takes its children along."""
        if not self.wait(within_seconds):
            self.send(self.command.death_signal)
            self.wait(KILL_WAIT_SECONDS)
        self.kill()

    def kill(self) -> None:
        """SIGKILL what is left of it and its process group, and reap it."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        self._popen.wait()

    def wait(self, seconds: float) -> bool:
        """Wait for its end; return whether it came within this time."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._popen.wait(seconds)
        return self.exit_code() is not None

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the process itself, if it still runs."""
        self._popen.send_signal(number)


def describe_end(process: Process, name: str) -> str:
    """Say how a process ended, and what it wrote last unless a signal explains it."""
    code = process.exit_code()
    if code is None:
        ending = "is running"
    elif code < 0:
        ending = f"was ended by {signal.Signals(-code).name}"
    else:
        ending = f"ended with exit code {code}{end_of_log(process, name)}"
    return f"(process {process.pid}) {ending}"


def end_of_log(process: Process, name: str) -> str:
    """Return the last lines that a process wrote, for a message."""
    lines = [f"{name} | {line}" for line in process.last_log_lines() or ["(nothing)"]]
    return "\n".join([f"; the end of {process.command.log}:", *lines])


def log_size(log: Path) -> int:
    """Return a log's length in bytes; none yet is empty."""
    return log.stat().st_size if log.exists() else 0


def rotate(log: Path) -> Path:
    """Rename a long log to `….1`, so that at most two generations exist; return `log`."""
    if log_size(log) > MAX_LOG_BYTES:
        log.replace(log.with_name(f"{log.name}.1"))
    return log
