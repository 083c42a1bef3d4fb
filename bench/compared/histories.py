"""Eighteen short histories on which mirrors of Stripe go wrong: what happens at Stripe, and in which order webhooks bring it.

Most are one second long, or arrive in another order than they happened in; the last ones come as during an upgrade of the API
version. Event ids say nothing about the order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from cogento.local.stripe.events import webhook_body
from cogento.local.stripe.objects import CATALOGUE, Customer, Item, Subscription
from cogento.local.stripe.shapes import LEGACY

if TYPE_CHECKING:
    from cogento.local.stripe.account import Account
    from cogento.local.stripe.events import AccountEvent

BEGIN = 1_785_000_000


@dataclass
class Story:
    """What happens at Stripe to one customer with one subscription; each method is one event, and returns it."""

    account: Account
    number: int
    customer: Customer = field(init=False)
    subscription: Subscription = field(init=False)

    def __post_init__(self) -> None:
        self.customer = Customer(
            id=f"cus_case{self.number:010d}",
            created=BEGIN,
            invoice_prefix=f"{self.number:08X}",
            email=f"case{self.number}@example.com",
            name="First Name",
            metadata={},
        )
        self.subscription = Subscription(
            id=f"sub_case{self.number:010d}",
            customer=self.customer.id,
            created=BEGIN,
            status="active",
            items=(self.item(0),),
            metadata={},
            billing_cycle_anchor=BEGIN,
        )

    def item(self, which: int) -> Item:
        """An item of its own for each of the catalogue's prices."""
        price = CATALOGUE[which]
        return Item(
            f"si_case{self.number:08d}{which}", BEGIN + which, price, 1, BEGIN, price.end_of_period(BEGIN)
        )

    def signs_up(self, at: int = -100) -> AccountEvent:
        """The customer is created."""
        return self.account.begin(self.customer, at=BEGIN + at)

    def is_renamed(self, at: int) -> AccountEvent:
        """The customer's name changes."""
        self.customer = replace(self.customer, name="Other Name")
        return _happened(self.account.change(self.customer, at=BEGIN + at))

    def is_deleted(self, at: int) -> AccountEvent:
        """The customer is deleted."""
        self.customer = replace(self.customer, deleted=True)
        return self.account.end(self.customer, at=BEGIN + at)

    def subscribes(self, at: int = 0, **fields: Any) -> AccountEvent:
        """The subscription is created."""
        self.subscription = replace(self.subscription, **fields)
        return self.account.begin(self.subscription, at=BEGIN + at)

    def changes(self, at: int, **fields: Any) -> AccountEvent:
        """The subscription changes."""
        self.subscription = replace(self.subscription, **fields)
        return _happened(self.account.change(self.subscription, at=BEGIN + at))

    def ends(self, at: int) -> AccountEvent:
        """The subscription is canceled."""
        ended = BEGIN + at
        self.subscription = replace(self.subscription, status="canceled", canceled_at=ended, ended_at=ended)
        return self.account.end(self.subscription, at=ended)


def _happened(event: AccountEvent | None) -> AccountEvent:
    assert event is not None
    return event


Deliveries = Sequence[bytes]
"""Bodies of webhooks, in the order in which they come."""


def shown(*events: AccountEvent) -> Deliveries:
    """Return the webhooks of these events."""
    return tuple(webhook_body(event) for event in events)


def in_old(event: AccountEvent) -> bytes:
    """Return the webhook of an endpoint with an old API version."""
    return webhook_body(event, api_version=LEGACY)


def created_then_updated(story: Story) -> Deliveries:
    """Created incomplete and active within one second."""
    return shown(story.signs_up(), story.subscribes(status="incomplete"), story.changes(0, status="active"))


def updated_then_created(story: Story) -> Deliveries:
    """The same; the creation comes last."""
    signed_up, created, updated = created_then_updated(story)
    return signed_up, updated, created


def updated_then_canceled(story: Story) -> Deliveries:
    """Past due and canceled within one second."""
    begun = story.signs_up(), story.subscribes()
    return shown(*begun, story.changes(50, status="past_due"), story.ends(50))


