"""The console's web process: the server that the receiver has, around the application put together from the settings.

It reads a request to its end, within its limits, before one of the threads is given to it: whoever sends slowly
holds a connection and nothing else. Behind a password it listens to everyone; in local mode, without one, to this
machine alone, and only for requests that name this machine.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from a2wsgi import WSGIMiddleware
from gunicorn.app.base import BaseApplication

from cogento import reporting
from cogento.console.web.accounts import mounted
from cogento.console.web.composition import Exposure, compose
from cogento.console.web.security import HEADERS, MAX_LOGIN_FORM_BYTES
from cogento.nonblocking_output import make_output_nonblocking
from cogento.serving.answers import refusal
from cogento.serving.connection import Connection
from cogento.serving.worker import ServingWorker

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cogento.serving.answers import Application, HttpAnswer, Message, Receive, Scope, Send
    from cogento.settings import ConsoleSettings

THREADS = 8
RAW_HEADERS = tuple((name.lower().encode(), value.encode()) for name, value in HEADERS.items())


class ConsoleConnection(Connection):
    """A connection to the console: what is refused before Flask sees it has the headers of every other answer."""

    def _refuse_with(self, answer: HttpAnswer, *headers: tuple[bytes, bytes]) -> None:
        super()._refuse_with(answer, *headers, *RAW_HEADERS)


class ConsoleWorker(ServingWorker):
    """The process that serves, under gunicorn's first."""

    connection = ConsoleConnection


class ConsoleServer(BaseApplication):  # type: ignore[misc] # gunicorn carries no types
    """gunicorn, configured here: one process, because its memory is the picture."""

    def __init__(self, each: Sequence[ConsoleSettings], exposure: Exposure) -> None:
        self._each = each
        self._exposure = exposure
        make_output_nonblocking()  # before gunicorn's logger asks for standard error
        super().__init__()

    def load_config(self) -> None:
        """Set what gunicorn is to do."""
        options: dict[str, Any] = {
            "bind": self._exposure.address,
            "worker_class": "cogento.console.web.server.ConsoleWorker",
            "workers": 1,
            "timeout": 30,
            "graceful_timeout": 5,
            "loglevel": "warning",
            "proc_name": "cogento-console",
            "control_socket_disable": True,
        }
        for name, value in options.items():
            self.cfg.set(name, value)

    def load(self) -> Buffered:
        """Put the application together, in the process that will serve it."""
        settings = self._each[0]
        dsn = settings.sentry_dsn.get_secret_value() if settings.sentry_dsn else None
        reporting.configure(
            "console",
            level=settings.log_level,
            sentry_dsn=dsn,
            sentry_environment=settings.sentry_environment,
        )
        consoles = compose(self._each, self._exposure)
        for console in consoles:
            console.begin()
        pages = mounted({console.settings.account: console.app for console in consoles})
        return Buffered(cast("Application", WSGIMiddleware(pages, workers=THREADS)))  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class Buffered:
    """Hands a request over when it is all here: a thread waits for no client."""

    application: Application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Read the body, or refuse it."""
        # X_Forwarded_User would become the same variable of WSGI as X-Forwarded-User, past the proxy that sets this one.
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

        if message["type"] == "http.request":  # else the client has gone
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
