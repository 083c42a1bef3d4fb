"""The server under gunicorn: uvicorn's connections, with the rules that only a server can keep.

What it refuses before an application sees a request (no HTTP, ambiguous lengths, long headers) is answered
in the same JSON and counted in the same place, and nothing of it is quoted in a log line. The parser is
llhttp, Node's, in its strict mode, which refuses what two servers could understand differently (B12, B13
and B21 of the bad inputs).
"""

from __future__ import annotations

import asyncio
import os
import re
import signal
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn_worker import UvicornWorker

from events.errors import RejectedError
from receiver import metrics, webhook
from receiver.alarms import Alarms
from receiver.answers import CLOSE, UnavailableError, refuse
from receiver.exchange import Exchange, head_of
from receiver.webhook import LINGER_BYTES, LINGER_SECONDS

if TYPE_CHECKING:
    from receiver.answers import Answer

HEAD_SECONDS = 5
MOST_CONNECTIONS = 500
NOTIFY_SECONDS = 1
MAX_TARGET_BYTES = 4094
MAX_HEADERS = 50
MAX_HEADER_BYTES = 8190
MAX_HEAD_BYTES = 65_536

_MESSAGES = {
    "uri_too_long": "The address is too long.",
    "headers_too_large": "The headers are too long or too many.",
    "expectation_failed": "This expectation cannot be met.",
    "method_not_allowed": "This address takes another method.",
    "bad_request": "This is not one valid HTTP request.",
}
# The parser knows the methods that are registered; of others it says no more than that.
_OTHER_METHOD = re.compile(
    rb"[!#$%&'*+.^`|~\w-]{1,20} " + re.escape(webhook.PATH.encode()) + rb"(\?\S*)? HTTP/1\.[01]\r\n"
)
_alarms = Alarms(time.monotonic)


