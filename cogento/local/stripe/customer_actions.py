"""What can happen to a customer: each function is one burst of events, or nothing when it does not apply."""

from __future__ import annotations

from dataclasses import replace

from cogento.local.stripe import people
from cogento.local.stripe.identifiers import new_id
from cogento.local.stripe.objects import Customer
from cogento.local.stripe.scene import Scene

_WITHOUT_EMAIL_SHARE = 0.05
_LATE_STAMP_SHARE = 0.02
_LATEST_STAMP_SECONDS = 6


def new_customer(scene: Scene) -> Customer:
    """Create a customer, now and then without an address, or with an event that is stamped late."""
    random = scene.random
    customer = Customer(
        id=new_id("cus", random),
        created=scene.at,
        invoice_prefix=f"{random.randrange(16**8):08X}",
        email=None if scene.happens(_WITHOUT_EMAIL_SHARE) else people.email(random),
        name=people.name(random),
        metadata=people.customer_metadata(random),
    )
    scene.account.begin(customer, at=scene.at, stamped_late_seconds=late_stamp(scene))
    return customer


def late_stamp(scene: Scene) -> int:
    """How much later than it happened a creation is stamped; mostly 0."""
    return scene.random.randint(1, _LATEST_STAMP_SECONDS) if scene.happens(_LATE_STAMP_SHARE) else 0


def edit_metadata(scene: Scene) -> None:
    """An application notes something on a customer."""
    if customer := scene.customer():
        scene.change(customer, metadata=people.edited(dict(customer.metadata), scene.random))


def waver(scene: Scene) -> None:
    """Metadata goes there and back, once or twice, ending where it began or not, within a second."""
    if not (customer := scene.customer()):
        return
    there = people.edited(dict(customer.metadata), scene.random)
    for step in range(scene.random.randint(2, 5)):
        scene.change(customer, metadata=customer.metadata if step % 2 else there)


def rename(scene: Scene) -> None:
    """A name changes, often in the same second as the postal address."""
    if customer := scene.customer():
        scene.change(customer, name=people.name(scene.random))
        if scene.happens(0.5):
            scene.change(customer, address=people.postal_address(scene.random))


def move_house(scene: Scene) -> None:
    """Postal address and phone change together, or are both removed."""
    if not (customer := scene.customer()):
        return
    if scene.happens(0.2):
        scene.change(customer, address=None, phone=None)
    else:
        scene.change(customer, address=people.postal_address(scene.random), phone=people.phone(scene.random))


def change_email(scene: Scene) -> None:
    """A new address, or the first."""
    if customer := scene.customer():
        scene.change(customer, email=people.email(scene.random))


def drop_email(scene: Scene) -> None:
    """A customer is left without an address."""
    if customer := scene.customer():
        scene.change(customer, email=None)


def share_email(scene: Scene) -> None:
    """One customer takes the address that another one has."""
    one = scene.customer()
    if one and (other := scene.customer_with_email(other_than=one)):
        scene.change(one, email=other.email)


def swap_emails(scene: Scene) -> None:
    """Two customers exchange their addresses within a second."""
    one = scene.customer()
    if one and (other := scene.customer_with_email(other_than=one)):
        scene.change(one, email=other.email)
        scene.change(other, email=one.email)


def set_next_invoice_number(scene: Scene) -> None:
    """The next invoice gets another number, also a lower one: any that is "greater than any numbers used".

    https://docs.stripe.com/invoicing/customize ("Set the starting invoice number").
    """
    if customer := scene.customer():
        number = customer.last_invoice_number + scene.random.choice((1, 1, 10, 1000))
        scene.change(customer, next_invoice_sequence=number)


def delete_customer(scene: Scene) -> None:
    """A customer is deleted, and what it subscribed to ends in the same second."""
    if not (customer := scene.customer()):
        return
    for subscription in scene.account.subscriptions_of(customer.id):
        if not subscription.is_ended:
            canceled = replace(subscription, status="canceled", canceled_at=scene.at, ended_at=scene.at)
            scene.account.end(canceled, at=scene.at)
    scene.account.end(replace(customer, deleted=True), at=scene.at)
