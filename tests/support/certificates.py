"""A certificate that nobody trusts, and a server that shows it."""

from __future__ import annotations

import socketserver
import ssl
import subprocess
import threading
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cogento.local.ports import LOCALHOST
from tests.support.programs import installed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SSL_REQUEST_BYTES = 8
"""With what a client of PostgreSQL asks for TLS."""
YES = b"S"


@dataclass(frozen=True, slots=True)
class Certificate:
    """Files of a certificate that signs itself, and of its key."""

    file: Path
    key: Path


def make_certificate(folder: Path, *, name: str) -> Certificate:
    """Make one for a host, with the distribution's openssl."""
    made = Certificate(folder / "certificate", folder / "key")
    words = f"req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN={name}".split()
    argv = [installed("openssl"), *words, "-keyout", str(made.key), "-out", str(made.file)]
    subprocess.run(argv, check=True, capture_output=True)
    return made


class _Shaker(socketserver.BaseRequestHandler):
    """Shakes hands, as far as a client takes the certificate."""

    def handle(self) -> None:
        server: Any = self.server
        with suppress(OSError):
            if server.asks_first:
                self.request.recv(SSL_REQUEST_BYTES)
                self.request.sendall(YES)
            server.context.wrap_socket(self.request, server_side=True).recv(1)


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    context: ssl.SSLContext
    asks_first: bool


def serve_untrusted(folder: Path, *, asks_first: bool) -> Iterator[int]:
    """Listen on a port and show a certificate that nobody trusts; `asks_first` has clients ask for TLS as PostgreSQL's do."""
    made = make_certificate(folder, name="localhost")
    with _Server((LOCALHOST, 0), _Shaker) as server:
        server.context, server.asks_first = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH), asks_first
        server.context.load_cert_chain(made.file, made.key)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()
