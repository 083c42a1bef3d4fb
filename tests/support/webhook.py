"""A webhook that keeps what it is told, and answers as a test wants."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator


class Webhook(ThreadingHTTPServer):
    """Keeps messages that it took; `answers` are the statuses of the next requests, then 200."""

    def __init__(self) -> None:
        self.answers: list[int] = []
        self.messages: list[dict[str, Any]] = []
        self.targets: list[str] = []
        super().__init__(("127.0.0.1", 0), _Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/services/T0/B0?key=secret"

    @property
    def told(self) -> list[tuple[str, str]]:
        """The name and state of each message."""
        return [(message["alert"], message["status"]) for message in self.messages]


class _Handler(BaseHTTPRequestHandler):
    server: Webhook

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        status = self.server.answers.pop(0) if self.server.answers else 200
        self.server.targets.append(self.path)
        if status == 200:
            self.server.messages.append(json.loads(body))
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        return


@contextmanager
def listening_webhook() -> Iterator[Webhook]:
    """A webhook that listens until the block ends."""
    server = Webhook()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
