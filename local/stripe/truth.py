"""What the tables must show once everything is applied: the account's state, by the rules of the schema.

Written from the rules (e-mail, deletion), not from the code that applies them, so that the two can be
compared. Knows no database.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence  # noqa: TC003 - msgspec reads the annotations
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

from local.stripe.account import Account
from local.stripe.event import Event
from local.stripe.objects import Customer, StripeObject, Subscription

STAND_IN_DOMAIN = "placeholder.invalid"
TIE_SECONDS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class UserTruth:
    """One row of `users`; times in Unix seconds.

    `events` are those that the row may name, with their seconds: the true last one and, where a tie or an
    unchanged row leaves the choice open, those whose snapshot shows the same. Empty: no event tells of it.
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
    events: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Truth:
    """Every row of both tables."""

    users: tuple[UserTruth, ...]
    subscriptions: tuple[SubscriptionTruth, ...]


def truth(account: Account) -> Truth:
    """What the tables must show of an account as it is now."""
    holders = email_holders(account.customers.values())
    return Truth(
        users=tuple(_user(account, one, holders) for one in account.customers.values()),
        subscriptions=tuple(_subscription(account, one) for one in account.subscriptions.values()),
    )


def email_holders(customers: Iterable[Customer]) -> dict[str, str]:
    """Whose each address is: the oldest live customer's that has it, then the smaller id's."""
    holders: dict[str, str] = {}
    for customer in sorted(customers, key=lambda one: (one.created, one.id)):
        if customer.email and not customer.deleted:
            holders.setdefault(customer.email, customer.id)
    return holders


def _user(account: Account, customer: Customer, holders: Mapping[str, str]) -> UserTruth:
    shown = _shown_of_customer(customer)
    holds_its_address = holders.get(customer.email or "") == customer.id
    return UserTruth(
        stripe_customer_id=customer.id,
        email=str(customer.email) if holds_its_address else f"{customer.id}@{STAND_IN_DOMAIN}",
        stripe_created_at=customer.created,
        events=_possible_events(account.history(customer.id)),
        **shown,
    )


def _subscription(account: Account, subscription: Subscription) -> SubscriptionTruth:
    return SubscriptionTruth(
        stripe_subscription_id=subscription.id,
        stripe_created_at=subscription.created,
        events=_possible_events(account.history(subscription.id)),
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
        "product_id": subscription.items[0].price.product,
        "status": subscription.status,
        "current_period_start": subscription.period_start,
        "current_period_end": subscription.period_end,
        "metadata": subscription.metadata,
    }


def _shown(state: StripeObject) -> dict[str, Any]:
    return _shown_of_customer(state) if isinstance(state, Customer) else _shown_of_subscription(state)


def _possible_events(history: Sequence[Event]) -> dict[str, int]:
    if not history:
        return {}
    last = history[-1]
    wanted = _shown(last.state)
    newest_first = list(reversed(history))
    unchanged = takewhile(lambda event: _shown(event.state) == wanted, newest_first)
    tied = takewhile(lambda event: abs(event.created - last.created) <= TIE_SECONDS, newest_first)
    same = (*unchanged, *(event for event in tied if _shown(event.state) == wanted))
    return {event.id: event.created for event in same}
