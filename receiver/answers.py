"""What the receiver answers: the one map from error codes to HTTP, and the JSON around them.

Knows nothing of Flask or the server, for both answer with it: the server refuses by itself what is no HTTP.
"""

from __future__ import annotations

from enum import StrEnum
from http import HTTPStatus

import msgspec

from events.errors import RejectedError
from events.names import EventId

RETRY_AFTER_SECONDS = 5
CLOSE = (b"connection", b"close")
"""The header of an answer behind which the connection is closed."""
SIGNATURE_INVALID = "The signature does not vouch for this body."
"""One message for every flaw: a forger learns nothing from it."""

HTTP_STATUS = {
    "bad_request": HTTPStatus.BAD_REQUEST,
    "body_incomplete": HTTPStatus.BAD_REQUEST,
    "signature_invalid": HTTPStatus.BAD_REQUEST,
    "malformed": HTTPStatus.BAD_REQUEST,
    "thin_event_unsupported": HTTPStatus.BAD_REQUEST,
    "not_found": HTTPStatus.NOT_FOUND,
    "method_not_allowed": HTTPStatus.METHOD_NOT_ALLOWED,
    "body_too_slow": HTTPStatus.REQUEST_TIMEOUT,
    "length_required": HTTPStatus.LENGTH_REQUIRED,
    "body_too_large": HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    "uri_too_long": HTTPStatus.REQUEST_URI_TOO_LONG,
    "media_type_unsupported": HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    "encoding_unsupported": HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    "expectation_failed": HTTPStatus.EXPECTATION_FAILED,
    "headers_too_large": HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
    "internal_error": HTTPStatus.INTERNAL_SERVER_ERROR,
    "mailbox_full": HTTPStatus.SERVICE_UNAVAILABLE,
    "mailbox_unavailable": HTTPStatus.SERVICE_UNAVAILABLE,
    "too_many_connections": HTTPStatus.SERVICE_UNAVAILABLE,
}


class Status(StrEnum):
    """What became of a request that we take responsibility for."""

    QUEUED = "queued"
    DUPLICATE = "duplicate"
    IGNORED = "ignored"


class Accepted(msgspec.Struct, frozen=True):
    """A 2xx answer."""

    status: Status
    event_id: EventId


class Answer(msgspec.Struct, frozen=True):
    """An HTTP answer; `outcome` is its name in the metrics."""

    http_status: HTTPStatus
    body: bytes
    outcome: str

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        """Every header that is ours to send, as ASGI wants them."""
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(self.body))]
        if self.http_status is HTTPStatus.SERVICE_UNAVAILABLE:
            headers.append((b"retry-after", b"%d" % RETRY_AFTER_SECONDS))
        return headers


class UnavailableError(Exception):
    """We cannot promise to keep the event now; Stripe sends it again."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def accept(accepted: Accepted) -> Answer:
    """Answer 200."""
    body = msgspec.json.encode({"status": accepted.status, "event": accepted.event_id})
    return Answer(HTTPStatus.OK, body, accepted.status)


def refuse(error: RejectedError | UnavailableError) -> Answer:
    """Answer with the status that the error's code stands for."""
    body = msgspec.json.encode({"error": {"code": error.code, "message": error.message}})
    return Answer(HTTP_STATUS[error.code], body, error.code)
