"""Asking Stripe for single objects, and laying what it answers into mailboxes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from cogento.events.envelope import parse_envelope
from cogento.events.errors import PermanentError, RejectedError
from cogento.events.fetched import fetched_event_body
from cogento.queue.mail import Source
from cogento.stripe.api import API_VERSION
from cogento.stripe.errors import StripeApiError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cogento.events.envelope import Envelope
    from cogento.events.names import ObjectId
    from cogento.reconcile.outbox import Outbox
    from cogento.reconcile.stripe import Stripe
    from cogento.store.doubts import Doubt
    from cogento.stripe.requests import Answer

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Questions:
    """Asks; nothing is locked meanwhile."""

    stripe: Stripe
    outbox: Outbox

    def ask(self, wanted: Sequence[Doubt]) -> dict[ObjectId, StripeApiError]:
        """Ask for objects; when this returns every answer is in a mailbox. Those that had none are returned.

        Raises MailboxFullError, and what Redis raises; then some may be in none.
        """
        envelopes, failures = [], {}
        for doubt, answer in zip(wanted, self.stripe.fetch(wanted), strict=True):
            if isinstance(answer, StripeApiError):
                _tell(doubt, answer)
                failures[doubt.object_id] = answer
            elif envelope := _opened(doubt, answer):
                envelopes.append(envelope)
        self.outbox.put(envelopes, source=Source.FETCH)
        log.info("objects_asked_for", asked=len(wanted), answered=len(envelopes))
        return failures


def envelope_of(answer: Answer) -> Envelope:
    """Make mail of a fetched object; raises PermanentError or RejectedError for what is none of ours."""
    body = fetched_event_body(answer.body, fetched_at=answer.at, api_version=API_VERSION)
    return parse_envelope(body, now=answer.at)


def _opened(doubt: Doubt, answer: Answer) -> Envelope | None:
    try:
        return envelope_of(answer)
    except (PermanentError, RejectedError) as error:
        log.warning("stripe_answer_unreadable", object_id=doubt.object_id, exc_info=error)
        return None


def _tell(doubt: Doubt, error: StripeApiError) -> None:
    """Nobody pays with an attempt: what was asked for is asked for again, more and more rarely."""
    log.warning("object_not_answered", object_id=doubt.object_id, status=error.status, failure=error.failure)
