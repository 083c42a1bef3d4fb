"""Doubts that Stripe settles: rows that their events leave unsure, objects of dead letters, and unknown customers.

What is in doubt is found anew at every look, by the rows' own flag, by letters and by what is parked: a crash forgets
nothing but when to ask again. The answers go through the customers' mailboxes; nothing is locked meanwhile.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

import bridge
from events.answers import answer_body
from events.envelope import open_envelope
from events.errors import PermanentError, RejectedError
from events.event import ObjectKind
from events.names import ObjectId
from mailboxes.mail import Source
from schema.doubts import Doubt
from stripeapi.api import API_VERSION
from stripeapi.errors import StripeApiError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from events.envelope import Envelope
    from events.names import CustomerId
    from mailboxes.mailboxes import Mailboxes
    from reconcile.outbox import Outbox
    from reconcile.stripe import Stripe
    from schema.store import Store
    from schema.turns import Turn
    from stripeapi.requests import Answer

log = structlog.get_logger()

TURN = "doubts"
AT_ONCE = 50

QUIET_SECONDS = 3.0
"""How long nothing came for a row before Stripe is asked: by then the answer is surely later (docs/ordering.md)."""

REST_SECONDS, LONGEST_REST_SECONDS, ENOUGH_DOUBLINGS = 10.0, 300.0, 8
"""How long the same object is not asked for again: at first, and at most, doubled each time."""

MISSING_SECONDS = 3600.0
"""How long Stripe is not asked again for what it does not know."""

REMEMBERED_SECONDS = 600.0
"""How long after its rest it is remembered how often an object was asked for."""


@dataclass(frozen=True, slots=True)
class _Rest:
    """Until when an object is not asked for, and how often it was."""

    until: float
    asked: int


class Doubts:
    """Settles them; one process at a time does. `clock` is monotonic."""

    def __init__(
        self,
        store: Store,
        mailboxes: Mailboxes,
        stripe: Stripe,
        outbox: Outbox,
        *,
        clock: Callable[[], float],
    ) -> None:
        self._store = store
        self._mailboxes = mailboxes
        self._stripe = stripe
        self._outbox = outbox
        self._clock = clock
        self._turn: Turn | None = None
        self._rests: dict[ObjectId, _Rest] = {}

    def look(self) -> int:
        """Ask for what is in doubt now, if it is this process's turn; returns how many answers were put.

        The turn is kept, so that one memory knows what was asked for; it passes on when the process dies or
        a look fails.
        """
        if self._turn is None:
            self._turn = bridge.run(self._store.take_turn(TURN))
        if self._turn is None:
            return 0
        try:
            return self._settle(self._due())
        except Exception:
            self._pass_turn_on(self._turn)
            raise

    def stop(self) -> None:
        """Let another process have the turn."""
        if self._turn is not None:
            self._pass_turn_on(self._turn)

    def _pass_turn_on(self, turn: Turn) -> None:
        self._turn = None
        with suppress(Exception):  # its connection may be what failed; then the turn has ended already
            bridge.run(turn.end())

    def _due(self) -> list[Doubt]:
        resting = self._resting_now()
        rows = bridge.run(self._store.doubts.due(quiet_seconds=QUIET_SECONDS, besides=resting, limit=AT_ONCE))
        unknown = self._mailboxes.parked_customers(quiet_seconds=QUIET_SECONDS, limit=10 * AT_ONCE)
        customers = (Doubt(ObjectKind.CUSTOMER, ObjectId(one), one) for one in unknown)
        wanted = (*rows, *(doubt for doubt in customers if doubt.object_id not in resting))
        return [doubt for doubt in wanted[:AT_ONCE] if not self._has_mail(doubt.customer_id)]

    def _has_mail(self, customer_id: CustomerId) -> bool:
        """Whether something waits that may settle the doubt: an answer of before, or events on hold."""
        return self._mailboxes.look(customer_id).waiting_total > 0

    def _resting_now(self) -> set[ObjectId]:
        now = self._clock()
        self._rests = {
            id_: rest for id_, rest in self._rests.items() if rest.until + REMEMBERED_SECONDS > now
        }
        return {id_ for id_, rest in self._rests.items() if rest.until > now}

    def _settle(self, doubts: Sequence[Doubt]) -> int:
        if not doubts:
            return 0
        envelopes = []
        for doubt, answer in zip(doubts, self._stripe.fetch(doubts), strict=True):
            if isinstance(answer, StripeApiError):
                self._note_failure(doubt, answer)
            elif envelope := self._opened(doubt, answer):
                envelopes.append(envelope)
        put = self._outbox.put(envelopes, source=Source.FETCH)
        log.info("doubts_asked", asked=len(doubts), answered=len(envelopes))
        return put

    def _opened(self, doubt: Doubt, answer: Answer) -> Envelope | None:
        self._rest(doubt)
        try:
            return envelope_of(answer)
        except (PermanentError, RejectedError) as error:
            log.warning("stripe_answer_unreadable", object_id=doubt.object_id, exc_info=error)
            return None

    def _note_failure(self, doubt: Doubt, error: StripeApiError) -> None:
        """Nobody pays with an attempt: the row stays as it is, and is asked for more and more rarely."""
        log.warning(
            "doubt_not_settled", object_id=doubt.object_id, status=error.status, failure=error.failure
        )
        self._rest(doubt, at_least=MISSING_SECONDS if error.is_missing else 0)

    def _rest(self, doubt: Doubt, *, at_least: float = 0) -> None:
        known = self._rests.get(doubt.object_id)
        asked = known.asked if known else 0
        doubled = REST_SECONDS * 2.0 ** min(asked, ENOUGH_DOUBLINGS)
        seconds = max(at_least, min(LONGEST_REST_SECONDS, doubled))
        self._rests[doubt.object_id] = _Rest(self._clock() + seconds, asked + 1)


def envelope_of(answer: Answer) -> Envelope:
    """Make mail of a fetched object; raises PermanentError or RejectedError for what is none of ours."""
    body = answer_body(answer.body, fetched_at=answer.at, api_version=API_VERSION)
    return open_envelope(body, now=answer.at)
