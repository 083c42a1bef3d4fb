"""A customer as people look at it: explained, with its events on one timeline.

Every call queries the servers and raises what they raise. Knows nothing of how a customer is shown.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from cogento import runtime
from cogento.console.errors import Failure
from cogento.console.explain import Explanation, PartialExplanation, explain_id
from cogento.console.queue_actions import QueueActions
from cogento.events.names import EventId
from cogento.reconcile.forget import Forgetting
from cogento.reconcile.verify_customer import ComparisonState
from cogento.store.activity import Action

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cogento.console.explain import AmbiguousQuery, NothingFound
    from cogento.events.names import CustomerId, ObjectId
    from cogento.queue.mailboxes import Mailboxes
    from cogento.reconcile.reconciliation import Reconciliation
    from cogento.reconcile.verify_customer import CustomerComparison
    from cogento.store.history import LedgerRecord, ObjectRecord, TimelineEntry
    from cogento.store.store import Store

ANSWER_SECONDS = 20
EVENTS_SHOWN = 50
NO_KEY = "Stripe is asked only with a key: set STRIPE_API_KEY for the console, too."


@dataclass(frozen=True, slots=True)
class TimelinePart:
    """Which part of a customer's timeline: of one object, of what changed something, below an event."""

    object_id: ObjectId | None = None
    changes_only: bool = False
    below: EventId | None = None


@dataclass(frozen=True, slots=True)
class CustomerView:
    """A customer explained; `timeline` is the newest first, and `older` the event after which the next part begins.

    `causes` are the events from which the rows were written, as far as the ledger still has them. Where a server could not be
    read, the error says why; without the tables there is no timeline.
    """

    explanation: Explanation
    timeline: Sequence[TimelineEntry] = ()
    older: EventId | None = None
    causes: Mapping[EventId, LedgerRecord] | None = None
    error: Exception | None = None


class CustomerService:
    """Finds, explains and compares customers."""

    def __init__(
        self, mailboxes: Mailboxes, store: Store, reconciliation: Reconciliation | None = None
    ) -> None:
        self._mailboxes = mailboxes
        self._store = store
        self._reconciliation = reconciliation
        self.queue = QueueActions(mailboxes, store)
        self.forgetting = Forgetting(mailboxes, store)

    @property
    def can_ask_stripe(self) -> bool:
        """Whether there is a key to ask Stripe with."""
        return self._reconciliation is not None

    def find(self, asked: str) -> Explanation | PartialExplanation | AmbiguousQuery | NothingFound:
        """Find the customer of an id or address."""
        return explain_id(asked, self._mailboxes, self._store)

    def view(
        self, customer_id: CustomerId, part: TimelinePart, *, event_id: EventId | None
    ) -> CustomerView | None:
        """Read everything about a customer, and about one of its events if that is asked for."""
        found, error = self._explain(event_id) if event_id else (None, None)
        if found is None or found.customer_id != customer_id:
            found, error = self._explain(customer_id)
        if found is None or found.records is None:
            return None if found is None else CustomerView(found, error=error)
        owned = [one for objects in found.records.objects.values() for one in objects]
        view = runtime.run(self._with_timeline(found, owned, part), timeout_seconds=ANSWER_SECONDS)
        return replace(view, error=error)

    def _explain(self, asked: str) -> tuple[Explanation | None, Exception | None]:
        """Explain a customer as far as the servers that answer can, with the error of one that does not."""
        found = self.find(asked)
        if isinstance(found, PartialExplanation):
            return found.explanation, found.error
        return (found if isinstance(found, Explanation) else None), None

    async def _with_timeline(
        self, found: Explanation, owned: Sequence[ObjectRecord], part: TimelinePart
    ) -> CustomerView:
        history = self._store.history
        before = await history.event(part.below) if part.below else None
        timeline = await history.timeline(
            [found.customer_id, *(one.object_id for one in owned)],
            object_id=part.object_id,
            changes_only=part.changes_only,
            before=before,
            limit=EVENTS_SHOWN + 1,
        )
        shown = [EventId(str(one.row["last_webhook_event_id"])) for one in owned]
        causes = await history.named_events(shown)
        older = timeline[EVENTS_SHOWN - 1].event.event_id if len(timeline) > EVENTS_SHOWN else None
        return CustomerView(found, timeline[:EVENTS_SHOWN], older, causes)

    def compare(self, customer_id: CustomerId, *, who: str, why: str, repair: bool) -> CustomerComparison:
        """Compare a customer's rows with Stripe, and with `repair` write Stripe's values; both are recorded as activity."""
        if self._reconciliation is None:
            raise Failure(NO_KEY)
        comparison = runtime.run(self._reconciliation.verify_customer(customer_id, repair=repair))
        details = {
            "compared": len(comparison.objects),
            "differ": comparison.count(ComparisonState.DIFFERS),
            "repaired": comparison.count(ComparisonState.REPAIRED),
        }
        action = Action.REPAIR if repair else Action.VERIFY
        runtime.run(self._reconciliation.record(action, who=who, why=why, about=customer_id, details=details))
        return comparison
