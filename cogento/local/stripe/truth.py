"""What the tables must show once everything is applied: the account's state, by the rules of the schema.

Written from the rules (e-mail, deletion), not from the code that applies them, so that the two can be
compared. Knows no database, nor which events of an object are known when some are lost: the caller says so. It is passed from
the simulation to the comparison as lines of JSON, one row each.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar, cast

import msgspec

from cogento.local.stripe.account import Account
from cogento.local.stripe.events import AccountEvent
from cogento.local.stripe.objects import Customer, Item, StripeObject, Subscription

if TYPE_CHECKING:
    from collections.abc import Iterable

STAND_IN_DOMAIN = "placeholder.invalid"
TIE_SECONDS = 2

KnownEvents = Mapping[str, Sequence[str]]
"""By object, the events that are known of it; empty where none is."""

_EVERYTHING: KnownEvents = MappingProxyType({})

S = TypeVar("S", Customer, Subscription)


@dataclass(frozen=True, slots=True, kw_only=True)
class UserTruth:
    """One row of `users`; times in Unix seconds.

    `events` are those that the row may name, with their seconds: the true last one and, where a tie or an
    unchanged row leaves the choice open, those whose snapshot shows the same. Empty: no event shows it.
    """

    stripe_customer_id: str
    email: str
    stripe_email: str | None
    name: str | None
    phone: str | None
    address: Mapping[str, Any] | None
    metadata: Mapping[str, str]
    deleted: bool
    stripe_created_at: int
    events: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionTruth:
    """One row of `subscriptions`, its user named by customer; `events` as for users."""

    stripe_subscription_id: str
    stripe_customer_id: str
    product_id: str
    status: str
    current_period_start: int
    current_period_end: int
    metadata: Mapping[str, str]
    stripe_created_at: int
    items: Sequence[Mapping[str, str | int | None]]
    cancel_at_period_end: bool
    cancel_at: int | None
    canceled_at: int | None
    ended_at: int | None
    trial_end: int | None
    start_date: int
    collection_method: str
    pause_collection: Mapping[str, str | int | None] | None
    events: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Truth:
    """Every row of both tables."""

    users: tuple[UserTruth, ...]
    subscriptions: tuple[SubscriptionTruth, ...]


def truth(account: Account, known_events: KnownEvents = _EVERYTHING) -> Truth:
    """What the tables must show of an account as it is now.

    An object in `known_events` shows what its events there show. An object without any has no row; nor has a
    subscription whose customer is not known.
    """
    customers = list(_last_of(account, account.customers.values(), known_events))
    holders = email_holders(one for one, _ in customers)
    known = {one.id for one, _ in customers}
    subscriptions = _last_of(account, account.subscriptions.values(), known_events)
    return Truth(
        users=tuple(_user(one, holders, events) for one, events in customers),
        subscriptions=tuple(
            _subscription(one, events) for one, events in subscriptions if one.customer in known
        ),
    )


def email_holders(customers: Iterable[Customer]) -> dict[str, str]:
    """The holder of each address, in its canonical form: the oldest live customer that has it, of equally old ones the smaller id."""
    holders: dict[str, str] = {}
    for customer in sorted(customers, key=lambda one: (one.created, one.id)):
        if customer.email and not customer.deleted:
            holders.setdefault(_one_form(customer.email), customer.id)
    return holders


def _one_form(email: str) -> str:
    """Return the canonical form of an address: case, surrounding white space and normal form do not count."""
    return unicodedata.normalize("NFC", email.strip()).lower()


def _last_of(
    account: Account, states: Iterable[S], known_events: KnownEvents
) -> Iterator[tuple[S, Mapping[str, int]]]:
    """Each object's last state, and the events that its row may name, with their seconds."""
    for state in states:
        if state.id not in known_events:
            yield state, _possible_events(account.history(state.id))
        elif showing := [event for event in map(account.event, known_events[state.id]) if event]:
            yield cast("S", showing[0].state), {event.id: event.created for event in showing}


