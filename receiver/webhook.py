"""POST /webhooks/stripe: a request in, an answer out, and both counted.

A WSGI application that stands in front of Flask, because making Flask's request and response objects
took longer than all that is done here (docs/decisions/0005-webhook-before-flask.md).
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from events.errors import RejectedError
from receiver import metrics
from receiver.answers import UnavailableError, accept, refuse
from receiver.reading import read_body

if TYPE_CHECKING:
    from collections.abc import Iterable
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

    from receiver.answers import Answer
    from receiver.intake import Intake
    from receiver.reading import TimeLimit

PATH = "/webhooks/stripe"
METHOD = "POST"


@dataclass(frozen=True, slots=True)
class Webhook:
    """Answers 2xx only for what is kept or none of ours; `time_limit` bounds the reading of the body.

    Every other request is `otherwise`'s.
    """

    intake: Intake
    time_limit: TimeLimit
    otherwise: WSGIApplication

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request."""
        if environ["PATH_INFO"] != PATH or environ["REQUEST_METHOD"] != METHOD:
            return self.otherwise(environ, start_response)
        begun = time.perf_counter()
        answer = self._answer(environ)
        metrics.time_answer(answer.outcome, time.perf_counter() - begun)
        start_response(answer.status_line, answer.headers)
        return (answer.body,)

    def _answer(self, environ: WSGIEnvironment) -> Answer:
        try:
            body = read_body(environ, time_limit=self.time_limit)
            return accept(self.intake.take(body, environ.get("HTTP_STRIPE_SIGNATURE")))
        except (RejectedError, UnavailableError) as error:
            return refuse(error)
