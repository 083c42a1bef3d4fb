"""A simulated Stripe account: its objects as they are now, and every event in the order it truly happened.

Pure and seeded: the second is passed in with each change and all chance comes from the Random given, so
that one seed and one series of seconds give one history. What to do next is decided in `life`; this
module only keeps the books right.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cogento.local.stripe.creation_order import CreationOrder
from cogento.local.stripe.event import Event
from cogento.local.stripe.identifiers import new_id, new_timed_id
from cogento.local.stripe.objects import Customer, StripeObject, Subscription
from cogento.local.stripe.roster import Roster
from cogento.local.stripe.shapes import DAHLIA

if TYPE_CHECKING:
    from random import Random


class Account:
    """The books of one account; `api_version` is the endpoint's and may be changed in mid-stream."""

    def __init__(self, random: Random, *, api_version: str = DAHLIA) -> None:
        self.random = random
        self.api_version = api_version
        self.customers: dict[str, Customer] = {}
        self.subscriptions: dict[str, Subscription] = {}
        self.events: list[Event] = []
        self.customer_order = CreationOrder()
        self.subscription_order = CreationOrder()
        self.event_order = CreationOrder()
        self.live_customers = Roster()
        self.live_subscriptions = Roster()
        self.ended_subscriptions = Roster()
        self._events_by_id: dict[str, Event] = {}
        self._history: dict[str, list[Event]] = {}
        self._subscriptions_of: dict[str, list[str]] = {}
        self._last_stamp: dict[str, int] = {}

    def begin(self, state: StripeObject, *, at: int, stamped_late_seconds: int = 0) -> Event:
        """Create an object; its event may be stamped later than the updates that follow it."""
        self._keep(state)
        if isinstance(state, Customer):
            self.customer_order.add(state.id, created=state.created)
        else:
            self.subscription_order.add(state.id, created=state.created)
            self._subscriptions_of.setdefault(state.customer, []).append(state.id)
        created = self._stamp(state, at) + stamped_late_seconds
        return self._record(f"{_family(state)}.created", state, created=created)

    def change(self, state: StripeObject, *, at: int) -> Event | None:
        """Put an object in a new state, with an `updated` event; None when it was in it already."""
        before = self.find(state.id)
        if before is None or before == state:
            return None
        self._keep(state)
        return self._record(f"{_family(state)}.updated", state, created=self._stamp(state, at), before=before)

    def announce(self, occasion: str, state: StripeObject, *, at: int) -> Event:
        """Tell of an occasion (`trial_will_end`, `paused`) without a change and so without its trace."""
        return self._record(f"{_family(state)}.{occasion}", state, created=self._stamp(state, at))

    def end(self, state: StripeObject, *, at: int) -> Event:
        """End a subscription or delete a customer; the event shows the last state and no trace of before."""
        self._keep(state)
        return self._record(f"{_family(state)}.deleted", state, created=self._stamp(state, at))

    def forget_events(self) -> None:
        """Let every event so far pass out of reach, as Stripe's do after thirty days; the objects stay."""
        self.events = []
        self.event_order = CreationOrder()
        self._events_by_id = {}
        self._history = {}

    def find(self, object_id: str) -> StripeObject | None:
        """The current state of a customer or a subscription."""
        return self.customers.get(object_id) or self.subscriptions.get(object_id)

    def event(self, event_id: str) -> Event | None:
        """One event by its id."""
        return self._events_by_id.get(event_id)

    def history(self, object_id: str) -> list[Event]:
        """An object's events in the order they truly happened."""
        return self._history.get(object_id, [])

    def earlier_state(self, object_id: str) -> StripeObject | None:
        """The state one event ago, as a reader served by a lagging replica sees it."""
        past = self.history(object_id)[-2:]
        return past[0].state if past else self.find(object_id)

    def subscriptions_of(self, customer_id: str) -> list[Subscription]:
        """A customer's subscriptions, ended ones too."""
        return [self.subscriptions[an_id] for an_id in self._subscriptions_of.get(customer_id, [])]

    def _keep(self, state: StripeObject) -> None:
        if isinstance(state, Customer):
            self.customers[state.id] = state
            _move(state.id, self.live_customers, into=not state.deleted)
            return
        self.subscriptions[state.id] = state
        _move(state.id, self.live_subscriptions, into=not state.is_ended)
        _move(state.id, self.ended_subscriptions, into=state.is_ended)

    def _stamp(self, state: StripeObject, at: int) -> int:
        # A burst may reach into the next second; what follows it for the same customer must not be older.
        stamp = max(at, self._last_stamp.get(state.customer, at))
        self._last_stamp[state.customer] = stamp
        return stamp

    def _record(
        self, kind: str, state: StripeObject, *, created: int, before: StripeObject | None = None
    ) -> Event:
        event = Event(
            sequence=len(self.events),
            id=new_timed_id("evt", self.random, at=created),
            type=kind,
            created=created,
            state=state,
            before=before,
            api_version=self.api_version,
            request_id=new_id("req", self.random),
        )
        self.events.append(event)
        self.event_order.add(event.id, created=created)
        self._events_by_id[event.id] = event
        self._history.setdefault(state.id, []).append(event)
        return event


def _family(state: StripeObject) -> str:
    return "customer" if isinstance(state, Customer) else "customer.subscription"


def _move(an_id: str, roster: Roster, *, into: bool) -> None:
    if into:
        roster.add(an_id)
    else:
        roster.discard(an_id)