def _user(customer: Customer, holders: Mapping[str, str], events: Mapping[str, int]) -> UserTruth:
    shown = _shown_of_customer(customer)
    address = _one_form(customer.email or "")
    holds_its_address = holders.get(address) == customer.id
    return UserTruth(
        stripe_customer_id=customer.id,
        email=address if holds_its_address else f"{customer.id}@{STAND_IN_DOMAIN}",
        stripe_created_at=customer.created,
        events=events,
        **shown,
    )


def _subscription(subscription: Subscription, events: Mapping[str, int]) -> SubscriptionTruth:
    return SubscriptionTruth(
        stripe_subscription_id=subscription.id,
        stripe_created_at=subscription.created,
        events=events,
        **_shown_of_subscription(subscription),
    )


def _shown_of_customer(customer: Customer) -> dict[str, Any]:
    if customer.deleted:
        return {
            "stripe_email": None,
            "name": None,
            "phone": None,
            "address": None,
            "metadata": {},
            "deleted": True,
        }
    return {
        "stripe_email": customer.email,
        "name": customer.name,
        "phone": customer.phone,
        "address": customer.address,
        "metadata": customer.metadata,
        "deleted": False,
    }


def _shown_of_subscription(subscription: Subscription) -> dict[str, Any]:
    return {
        "stripe_customer_id": subscription.customer,
        "product_id": subscription.product,
        "status": subscription.status,
        "current_period_start": subscription.period_start,
        "current_period_end": subscription.period_end,
        "metadata": subscription.metadata,
        "items": [_item(item) for item in subscription.oldest_first],
        "cancel_at_period_end": subscription.cancel_at_period_end,
        "cancel_at": subscription.cancel_at,
        "canceled_at": subscription.canceled_at,
        "ended_at": subscription.ended_at,
        "trial_end": subscription.trial_end,
        "start_date": subscription.created,
        "collection_method": subscription.collection_method,
        "pause_collection": {"behavior": subscription.paused_collection, "resumes_at": None}
        if subscription.paused_collection
        else None,
    }


def _item(item: Item) -> dict[str, str | int | None]:
    return {
        "id": item.id,
        "created": item.created,
        "price": item.price.id,
        "product": item.price.product,
        "quantity": item.quantity,
        "unit_amount": item.price.amount,
        "currency": "eur",
        "interval": item.price.interval,
        "interval_count": 1,
    }


def _shown(state: StripeObject) -> dict[str, Any]:
    return _shown_of_customer(state) if isinstance(state, Customer) else _shown_of_subscription(state)


def _possible_events(history: Sequence[AccountEvent]) -> dict[str, int]:
    if not history:
        return {}
    last = history[-1]
    wanted = _shown(last.state)
    newest_first = list(reversed(history))
    unchanged = takewhile(lambda event: _shown(event.state) == wanted, newest_first)
    tied = takewhile(lambda event: abs(event.created - last.created) <= TIE_SECONDS, newest_first)
    same = (*unchanged, *(event for event in tied if _shown(event.state) == wanted))
    return {event.id: event.created for event in same}


class _Line(msgspec.Struct):
    table: str
    row: msgspec.Raw


def write_truth(truth: Truth) -> bytes:
    """Every row as `{"table": …, "row": {…}}`, a line each."""
    rows: Iterable[tuple[str, Any]] = (
        *(("users", row) for row in truth.users),
        *(("subscriptions", row) for row in truth.subscriptions),
    )
    return b"".join(msgspec.json.encode({"table": table, "row": row}) + b"\n" for table, row in rows)


def read_truth(lines: bytes) -> Truth:
    """Read what `write_truth` wrote; raises msgspec.MsgspecError for anything else."""
    parsed = [msgspec.json.decode(line, type=_Line) for line in lines.splitlines()]
    return Truth(
        users=tuple(msgspec.json.decode(one.row, type=UserTruth) for one in parsed if one.table == "users"),
        subscriptions=tuple(
            msgspec.json.decode(one.row, type=SubscriptionTruth)
            for one in parsed
            if one.table == "subscriptions"
        ),
    )
