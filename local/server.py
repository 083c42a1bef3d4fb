"""What the embedded servers have in common: a home folder, a lock, one process, a wait until it answers."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Protocol

from local.errors import StartError
from local.logs import last_lines
from local.process import Process

if TYPE_CHECKING:
    from local.process import Command

START_SECONDS = 60
STOP_SECONDS = 10
LOOK_AGAIN_SECONDS = 0.02


class Server(Protocol):
    """A database server of this machine that can be prepared, started and asked whether it answers."""

    name: str

    @property
    def url(self) -> str:
        """Where clients connect to."""

    def prepare(self) -> Command:
        """Make or mend the data folder, take its lock and return the command to start."""

    def answers(self) -> bool:
        """Say whether a client gets an answer."""


def start(server: Server) -> Process:
    """Start a server and return once it answers; StartError carries its last log lines."""
    process = Process(server.prepare())
    deadline = time.monotonic() + START_SECONDS
    while not server.answers():
        if process.exit_code() is not None or time.monotonic() > deadline:
            process.kill()
            raise StartError(f"{server.name} did not start:\n{last_lines(process.command.log)}")
        time.sleep(LOOK_AGAIN_SECONDS)
    return process
