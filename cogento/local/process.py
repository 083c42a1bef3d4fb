"""One child process: started detached from the terminal, ended with its parent, stopped in time."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from cogento.local import private
from cogento.local.logs import last_lines, size

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cogento.local.accounts import Account

LAST_CHANCE_SECONDS = 1.0
LAUNCHER = str(Path(__file__).with_name("launch.py"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """What to start and how it is asked to end.

    `inherited` are descriptors (locks) handed over to the child: starting it closes ours.
    """

    argv: tuple[str, ...]
    log: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    folder: Path = Path("/")
    account: Account | None = None
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
        self._log_start = size(command.log)
        self._popen = _start(command)

    @property
    def pid(self) -> int:
        """The child's process id, which is its process group as well."""
        return self._popen.pid

    def last_words(self) -> list[str]:
        """The last lines of what this process, and not one before it, wrote to its log."""
        return last_lines(self.command.log, since=self._log_start)

    def exit_code(self) -> int | None:
        """How it ended, or None while it runs; reaps it."""
        return self._popen.poll()

    def ask_to_stop(self) -> None:
        """Send the signal this program stops on, and let it run on if it was frozen."""
        self.send(self.command.stop_signal)
        self.send(signal.SIGCONT)

    def stop(self, *, within_seconds: float) -> None:
        """Ask, wait, then end it."""
        self.ask_to_stop()
        self.end(within_seconds=within_seconds)

    def end(self, *, within_seconds: float) -> None:
        """Wait for its end, then force it: with the death signal first, which takes its children along."""
        if not self.wait(within_seconds):
            self.send(self.command.death_signal)
            self.wait(LAST_CHANCE_SECONDS)
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


def how_it_ended(code: int | None) -> str:
    """Say an exit code the way people do."""
    if code is None:
        return "is running"
    if code < 0:
        return f"was ended by {signal.Signals(-code).name}"
    return f"ended with exit code {code}"


def _start(command: Command) -> subprocess.Popen[bytes]:
    command.log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        with os.fdopen(private.open_log(command.log), "ab") as log:
            return subprocess.Popen(
                [*_launcher(command), *command.argv],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=command.folder,
                env={**os.environ, **command.environment},
                pass_fds=command.inherited,
                start_new_session=True,  # Ctrl-C in the terminal is ours to hand on, in order
            )
    finally:
        for descriptor in command.inherited:
            os.close(descriptor)


def _launcher(command: Command) -> list[str]:
    options = ["--parent", str(os.getpid()), "--death-signal", str(int(command.death_signal))]
    if command.account:
        options += ["--user", f"{command.account.uid}:{command.account.gid}"]
    return [sys.executable, "-I", "-S", LAUNCHER, *options, "--"]
