"""A simulated Stripe account: its objects as they are now, and every event in the order it truly happened.

Pure and seeded: the second is passed in with each change and all randomness comes from the Random given, so that one seed and
one series of seconds give one history. What happens next is decided in `activity`.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from cogento.local.stripe.events import AccountEvent
from cogento.local.stripe.fake_data import new_id, new_timed_id
from cogento.local.stripe.objects import Customer, StripeObject, Subscription
from cogento.local.stripe.shapes import DAHLIA

if TYPE_CHECKING:
    from collections.abc import Iterator
    from random import Random

_Key = tuple[int, int, str]

_DRAWS = 6
_NEXT_SECOND_SHARE = 0.15


class Account:
    """One account's objects and events; `api_version` is the endpoint's and may be changed in mid-stream."""

    def __init__(self, random: Random, *, api_version: str = DAHLIA) -> None:
        self.random = random
        self.api_version = api_version
        self.customers: dict[str, Customer] = {}
        self.subscriptions: dict[str, Subscription] = {}
        self.events: list[AccountEvent] = []
        self.customer_order = CreationOrder()
        self.subscription_order = CreationOrder()
        self.event_order = CreationOrder()
        self.live_customers = IdPool()
        self.live_subscriptions = IdPool()
        self.ended_subscriptions = IdPool()
        self._events_by_id: dict[str, AccountEvent] = {}
        self._history: dict[str, list[AccountEvent]] = {}
        self._subscriptions_of: dict[str, list[str]] = {}
        self._last_stamp: dict[str, int] = {}

    def begin(self, state: StripeObject, *, at: int, stamped_late_seconds: int = 0) -> AccountEvent:
        """Create an object; its event may be stamped later than the updates that follow it."""
        self._store(state)
        if isinstance(state, Customer):
            self.customer_order.add(state.id, created=state.created)
        else:
            self.subscription_order.add(state.id, created=state.created)
            self._subscriptions_of.setdefault(state.customer, []).append(state.id)
        created = self._stamp(state, at) + stamped_late_seconds
        return self._record(f"{_family(state)}.created", state, created=created)

    def change(self, state: StripeObject, *, at: int) -> AccountEvent | None:
        """Put an object in a new state, with an `updated` event; None when it was in it already."""
        before = self.find(state.id)
        if before is None or before == state:
            return None
        self._store(state)
        return self._record(f"{_family(state)}.updated", state, created=self._stamp(state, at), before=before)

    def announce(self, occasion: str, state: StripeObject, *, at: int) -> AccountEvent:
        """Record an event (`trial_will_end`, `paused`) that changes nothing."""
        return self._record(f"{_family(state)}.{occasion}", state, created=self._stamp(state, at))

    def end(self, state: StripeObject, *, at: int) -> AccountEvent:
        """End a subscription or delete a customer; the event shows the last state and no trace of before."""
        self._store(state)
        return self._record(f"{_family(state)}.deleted", state, created=self._stamp(state, at))

    def forget_events(self) -> None:
        """Forget every event so far, as Stripe does after thirty days; the objects stay."""
        self.events = []
        self.event_order = CreationOrder()
        self._events_by_id = {}
        self._history = {}

    def find(self, object_id: str) -> StripeObject | None:
        """The current state of a customer or a subscription."""
        return self.customers.get(object_id) or self.subscriptions.get(object_id)

    def event(self, event_id: str) -> AccountEvent | None:
        """One event by its id."""
        return self._events_by_id.get(event_id)

    def history(self, object_id: str) -> list[AccountEvent]:
        """An object's events in the order they truly happened."""
        return self._history.get(object_id, [])

    def earlier_state(self, object_id: str) -> StripeObject | None:
        """The state one event ago, as a reader served by a lagging replica sees it."""
        past = self.history(object_id)[-2:]
        return past[0].state if past else self.find(object_id)

    def subscriptions_of(self, customer_id: str) -> list[Subscription]:
        """A customer's subscriptions, ended ones too."""
        return [self.subscriptions[an_id] for an_id in self._subscriptions_of.get(customer_id, [])]

    def _store(self, state: StripeObject) -> None:
        if isinstance(state, Customer):
            self.customers[state.id] = state
            self.live_customers.set(state.id, is_in=not state.deleted)
            return
        self.subscriptions[state.id] = state
        self.live_subscriptions.set(state.id, is_in=not state.is_ended)
        self.ended_subscriptions.set(state.id, is_in=state.is_ended)

    def _stamp(self, state: StripeObject, at: int) -> int:
        # A burst may reach into the next second; later events of the same customer must not be older.
        stamp = max(at, self._last_stamp.get(state.customer, at))
        self._last_stamp[state.customer] = stamp
        return stamp

    def _record(
        self, kind: str, state: StripeObject, *, created: int, before: StripeObject | None = None
    ) -> AccountEvent:
        event = AccountEvent(
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


@dataclass(slots=True)
class Burst:
    """One burst of events, all in the second `at` unless a `pause` runs into the next one."""

    account: Account
    at: int
    ran_over: bool = False

    @property
    def random(self) -> Random:
        """The account's own random generator."""
        return self.account.random

    def happens(self, share: float) -> bool:
        """True in this share of the cases."""
        return self.random.random() < share

    def pause(self) -> None:
        """Let the burst run into the next second sometimes, as a checkout does; never further."""
        if not self.ran_over and self.happens(_NEXT_SECOND_SHARE):
            self.ran_over = True
            self.at += 1

    def customer(self) -> Customer | None:
        """A live customer."""
        an_id = self.account.live_customers.draw(self.random)
        return self.account.customers[an_id] if an_id else None

    def customer_with_email(self, *, other_than: Customer) -> Customer | None:
        """Another live customer with an address, when a few draws find one."""
        drawn = [self.customer() for _ in range(_DRAWS)]
        return next((one for one in drawn if one and one.email and one.id != other_than.id), None)

    def subscription(self, *statuses: str) -> Subscription | None:
        """A subscription that has not ended, in one of these statuses, when a few draws find one."""
        drawn = [self.account.live_subscriptions.draw(self.random) for _ in range(_DRAWS)]
        found = [self.account.subscriptions[an_id] for an_id in drawn if an_id]
        return next((one for one in found if one.status in statuses), None)

    def change(self, state: Customer | Subscription, /, **changed: Any) -> None:
        """Change some fields of an object's current state."""
        current = self.account.find(state.id)
        if current is not None:
            self.account.change(replace(current, **changed), at=self.at)


@dataclass(frozen=True, slots=True)
class Seconds:
    """A half-open range of Unix seconds; None means unbounded."""

    since: int | None = None
    before: int | None = None

    def not_before(self, second: int) -> Seconds:
        """The part of the range from this second on."""
        return Seconds(second if self.since is None else max(second, self.since), self.before)


class CreationOrder:
    """Ids by second, then by arrival; appending is cheap, and so is a late stamp."""

    def __init__(self) -> None:
        self._keys: list[_Key] = []
        self._key_of: dict[str, _Key] = {}

    def __contains__(self, an_id: str) -> bool:
        return an_id in self._key_of

    def __len__(self) -> int:
        return len(self._keys)

    def add(self, an_id: str, *, created: int) -> None:
        """Insert an id at its place; within a second, arrival decides."""
        key = (created, len(self._key_of), an_id)
        self._key_of[an_id] = key
        insort(self._keys, key)

    def newest_first(self, seconds: Seconds, *, after: str | None = None) -> Iterator[str]:
        """The ids of a range from the newest on, or from the one that follows the cursor `after`."""
        low, high = self._bounds(seconds)
        if after is not None:
            high = min(high, bisect_left(self._keys, self._key_of[after]))
        return (self._keys[place][2] for place in range(high - 1, low - 1, -1))

    def oldest_first(self, seconds: Seconds, *, after: str) -> Iterator[str]:
        """The ids of a range that are newer than the cursor, nearest first."""
        low, high = self._bounds(seconds)
        low = max(low, bisect_right(self._keys, self._key_of[after]))
        return (self._keys[place][2] for place in range(low, high))

    def _bounds(self, seconds: Seconds) -> tuple[int, int]:
        low = 0 if seconds.since is None else bisect_left(self._keys, (seconds.since, -1, ""))
        high = (
            len(self._keys) if seconds.before is None else bisect_left(self._keys, (seconds.before, -1, ""))
        )
        return low, high


class IdPool:
    """Ids to draw from at random, the same way for the same seed; removing one fills its place with the last."""

    def __init__(self) -> None:
        self._ids: list[str] = []
        self._place: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._ids)

    def __iter__(self) -> Iterator[str]:
        return iter(self._ids)

    def set(self, an_id: str, *, is_in: bool) -> None:
        """Add or discard an id."""
        if is_in:
            self.add(an_id)
        else:
            self.discard(an_id)

    def add(self, an_id: str) -> None:
        """Add an id; one that is in already stays where it is."""
        if an_id not in self._place:
            self._place[an_id] = len(self._ids)
            self._ids.append(an_id)

    def discard(self, an_id: str) -> None:
        """Remove an id, if it is in."""
        place = self._place.pop(an_id, None)
        if place is None:
            return
        last = self._ids.pop()
        if last != an_id:
            self._ids[place] = last
            self._place[last] = place

    def draw(self, random: Random) -> str | None:
        """One id at random, which stays in; None when there is none."""
        return random.choice(self._ids) if self._ids else None
