"""Mistakes of ours: answered, logged by name and reported, and nothing of them is quoted."""

from __future__ import annotations

import sentry_sdk
import structlog

from cogento.events.errors import RejectedError
from cogento.serving.answers import Answer
from receiver import metrics
from receiver.answers import refuse

_log = structlog.get_logger()


def fail(error: Exception) -> Answer:
    """Report an exception that nobody foresaw and return what the client is told."""
    _log.error("request_failed", exc_info=error)
    sentry_sdk.capture_exception(error)
    answer = refuse(RejectedError("internal_error", "Internal error; try again."))
    metrics.count_answer(answer.outcome)
    return answer
