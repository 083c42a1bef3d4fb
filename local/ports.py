"""Choosing a port on this machine."""

from __future__ import annotations

import random
import socket

from local.errors import InUseError

LOCALHOST = "127.0.0.1"
# Below the range the kernel takes for outgoing connections (32768 and up): while a server is down for a
# restart, a client that keeps dialling a port in that range can be given it as its own and connect to
# itself, and then the server can't have it back.
LOWEST, HIGHEST = 20_000, 32_000
TRIES = 200


def free_port() -> int:
    """Return a port of this machine that nobody listens on just now."""
    for _ in range(TRIES):
        port = random.randint(LOWEST, HIGHEST)
        if is_free(port):
            return port
    raise InUseError(f"no free port found between {LOWEST} and {HIGHEST}")


def is_free(port: int) -> bool:
    """Say whether a server could listen on this port of 127.0.0.1."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOCALHOST, port))
        except OSError:
            return False
    return True
