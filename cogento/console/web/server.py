"""The console's web process: the server that the receiver has, around the application put together from the settings.

It reads a request to its end, within its limits, before a thread begins with it: a client that sends slowly takes a connection
and no thread. With a password it listens on all addresses; in local mode, without one, only on this machine's, and only for
requests whose Host names this machine.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from a2wsgi import WSGIMiddleware

from cogento import reporting
from cogento.console.web.accounts import mounted
from cogento.console.web.composition import compose
from cogento.console.web.security import HEADERS, MAX_LOGIN_FORM_BYTES
from cogento.nonblocking_output import make_output_nonblocking
from cogento.serving.answers import refusal
from cogento.serving.connection import Connection
from cogento.serving.server import serve

if TYPE_CHECKING:
    import socket
    from collections.abc import Sequence

    from cogento.console.web.composition import Exposure
    from cogento.serving.answers import Application, HttpAnswer, Message, Receive, Scope, Send
    from cogento.settings import ConsoleSettings

THREADS = 8
STOP_SECONDS = 4
RAW_HEADERS = tuple((name.lower().encode(), value.encode()) for name, value in HEADERS.items())


class ConsoleConnection(Connection):
    """A connection to the console: what is refused before Flask sees it has the headers of every other answer."""

    def _refuse_with(self, answer: HttpAnswer, *headers: tuple[bytes, bytes]) -> None:
        super()._refuse_with(answer, *headers, *RAW_HEADERS)


def run_console(each: Sequence[ConsoleSettings], exposure: Exposure, listener: socket.socket) -> None:
    """Serve the console of each account until a signal ends it, in this single process, which has the poller's memory.

    Requests that come before it has started wait at the listener.
    """
    make_output_nonblocking()
    settings = each[0]
    dsn = settings.sentry_dsn.get_secret_value() if settings.sentry_dsn else None
    reporting.configure(
        "console", level=settings.log_level, sentry_dsn=dsn, sentry_environment=settings.sentry_environment
    )
    consoles = compose(each, exposure)
    for console in consoles:
        console.begin()
    pages = mounted({console.settings.account: console.app for console in consoles})
    application = Buffered(cast("Application", WSGIMiddleware(pages, workers=THREADS)))  # type: ignore[arg-type]
    serve(application, listener, connection=ConsoleConnection, stop_seconds=STOP_SECONDS)


@dataclass(frozen=True, slots=True)
class Buffered:
    """Passes a request on when all of it is here, so that no thread waits for a client."""

    application: Application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Read the body, or refuse it."""
        # X_Forwarded_User becomes the same WSGI variable as X-Forwarded-User, and a proxy that sets the latter does not remove it.
        scope = {**scope, "headers": [header for header in scope["headers"] if b"_" not in header[0]]}
        headers = dict(scope["headers"])
        if b"transfer-encoding" in headers:
            await _refuse("length_required", send)
            return
        if int(headers.get(b"content-length", b"0")) > MAX_LOGIN_FORM_BYTES:
            await _refuse("body_too_large", send)
            return

        body = bytearray()
        message: Message = {"type": "http.request", "more_body": True}
        try:
            while message.get("more_body"):
                message = await receive()
                body += message.get("body", b"")
        except TimeoutError:
            await _refuse("body_too_slow", send)
            return

        async def whole() -> Message:
            return {"type": "http.request", "body": bytes(body), "more_body": False}

        if message["type"] == "http.request":  # otherwise the client has gone
            await self.application(scope, whole, send)


async def _refuse(code: str, send: Send) -> None:
    refused = refusal(code)
    await send(
        {
            "type": "http.response.start",
            "status": refused.http_status,
            "headers": [*refused.headers, *RAW_HEADERS],
        }
    )
    await send({"type": "http.response.body", "body": refused.body})
