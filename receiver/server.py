"""gunicorn's gevent worker, with the rules that only the server can keep.

What it refuses before Flask sees a request (no HTTP, ambiguous lengths, long headers) is answered in the
same JSON and counted in the same place, and nothing of it is quoted in a log line.
"""

from __future__ import annotations

import contextlib
import socket
import time
from typing import TYPE_CHECKING, Any

import gevent
import structlog
from gunicorn.http import errors
from gunicorn.http.body import ChunkedReader, LengthReader
from gunicorn.workers.ggevent import GeventWorker

from events.errors import RejectedError
from receiver import metrics
from receiver.alarms import Alarms
from receiver.answers import SIGNATURE_INVALID, Answer, refuse
from receiver.reading import MAX_BODY_BYTES

if TYPE_CHECKING:
    from gunicorn.http.message import Request

LINGER_SECONDS = 2.0
LINGER_BYTES = 4 * MAX_BODY_BYTES


class RepeatedSignatureError(errors.InvalidHeader):  # type: ignore[misc]
    """Two Stripe-Signature headers, which WSGI would show as one list."""


_CODES: dict[type[Exception], str] = {
    RepeatedSignatureError: "signature_invalid",
    errors.LimitRequestLine: "uri_too_long",
    errors.LimitRequestHeaders: "headers_too_large",
    errors.ExpectationFailed: "expectation_failed",
    errors.UnsupportedTransferCoding: "transfer_coding_unsupported",
}
_MESSAGES = {
    "signature_invalid": SIGNATURE_INVALID,
    "uri_too_long": "The address is too long.",
    "headers_too_large": "The headers are too long or too many.",
    "expectation_failed": "This expectation cannot be met.",
    "transfer_coding_unsupported": "Send a Content-Length, and no Transfer-Encoding.",
    "bad_request": "This is not one valid HTTP request.",
    "internal_error": "This is our mistake; try again.",
}

_log = structlog.get_logger()


class Worker(GeventWorker):  # type: ignore[misc]  # gunicorn is not typed
    """Serves each connection in a greenlet; see gunicorn_conf.py for its limits."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._alarms = Alarms(time.monotonic)

    def handle_request(self, listener_name: Any, req: Request, sock: socket.socket, addr: Any) -> Any:
        """Serve one request, and close the connection behind a body that nobody will read."""
        gevent.sleep(0)  # one request a turn: a fast client must not keep the others waiting
        _refuse_repeated_signature(req)
        if not _has_endless_body(req):
            return super().handle_request(listener_name, req, sock, addr)
        req.force_close()
        try:
            return super().handle_request(listener_name, req, sock, addr)
        finally:
            _linger(sock)

    def handle_error(
        self, _req: Request | None, client: socket.socket, _addr: Any, exc: BaseException
    ) -> None:
        """Answer what gunicorn could not read as a request, or a failure outside Flask."""
        if not isinstance(exc, Exception):
            return  # this greenlet was told to end
        code = self._note(exc)
        with contextlib.suppress(OSError):
            client.sendall(_on_the_wire(refuse(RejectedError(code, _MESSAGES[code]))))
            _linger(client)

    def _note(self, exc: Exception) -> str:
        if isinstance(exc, errors.ParseException):
            code = _CODES.get(type(exc), "bad_request")
            self._alarms.sound("request_refused", code=code, flaw=type(exc).__name__)
        else:
            code = "internal_error"
            _log.error("request_failed", exc_info=exc)
            _report(exc)
        metrics.count_answer(code)
        return code


def _report(exc: Exception) -> None:
    # Imported late: gunicorn's first process imports this module, and Sentry binds names of `ssl` that
    # gevent could then no longer replace in the workers.
    import sentry_sdk  # noqa: PLC0415

    sentry_sdk.capture_exception(exc)


def _refuse_repeated_signature(req: Request) -> None:
    if sum(name == "STRIPE-SIGNATURE" for name, _ in req.headers) > 1:
        raise RepeatedSignatureError("STRIPE-SIGNATURE", req=req)


def _has_endless_body(req: Request) -> bool:
    """Tell whether the application will leave this body unread, and it is long or may be."""
    reader = req.body.reader
    too_long = isinstance(reader, LengthReader) and reader.length > MAX_BODY_BYTES
    return too_long or isinstance(reader, ChunkedReader)


def _linger(sock: socket.socket) -> None:
    """Read on for a moment: closing with unread bytes resets the connection and can undo the answer."""
    with contextlib.suppress(OSError), gevent.Timeout(LINGER_SECONDS, False):  # noqa: FBT003 - its API
        sock.shutdown(socket.SHUT_WR)
        dropped = 0
        while dropped < LINGER_BYTES and (chunk := sock.recv(65_536)):
            dropped += len(chunk)


def _on_the_wire(answer: Answer) -> bytes:
    headers = [("Connection", "close"), *answer.headers]
    lines = [f"HTTP/1.1 {answer.status_line}", *(f"{name}: {value}" for name, value in headers), "", ""]
    return "\r\n".join(lines).encode() + answer.body
