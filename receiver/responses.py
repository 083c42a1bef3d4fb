"""Answers as Flask's responses: JSON always, and when to come back where that helps."""

from __future__ import annotations

from http import HTTPStatus

from flask import Response

from receiver.answers import RETRY_AFTER_SECONDS, Answer

JSON = ("Content-Type", "application/json")
_RETRY_AFTER = ("Retry-After", str(RETRY_AFTER_SECONDS))


def respond(answer: Answer) -> Response:
    """Make the response that carries an answer."""
    unavailable = answer.http_status is HTTPStatus.SERVICE_UNAVAILABLE
    headers = [JSON, _RETRY_AFTER] if unavailable else [JSON]
    return Response(answer.body, answer.http_status, headers)
