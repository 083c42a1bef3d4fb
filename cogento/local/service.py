"""A process that is wanted on this machine, and the wait until it does its work."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Protocol

from cogento.local.errors import StartError
from cogento.local.process import how_it_ended

if TYPE_CHECKING:
    from cogento.local.process import Command, Process

START_SECONDS = 45.0  # who waits a minute for us still hears what was wrong
LOOK_AGAIN_SECONDS = 0.02


class Service(Protocol):
    """How to start a process, and how to tell that it does its work."""

    @property
    def name(self) -> str:
        """What people call it."""

    def prepare(self) -> Command:
        """Get ready what it needs and return the command; called before every start."""

    def answers(self) -> bool:
        """Say whether it does its work."""


def await_answer(service: Service, process: Process, *, seconds: float = START_SECONDS) -> None:
    """Wait until the started service answers; StartError has the last lines of its log."""
    deadline = time.monotonic() + seconds
    while not service.answers():
        if process.exit_code() is not None:
            raise StartError(f"{service.name} {describe_end(process, service.name)}")
        if time.monotonic() > deadline:
            raise StartError(f"{service.name} was not ready in time{_end_of_log(process, service.name)}")
        time.sleep(LOOK_AGAIN_SECONDS)


def describe_end(process: Process, name: str) -> str:
    """Say how a process ended, and what it said last unless a signal explains it."""
    code = process.exit_code()
    said = _end_of_log(process, name) if code is not None and code >= 0 else ""
    return f"(process {process.pid}) {how_it_ended(code)}{said}"


def _end_of_log(process: Process, name: str) -> str:
    said = [f"{name} | {line}" for line in process.last_words() or ["(nothing)"]]
    return "\n".join([f"; the end of {process.command.log}:", *said])
