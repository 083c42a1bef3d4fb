"""The state of a simulated customer and subscription, as frozen values that events can share.

Only what can differ is kept; `shapes` turns a state into the JSON of an API version. Mappings inside
are never changed in place.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

SECONDS_A_DAY = 86_400
INTERVAL_SECONDS = {"month": 30 * SECONDS_A_DAY, "year": 365 * SECONDS_A_DAY}
ENDED = frozenset({"canceled", "incomplete_expired"})


@dataclass(frozen=True, slots=True)
class Price:
    """One price of the catalogue; `amount` in cents."""

    id: str
    product: str
    amount: int
    interval: str
    nickname: str | None = None

    def end_of_period(self, start: int) -> int:
        """When a period that starts at `start` ends; months have thirty days here."""
        return start + INTERVAL_SECONDS[self.interval]


CATALOGUE = (
    Price("price_1TsBasicMonthly", "prod_TsBasic0000001", 900, "month"),
    Price("price_1TsBasicYearly", "prod_TsBasic0000001", 9_000, "year", "Basic, yearly"),
    Price("price_1TsPlusMonthly", "prod_TsPlus00000002", 1_900, "month", "Plus"),
    Price("price_1TsTeamMonthly", "prod_TsTeam00000003", 4_900, "month"),
    Price("price_1TsTeamYearly", "prod_TsTeam00000003", 49_000, "year"),
    Price("price_1TsMemberYearly", "prod_TsMember000004", 12_100, "year", "Membership"),
    Price("price_1TsSupportMonthly", "prod_TsSupport00005", 2_500, "month"),
)


@dataclass(frozen=True, slots=True)
class Item:
    """One item of a subscription, with its own period, as API versions since 2025-03-31 have it."""

    id: str
    created: int
    price: Price
    quantity: int
    period_start: int
    period_end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Customer:
    """A customer; times in Unix seconds."""

    id: str
    created: int
    invoice_prefix: str
    email: str | None = None
    name: str | None = None
    phone: str | None = None
    address: Mapping[str, str | None] | None = None
    metadata: Mapping[str, str]
    balance: int = 0
    delinquent: bool = False
    default_payment_method: str | None = None
    next_invoice_sequence: int = 1
    last_invoice_number: int = 0
    deleted: bool = False

    @property
    def customer(self) -> str:
        """The customer's own id, under the same name as a subscription's."""
        return self.id


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """A subscription; times in Unix seconds."""

    id: str
    customer: str
    created: int
    status: str
    items: tuple[Item, ...]
    metadata: Mapping[str, str]
    billing_cycle_anchor: int
    latest_invoice: str | None = None
    default_payment_method: str | None = None
    cancel_at_period_end: bool = False
    canceled_at: int | None = None
    cancellation_reason: str | None = None
    ended_at: int | None = None
    trial_start: int | None = None
    trial_end: int | None = None
    paused_collection: str | None = None
    collection_method: str = "charge_automatically"

    @property
    def is_ended(self) -> bool:
        """Whether nothing but metadata and dates can change any more."""
        return self.status in ENDED

    @property
    def period_start(self) -> int:
        """The latest start among the items, as Stripe shows it for mixed intervals.

        https://docs.stripe.com/billing/subscriptions/mixed-interval: "the latest `current_period_start` and earliest
        `current_period_end` of all the items".
        """
        return max(item.period_start for item in self.items)

    @property
    def period_end(self) -> int:
        """The earliest end among the items."""
        return min(item.period_end for item in self.items)

    @property
    def cancel_at(self) -> int | None:
        """When a planned end comes."""
        return self.period_end if self.cancel_at_period_end else None

    @property
    def oldest_first(self) -> list[Item]:
        """The items by their age, wherever they are listed."""
        return sorted(self.items, key=lambda item: (item.created, item.id))

    @property
    def product(self) -> str:
        """What the oldest item sells."""
        return self.oldest_first[0].price.product


StripeObject = Customer | Subscription