class RefusedHeadError(Exception):
    """A head that breaks a rule of ours; `code` names the answer."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class Connection(HttpToolsProtocol):
    """Serves one connection: a head within HEAD_SECONDS and the limits, then the application."""

    _reads_head = True
    _head_bytes = 0
    _dropped_bytes: int | None = None  # set once nothing more of this connection is read as HTTP

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a head, unless there are too many who do."""
        super().connection_made(transport)
        self.timeout_keep_alive_task = self.loop.call_later(HEAD_SECONDS, self.timeout_keep_alive_handler)
        if len(self.connections) > MOST_CONNECTIONS:
            self._refuse_with(refuse(UnavailableError("too_many_connections", "Try again.")))

    def data_received(self, data: bytes) -> None:
        """Pass on what has come, or refuse it."""
        if self._dropped_bytes is not None:
            self._drop(data)
            return
        was_reading_head = self._reads_head
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self.cycle.keep_alive = False  # it is answered as HTTP, and what follows is none
        except httptools.HttpParserError as error:
            self._refuse(error, data)
        else:
            if was_reading_head and self._reads_head:
                self._count_head(len(data))

    def eof_received(self) -> bool | None:  # type: ignore[override]
        """Let a request that is under way be answered though the client sends nothing more."""
        if not self._is_serving():
            return None
        self._end_with_this_request()
        return True

    def on_message_begin(self) -> None:
        """Note that a head begins."""
        self._reads_head = True
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        """Note the address; raises RefusedHeadError."""
        super().on_url(url)
        if len(self.url) > MAX_TARGET_BYTES:
            raise RefusedHeadError("uri_too_long")

    def on_header(self, name: bytes, value: bytes) -> None:
        """Note a header."""
        self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        """Have the request answered, for its head came in time; raises RefusedHeadError."""
        self._reads_head, self._head_bytes = False, 0
        self._unset_keepalive_if_required()
        self._check_headers()
        self._describe_request()
        before, self.cycle = self.cycle, self._exchange()
        if before is None or before.response_complete:
            self._start_asgi_task(self.cycle, self.app)
        else:  # it waits for its turn, and what comes behind it waits to be read
            self.flow.pause_reading()
            self.pipeline.appendleft((self.cycle, self.app))

    def on_response_complete(self) -> None:
        """Go on to the next request; more are read when none that were read still waits for its turn."""
        super().on_response_complete()
        if self.pipeline:
            self.flow.pause_reading()

    def _check_headers(self) -> None:
        longest = max([len(name) + len(value) for name, value in self.headers], default=0)
        if longest > MAX_HEADER_BYTES or len(self.headers) > MAX_HEADERS:
            raise RefusedHeadError("headers_too_large")
        for expected in [value for name, value in self.headers if name == b"expect"]:
            if expected.lower() != b"100-continue":
                raise RefusedHeadError("expectation_failed")
            self.expect_100_continue = True

    def _describe_request(self) -> None:
        address = httptools.parse_url(self.url)
        path = address.path.decode("ascii")
        self.scope |= {
            "method": self.parser.get_method().decode("ascii"),
            "http_version": self.parser.get_http_version(),
            "path": unquote(path) if "%" in path else path,
            "raw_path": address.path,
            "query_string": address.query or b"",
        }

    def _exchange(self) -> Exchange:
        return Exchange(
            scope=self.scope,
            transport=self.transport,
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=False,
            default_headers=self.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=self.expect_100_continue,
            keep_alive=self.scope["http_version"] != "1.0" and self.parser.should_keep_alive(),
            on_response=self.on_response_complete,
        )

    def _count_head(self, more: int) -> None:
        self._head_bytes += more
        if self._head_bytes > MAX_HEAD_BYTES:
            self._answer("headers_too_large", flaw="HeadTooLong")

    def _refuse(self, error: httptools.HttpParserError, data: bytes) -> None:
        cause = error.__context__ if isinstance(error, httptools.HttpParserCallbackError) else error
        if isinstance(cause, RefusedHeadError):
            self._answer(cause.code, flaw=type(cause).__name__)
        elif isinstance(cause, httptools.HttpParserInvalidMethodError) and _OTHER_METHOD.match(data):
            self._answer("method_not_allowed", (b"allow", webhook.METHOD.encode()), flaw="UnknownMethod")
        else:
            self._answer("bad_request", flaw=type(cause).__name__)

    def _answer(self, code: str, *headers: tuple[bytes, bytes], flaw: str) -> None:
        _alarms.sound("request_refused", code=code, flaw=flaw)
        if self._is_serving():
            self._end_with_this_request()
        else:
            self._refuse_with(refuse(RejectedError(code, _MESSAGES[code])), *headers)

    def _is_serving(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _end_with_this_request(self) -> None:
        """Let the request under way be answered with what came of it; nothing behind it is read."""
        self._dropped_bytes = 0
        self.cycle.keep_alive = False
        self.on_message_complete()

    def _refuse_with(self, answer: Answer, *headers: tuple[bytes, bytes]) -> None:
        """Answer by ourselves, and read on for a moment: to close with unread bytes can undo an answer."""
        metrics.count_answer(answer.outcome)
        self._dropped_bytes = 0
        self._unset_keepalive_if_required()
        pairs = [*self.server_state.default_headers, *headers, *answer.headers, CLOSE]
        self.transport.write(head_of(answer.http_status, pairs) + answer.body)
        self.transport.write_eof()
        self.loop.call_later(LINGER_SECONDS, self.transport.close)

    def _drop(self, data: bytes) -> None:
        self._dropped_bytes = (self._dropped_bytes or 0) + len(data)
        if self._dropped_bytes > LINGER_BYTES:
            self.transport.close()


class Worker(UvicornWorker):  # type: ignore[misc]  # gunicorn is not typed
    """One process of gunicorn's; see gunicorn_conf.py."""

    CONFIG_KWARGS = {  # noqa: RUF012 - as its base has it
        "loop": "uvloop",
        "http": Connection,
        "ws": "none",
        "lifespan": "off",
        "proxy_headers": False,  # no header of a client may change what a caller or a scheme is
        "server_header": False,
        "access_log": False,
        "timeout_keep_alive": HEAD_SECONDS,
    }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # A second before gunicorn's patience ends: what is not done by then is told so.
        self.config.timeout_graceful_shutdown = max(1, self.cfg.graceful_timeout - 1)
        self.config.timeout_notify = NOTIFY_SECONDS

    async def callback_notify(self) -> None:
        """Tell gunicorn's first process that this one goes on; end like it, when it was killed."""
        if os.getppid() == self.ppid:
            await super().callback_notify()
        else:
            os.kill(os.getpid(), signal.SIGTERM)
