"""Doubts that Stripe settles: rows that their events leave unsure, objects of dead letters, and unknown customers.

What is in doubt is found anew at every look, by the rows' own flag, by letters and by what is parked: a crash forgets
nothing but when to ask again. The answers go through the customers' mailboxes; nothing is locked meanwhile.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cogento import runtime
from cogento.events.event import ObjectKind
from cogento.events.names import ObjectId
from cogento.reconcile.rests import Rests
from cogento.store.doubts import Doubt

if TYPE_CHECKING:
    from collections.abc import Callable

    from cogento.events.names import CustomerId
    from cogento.queue.mailboxes import Mailboxes
    from cogento.reconcile.questions import Questions
    from cogento.store.doubts import DoubtfulRows

AT_ONCE = 50

QUIET_SECONDS = 3.0
"""How long nothing came for a row before Stripe is asked: by then the answer is surely later (docs/ordering.md)."""


class Doubts:
    """Settles them; one process at a time does. `clock` is monotonic."""

    def __init__(
        self,
        rows: DoubtfulRows,
        mailboxes: Mailboxes,
        questions: Questions,
        *,
        clock: Callable[[], float],
    ) -> None:
        self._rows = rows
        self._mailboxes = mailboxes
        self._questions = questions
        self._rests = Rests(clock)

    def ask(self) -> bool:
        """Ask for what is in doubt now; tells whether there may be more."""
        doubts = self._due()
        if not doubts:
            return False
        failures = self._questions.ask(doubts)
        for doubt in doubts:
            self._rests.begin(doubt.object_id, failures.get(doubt.object_id))
        return len(doubts) == AT_ONCE

    def _due(self) -> list[Doubt]:
        resting = self._rests.resting()
        rows = runtime.run(self._rows.due(quiet_seconds=QUIET_SECONDS, besides=resting, limit=AT_ONCE))
        unknown = self._mailboxes.parked_customers(quiet_seconds=QUIET_SECONDS, limit=10 * AT_ONCE)
        customers = (Doubt(ObjectKind.CUSTOMER, ObjectId(one), one) for one in unknown)
        wanted = (*rows, *(doubt for doubt in customers if doubt.object_id not in resting))
        return [doubt for doubt in wanted[:AT_ONCE] if not self._has_mail(doubt.customer_id)]

    def _has_mail(self, customer_id: CustomerId) -> bool:
        """Whether something waits that may settle the doubt: an answer of before, or events on hold."""
        return self._mailboxes.look(customer_id).waiting_total > 0
