"""What can happen to a customer: each function is one burst of events, or nothing when it does not apply."""

from __future__ import annotations

from dataclasses import replace

from cogento.local.stripe import fake_data
from cogento.local.stripe.account import Burst
from cogento.local.stripe.fake_data import new_id
from cogento.local.stripe.objects import Customer

_WITHOUT_EMAIL_SHARE = 0.05
_LATE_STAMP_SHARE = 0.02
_LATEST_STAMP_SECONDS = 6


def new_customer(burst: Burst) -> Customer:
    """Create a customer, now and then without an address, or with an event that is stamped late."""
    random = burst.random
    customer = Customer(
        id=new_id("cus", random),
        created=burst.at,
        invoice_prefix=f"{random.randrange(16**8):08X}",
        email=None if burst.happens(_WITHOUT_EMAIL_SHARE) else fake_data.email(random),
        name=fake_data.name(random),
        metadata=fake_data.customer_metadata(random),
    )
    burst.account.begin(customer, at=burst.at, stamped_late_seconds=late_stamp(burst))
    return customer


def late_stamp(burst: Burst) -> int:
    """How much later than it happened a creation is stamped; mostly 0."""
    return burst.random.randint(1, _LATEST_STAMP_SECONDS) if burst.happens(_LATE_STAMP_SHARE) else 0


def edit_metadata(burst: Burst) -> None:
    """An application notes something on a customer."""
    if customer := burst.customer():
        burst.change(customer, metadata=fake_data.edited(dict(customer.metadata), burst.random))


def waver(burst: Burst) -> None:
    """Metadata changes and changes back, once or twice, within a second; it may end where it began."""
    if not (customer := burst.customer()):
        return
    there = fake_data.edited(dict(customer.metadata), burst.random)
    for step in range(burst.random.randint(2, 5)):
        burst.change(customer, metadata=customer.metadata if step % 2 else there)


def rename(burst: Burst) -> None:
    """A name changes, often in the same second as the postal address."""
    if customer := burst.customer():
        burst.change(customer, name=fake_data.name(burst.random))
        if burst.happens(0.5):
            burst.change(customer, address=fake_data.postal_address(burst.random))


def move_house(burst: Burst) -> None:
    """Postal address and phone change together, or are both removed."""
    if not (customer := burst.customer()):
        return
    if burst.happens(0.2):
        burst.change(customer, address=None, phone=None)
    else:
        burst.change(
            customer, address=fake_data.postal_address(burst.random), phone=fake_data.phone(burst.random)
        )


def change_email(burst: Burst) -> None:
    """A new address, or the first."""
    if customer := burst.customer():
        burst.change(customer, email=fake_data.email(burst.random))


def drop_email(burst: Burst) -> None:
    """A customer is left without an address."""
    if customer := burst.customer():
        burst.change(customer, email=None)


def share_email(burst: Burst) -> None:
    """One customer takes the address that another one has."""
    one = burst.customer()
    if one and (other := burst.customer_with_email(other_than=one)):
        burst.change(one, email=other.email)


def swap_emails(burst: Burst) -> None:
    """Two customers exchange their addresses within a second."""
    one = burst.customer()
    if one and (other := burst.customer_with_email(other_than=one)):
        burst.change(one, email=other.email)
        burst.change(other, email=one.email)


def set_next_invoice_number(burst: Burst) -> None:
    """The next invoice gets another number, also a lower one: any that is "greater than any numbers used".

    https://docs.stripe.com/invoicing/customize ("Set the starting invoice number").
    """
    if customer := burst.customer():
        number = customer.last_invoice_number + burst.random.choice((1, 1, 10, 1000))
        burst.change(customer, next_invoice_sequence=number)


def delete_customer(burst: Burst) -> None:
    """A customer is deleted, and what it subscribed to ends in the same second."""
    if not (customer := burst.customer()):
        return
    for subscription in burst.account.subscriptions_of(customer.id):
        if not subscription.is_ended:
            canceled = replace(subscription, status="canceled", canceled_at=burst.at, ended_at=burst.at)
            burst.account.end(canceled, at=burst.at)
    burst.account.end(replace(customer, deleted=True), at=burst.at)
