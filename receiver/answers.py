"""What the receiver answers: the one map from error codes to HTTP, and the JSON around them.

Knows nothing of Flask. What the server refuses by itself, no HTTP for example, is in cogento/serving/answers.py.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Final, Literal

import msgspec
import structlog

import cogento.serving.answers
from cogento.events.errors import RejectedError
from cogento.events.names import EventId
from cogento.queue.claims import PutResult
from cogento.reporting import send_to_sentry
from cogento.serving.answers import HttpAnswer
from receiver import metrics

_log = structlog.get_logger()

SIGNATURE_INVALID = "Invalid signature."
"""One message for every failure, from which a forger learns nothing."""

HTTP_STATUS = {
    **cogento.serving.answers.HTTP_STATUS,
    "body_incomplete": HTTPStatus.BAD_REQUEST,
    "signature_invalid": HTTPStatus.BAD_REQUEST,
    "malformed": HTTPStatus.BAD_REQUEST,
    "thin_event_unsupported": HTTPStatus.BAD_REQUEST,
    "not_found": HTTPStatus.NOT_FOUND,
    "media_type_unsupported": HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    "encoding_unsupported": HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    "internal_error": HTTPStatus.INTERNAL_SERVER_ERROR,
    "mailbox_full": HTTPStatus.SERVICE_UNAVAILABLE,
    "mailbox_unavailable": HTTPStatus.SERVICE_UNAVAILABLE,
}


IGNORED: Final = "ignored"
"""The reasons for not keeping a signed event."""


class Accepted(msgspec.Struct, frozen=True):
    """A 2xx answer: the event was QUEUED, is a DUPLICATE, or is IGNORED."""

    status: PutResult | Literal["ignored"]
    event_id: EventId


class RetryLaterError(Exception):
    """We cannot promise to keep the event now; Stripe sends it again."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def accept(accepted: Accepted) -> HttpAnswer:
    """Answer 200."""
    body = msgspec.json.encode({"status": accepted.status, "event": accepted.event_id})
    return HttpAnswer(HTTPStatus.OK, body, accepted.status)


def refuse(error: RejectedError | RetryLaterError) -> HttpAnswer:
    """Answer with the status that the error's code stands for."""
    return cogento.serving.answers.error(HTTP_STATUS[error.code], error.code, error.message)


def internal_error(error: Exception) -> HttpAnswer:
    """Report an unexpected exception, and return the client's answer, which quotes nothing of it."""
    _log.error("request_failed", exc_info=error)
    send_to_sentry(error)
    answer = refuse(RejectedError("internal_error", "Internal error; try again."))
    metrics.count_answer(answer.outcome)
    return answer
