"""The view behind POST /webhooks/stripe: a request in, an answer out, and both counted."""

from __future__ import annotations

import time
from dataclasses import dataclass

from flask import Response, request

from events.errors import RejectedError
from receiver import metrics
from receiver.answers import Answer, UnavailableError, accept, refuse
from receiver.intake import Intake
from receiver.reading import TimeLimit, read_body
from receiver.responses import respond


@dataclass(frozen=True, slots=True)
class Webhook:
    """Answers 2xx only for what is kept or none of ours; `time_limit` bounds the reading of the body."""

    intake: Intake
    time_limit: TimeLimit

    def __call__(self) -> Response:
        """Answer the request that Flask is handling."""
        begun = time.perf_counter()
        answer = self._answer()
        metrics.time_answer(answer.outcome, time.perf_counter() - begun)
        return respond(answer)

    def _answer(self) -> Answer:
        try:
            body = read_body(request.environ, time_limit=self.time_limit)
            return accept(self.intake.take(body, request.environ.get("HTTP_STRIPE_SIGNATURE")))
        except (RejectedError, UnavailableError) as error:
            return refuse(error)
