"""What the receiver is compared with, on the same server: applications that read the body and do nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from a2wsgi import WSGIMiddleware
from flask import Flask, request

from cogento.accounts import WEBHOOK_PATH

if TYPE_CHECKING:
    from cogento.serving.answers import Receive, Scope, Send

ANSWER = b'{"status": "read"}'
HEADERS = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(ANSWER))]


def in_flask() -> WSGIMiddleware:
    """Make one of a Flask view."""
    app = Flask("noop", static_folder=None)
    app.add_url_rule(WEBHOOK_PATH, view_func=_read, methods=["POST"])
    return WSGIMiddleware(app)  # type: ignore[arg-type]


def _read() -> bytes:
    request.get_data()
    return ANSWER


async def bare(_: Scope, receive: Receive, send: Send) -> None:
    """Read and answer without any framework: the least work that this server can do."""
    body = bytearray()
    more = True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
    await send({"type": "http.response.body", "body": ANSWER})


flask = in_flask()