def canceled_then_updated(story: Story) -> Deliveries:
    """The same; the cancellation comes first."""
    *begun, updated, canceled = updated_then_canceled(story)
    return *begun, canceled, updated


def renamed_then_deleted(story: Story) -> Deliveries:
    """A customer is renamed and deleted within one second."""
    return shown(story.signs_up(), story.is_renamed(50), story.is_deleted(50))


def deleted_then_renamed(story: Story) -> Deliveries:
    """The same; the deletion comes first."""
    signed_up, renamed, deleted = renamed_then_deleted(story)
    return signed_up, deleted, renamed


def canceled_then_an_older_update(story: Story) -> Deliveries:
    """An update of half a minute before comes after the cancellation."""
    signed_up, begun = story.signs_up(), story.subscribes()
    updated, canceled = story.changes(20, status="past_due"), story.ends(50)
    return shown(signed_up, begun, canceled, updated)


def deleted_then_an_older_rename(story: Story) -> Deliveries:
    """A rename of half a minute before comes after the customer's deletion."""
    signed_up, renamed, deleted = story.signs_up(), story.is_renamed(20), story.is_deleted(50)
    return shown(signed_up, deleted, renamed)


def item_replaced_then_created(story: Story) -> Deliveries:
    """The item is replaced by another; the creation, with the first, comes after that."""
    signed_up, created = story.signs_up(), story.subscribes()
    return shown(signed_up, story.changes(50, items=(story.item(1),)), created)


def item_replaced_in_one_second(story: Story) -> Deliveries:
    """The item is replaced by another within the second of the creation."""
    return shown(story.signs_up(), story.subscribes(), story.changes(0, items=(story.item(1),)))


def item_removed_then_an_older_update(story: Story) -> Deliveries:
    """One of two items is removed; an older update, which still has both, comes after that."""
    both = (story.item(0), story.item(1))
    signed_up, begun = story.signs_up(), story.subscribes(items=both)
    updated, removed = story.changes(20, metadata={"k": "1"}), story.changes(50, items=both[:1])
    return shown(signed_up, begun, removed, updated)


def there_and_back(story: Story) -> Deliveries:
    """Past due and active again within one second."""
    begun = story.signs_up(), story.subscribes()
    return shown(*begun, story.changes(50, status="past_due"), story.changes(50, status="active"))


def before_its_customer(story: Story) -> Deliveries:
    """The subscription comes before its customer, of the same second."""
    signed_up, begun = story.signs_up(0), story.subscribes()
    return shown(begun, signed_up)


def the_same_event_twice(story: Story) -> Deliveries:
    """An event is delivered twice."""
    signed_up, begun = story.signs_up(), story.subscribes()
    return shown(signed_up, begun, begun)


def a_period_on_items_only(story: Story) -> Deliveries:
    """A recent API version, which has the period on the items."""
    return shown(story.signs_up(), story.subscribes())


def old_then_recent(story: Story) -> Deliveries:
    """The creation in an old API version, an update in a recent one."""
    signed_up, begun = story.signs_up(), story.subscribes()
    return (*shown(signed_up), in_old(begun), *shown(story.changes(50, metadata={"k": "1"})))


def both_recent_first(story: Story) -> Deliveries:
    """One update from two endpoints, in a recent API version and then in an old one."""
    begun = shown(story.signs_up(), story.subscribes())
    updated = story.changes(50, metadata={"k": "1"})
    return (*begun, *shown(updated), in_old(updated))


def both_old_first(story: Story) -> Deliveries:
    """The same, the old one first."""
    *begun, recent, old = both_recent_first(story)
    return *begun, old, recent


HISTORIES: Sequence[Callable[[Story], Deliveries]] = (
    created_then_updated,
    updated_then_created,
    updated_then_canceled,
    canceled_then_updated,
    renamed_then_deleted,
    deleted_then_renamed,
    canceled_then_an_older_update,
    deleted_then_an_older_rename,
    item_replaced_then_created,
    item_replaced_in_one_second,
    item_removed_then_an_older_update,
    there_and_back,
    before_its_customer,
    the_same_event_twice,
    a_period_on_items_only,
    old_then_recent,
    both_recent_first,
    both_old_first,
)
