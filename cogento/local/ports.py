"""Choosing ports on this machine, and keeping them from other runs that choose in the same moment."""

from __future__ import annotations

import itertools
import random
import socket
import sys
import time
from contextlib import ExitStack
from functools import cache
from typing import TYPE_CHECKING, Self

from cogento.local.errors import InUseError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

LOCALHOST = "127.0.0.1"
# Below the range that the kernel uses for outgoing connections (32768 and up): while a server is down for a restart, a client
# that keeps dialling a port in that range can be given the same port as its own and connect to itself, and then the server can't
# have the port back.
MIN_PORT, MAX_PORT = 20_000, 32_000
# The ports of `free_port` lie below these, in blocks, one for each process.
FIRST_BLOCK_PORT, BLOCK = 10_000, 200
MAX_TRIES = 200
WAIT_SECONDS = 1.0
POLL_SECONDS = 0.02


class Ports:
    """The ports of one run, reserved from the moment they are chosen until it ends.

    Seconds pass between choosing a port and a server that listens on it, in which another run could choose the same. A socket
    that is bound and does not listen would not keep servers away, because they reuse addresses. So a port is reserved by a name
    that only one process of the machine can have (Linux: an abstract socket, which ends with the process).
    """

    def __init__(self) -> None:
        self._held = ExitStack()

    def __enter__(self) -> Self:
        """Begin without any port."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Release every port."""
        self._held.close()

    def reserve(self, port: int) -> bool:
        """Reserve a port; False if somebody listens on it or another run has it."""
        held = _hold(f"port {port}")
        if held is None:
            return False
        if not is_free(port):
            held.close()
            return False
        self._held.enter_context(held)
        return True

    def reserve_any(self) -> int:
        """Reserve some free port."""
        for _ in range(MAX_TRIES):
            port = random.randint(MIN_PORT, MAX_PORT)
            if self.reserve(port):
                return port
        raise InUseError(f"no free port found between {MIN_PORT} and {MAX_PORT}")


def free_port() -> int:
    """Return a port of this machine that nobody listens on just now.

    No other process is given it, and this one is given every other port of its block first: so it stays
    free while a server starts, and while one is down for a restart, however many processes start servers.
    """
    port = next(filter(is_free, itertools.islice(_port_block(), BLOCK)), None)
    if port is None:
        raise InUseError("no free port found in the block of this process")
    return port


def require_free(port: int) -> None:
    """Check, before a server is started, that its port is free; raises InUseError where it is not.

    Waits a moment, because the sockets of a killed server may need one to disappear.
    """
    deadline = time.monotonic() + WAIT_SECONDS
    while not is_free(port):
        if time.monotonic() > deadline:
            raise InUseError(f"port {port} is taken by another program")
        time.sleep(POLL_SECONDS)


def is_free(port: int) -> bool:
    """Say whether a server could listen on this port of 127.0.0.1."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOCALHOST, port))
        except OSError:
            return False
    return True


@cache
def _port_block() -> Iterator[int]:
    """Reserve a block of ports until this process ends, by a name, as for a single port."""
    blocks = range(FIRST_BLOCK_PORT, MIN_PORT, BLOCK)
    for first in random.sample(blocks, len(blocks)):
        held = _hold(f"ports from {first}")
        if held is not None:
            held.detach()  # it stays open
            return itertools.cycle(range(first, first + BLOCK))
    raise InUseError(f"every block of ports between {FIRST_BLOCK_PORT} and {MIN_PORT} is taken")


def _hold(name: str) -> socket.socket | None:
    """Hold a name that only one process of the machine can have; None when another has it."""
    holder = socket.socket(socket.AF_UNIX)
    if sys.platform != "linux":
        return holder
    try:
        holder.bind(f"\0cogento {name}")
    except OSError:
        holder.close()
        return None
    return holder
