"""What reaches Sentry from a process that ends right after its mistake, and what never does."""

from __future__ import annotations

import gzip
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
CANARY = "ada@example.com"
MISTAKE = f"""
import reporting
reporting.configure("worker", level="INFO", sentry_dsn="{{dsn}}")
try:
    canary = "{CANARY}"
    raise KeyError(canary)
except KeyError as error:
    reporting.report(error)
"""


class Sentry(HTTPServer):
    """Keeps what is sent to it."""

    def __init__(self) -> None:
        self.envelopes: list[str] = []
        super().__init__(("127.0.0.1", 0), _Handler)

    @property
    def dsn(self) -> str:
        return f"http://key@127.0.0.1:{self.server_port}/1"


class _Handler(BaseHTTPRequestHandler):
    server: Sentry

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.envelopes.append(gzip.decompress(body).decode())
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture
def sentry() -> Iterator[Sentry]:
    server = Sentry()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_mistake_is_told_before_the_process_ends_and_quotes_nothing(sentry: Sentry) -> None:
    code = MISTAKE.replace("{dsn}", sentry.dsn)
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True, timeout=30
    )
    (envelope,) = sentry.envelopes
    assert '"type":"KeyError"' in envelope
    assert '"event": "error_reported"' in done.stdout
    assert CANARY not in envelope + done.stdout + done.stderr
