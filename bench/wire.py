"""A relay that counts the bytes between a client and a server of this machine."""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

from cogento.local.ports import LOCALHOST

if TYPE_CHECKING:
    from collections.abc import Iterator

CHUNK = 65_536


class Wire:
    """Relays to the server of a URL; `url` leads to that server through this relay, and `carried` counts the bytes of both directions."""

    def __init__(self, target: str) -> None:
        self.carried = 0
        self._target = urlsplit(target)
        self._listener = socket.create_server((LOCALHOST, 0))
        self._adding = threading.Lock()

    @property
    def url(self) -> str:
        """The target's URL, with the relay in the server's place."""
        login = self._target.netloc.rpartition("@")[0]
        place = f"{LOCALHOST}:{self._listener.getsockname()[1]}"
        return urlunsplit(self._target._replace(netloc=f"{login}@{place}" if login else place))

    def listen(self) -> None:
        """Take connections until closed."""
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection((self._target.hostname, self._target.port))
                for source, sink in ((client, server), (server, client)):
                    threading.Thread(target=self._pass, args=(source, sink), daemon=True).start()

    def close(self) -> None:
        """Accept no more connections; open ones stay until one side closes them."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _pass(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while chunk := source.recv(CHUNK):
                with self._adding:
                    self.carried += len(chunk)
                sink.sendall(chunk)
            sink.shutdown(socket.SHUT_WR)


@contextmanager
def wire(target: str) -> Iterator[Wire]:
    """Relay for the length of the block."""
    relay = Wire(target)
    threading.Thread(target=relay.listen, daemon=True).start()
    try:
        yield relay
    finally:
        relay.close()
