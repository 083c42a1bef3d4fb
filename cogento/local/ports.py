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
# Below the range the kernel takes for outgoing connections (32768 and up): while a server is down for a
# restart, a client that keeps dialling a port in that range can be given it as its own and connect to
# itself, and then the server can't have it back.
MIN_PORT, MAX_PORT = 20_000, 32_000
# What `free_port` gives lies below that, in blocks of which each process has one.
FIRST_BLOCK_PORT, BLOCK = 10_000, 200
MAX_TRIES = 200
WAIT_SECONDS = 1.0
POLL_SECONDS = 0.02


class Ports:
    """The ports of one run, its own from the moment they are chosen until it ends.

    Between choosing a port and a server that listens on it lie seconds, in which another run could choose it too. A
    socket that is bound and does not listen would keep nobody from it who reuses addresses, as servers do. So a
    port is held by a name that only one process of the machine can have (Linux: an abstract socket, gone with it).
    """

    def __init__(self) -> None:
        self._held = ExitStack()

    def __enter__(self) -> Self:
        """Hold nothing yet."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let go of every port."""
        self._held.close()

    def reserve(self, port: int) -> bool:
        """Make a port ours, unless somebody listens on it or another run has it."""
        held = _hold(f"port {port}")
        if held is None:
            return False
        if not is_free(port):
            held.close()
            return False
        self._held.enter_context(held)
        return True

    def reserve_any(self) -> int:
        """Make some free port ours."""
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
    """See, before a server is started, that it can have its port; InUseError says that it can't.

    What a killed server left behind may need a moment to go.
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
    """Make a block of ports ours until this process ends; it is held by its name, as a single port is."""
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
