"""Answers as bytes, and those that the server gives by itself: to requests that are not HTTP or too long, and to one connection too many.

Knows nothing of the application.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Any

import msgspec

# ASGI's types, in which server and application talk to each other.
Scope = Mapping[str, Any]
Message = Mapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

RETRY_AFTER_SECONDS = 5
CLOSE = (b"connection", b"close")
"""The header of an answer after which the connection is closed."""

HTTP_STATUS = {
    "bad_request": HTTPStatus.BAD_REQUEST,
    "method_not_allowed": HTTPStatus.METHOD_NOT_ALLOWED,
    "body_too_slow": HTTPStatus.REQUEST_TIMEOUT,
    "length_required": HTTPStatus.LENGTH_REQUIRED,
    "body_too_large": HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    "uri_too_long": HTTPStatus.REQUEST_URI_TOO_LONG,
    "expectation_failed": HTTPStatus.EXPECTATION_FAILED,
    "headers_too_large": HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
    "too_many_connections": HTTPStatus.SERVICE_UNAVAILABLE,
}
_MESSAGES = {
    "bad_request": "This is not one valid HTTP request.",
    "method_not_allowed": "Method not allowed.",
    "body_too_slow": "The body took too long.",
    "length_required": "Send a Content-Length, and no Transfer-Encoding.",
    "body_too_large": "The body is too long.",
    "uri_too_long": "The address is too long.",
    "expectation_failed": "This expectation cannot be met.",
    "headers_too_large": "The headers are too long or too many.",
    "too_many_connections": "Try again.",
}


class HttpAnswer(msgspec.Struct, frozen=True):
    """An HTTP answer; `outcome` is its name in the metrics."""

    http_status: HTTPStatus
    body: bytes
    outcome: str

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        """The headers of this answer, in ASGI's form."""
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(self.body))]
        if self.http_status is HTTPStatus.SERVICE_UNAVAILABLE:
            headers.append((b"retry-after", b"%d" % RETRY_AFTER_SECONDS))
        return headers


def error(http_status: HTTPStatus, code: str, message: str) -> HttpAnswer:
    """Return an error answer, in the form of all our servers."""
    return HttpAnswer(http_status, msgspec.json.encode({"error": {"code": code, "message": message}}), code)


def refusal(code: str) -> HttpAnswer:
    """Return the answer to a request that the server refuses by itself."""
    return error(HTTP_STATUS[code], code, _MESSAGES[code])


async def answer(said: HttpAnswer, send: Send) -> None:
    """Send an answer."""
    await send({"type": "http.response.start", "status": said.http_status, "headers": said.headers})
    await send({"type": "http.response.body", "body": said.body})
