"""What can happen to a subscription: each function is one burst of events, or nothing when it does not apply.

The calendar is compressed: a renewal starts the next period now, and a trial or a paid period ends now,
so that a few minutes hold what takes years. Items come, go and change in any order, with mixed intervals.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from cogento.local.stripe import people
from cogento.local.stripe.customer_actions import late_stamp, new_customer
from cogento.local.stripe.identifiers import new_id, new_timed_id
from cogento.local.stripe.objects import CATALOGUE, SECONDS_A_DAY, Customer, Item, Price, Subscription
from cogento.local.stripe.scene import Scene

_TRIAL_SECONDS = 14 * SECONDS_A_DAY
_LIVE = ("active", "trialing", "past_due")
_MOST_ITEMS = 3


def sign_up(scene: Scene) -> None:
    """A checkout: customer, details, subscription, payment; six events or more in a second or two."""
    customer = new_customer(scene)
    scene.change(customer, address=people.postal_address(scene.random))
    scene.pause()
    if not scene.happens(0.1):
        subscribe(scene, customer)


def subscribe(scene: Scene, customer: Customer) -> None:
    """Start a subscription with a trial, or with a payment that succeeds or leaves it incomplete."""
    if scene.happens(0.2):
        trial = {"trial_start": scene.at, "trial_end": scene.at + _TRIAL_SECONDS}
        _begin(scene, customer, status="trialing", **trial)
        return
    subscription = _begin(scene, customer, status="incomplete")
    if not scene.happens(0.08):
        scene.pause()
        _pay(scene, subscription)


def subscribe_again(scene: Scene) -> None:
    """A customer takes another subscription."""
    if customer := scene.customer():
        subscribe(scene, customer)


def pay_late(scene: Scene) -> None:
    """An incomplete subscription is paid after all."""
    if subscription := scene.subscription("incomplete"):
        _pay(scene, subscription)


def expire(scene: Scene) -> None:
    """An incomplete subscription is never paid."""
    if subscription := scene.subscription("incomplete"):
        scene.change(subscription, status="incomplete_expired", ended_at=scene.at)


def change_plan(scene: Scene) -> None:
    """Another price; when its interval differs the period starts anew."""
    if not (subscription := scene.subscription(*_LIVE)):
        return
    item = scene.random.choice(subscription.items)
    price = scene.random.choice([one for one in CATALOGUE if one != item.price])
    changed = replace(item, price=price)
    if price.interval != item.price.interval:
        changed = _started_at(changed, scene.at)
    items = _with_changed(subscription.items, changed)
    scene.change(subscription, items=items, latest_invoice=_invoice(scene))


def change_interval_on_its_anchor(scene: Scene) -> None:
    """Another interval under flexible billing, which keeps the anchor: the period can start earlier than before.

    https://docs.stripe.com/billing/subscriptions/billing-mode/compare ("Reset the billing cycle anchor").
    """
    if not (subscription := scene.subscription(*_LIVE)):
        return
    item, anchor = scene.random.choice(subscription.items), subscription.billing_cycle_anchor
    price = scene.random.choice([one for one in CATALOGUE if one.interval != item.price.interval])
    changed = replace(item, price=price, period_start=anchor, period_end=price.end_of_period(anchor))
    items = _with_changed(subscription.items, changed)
    scene.change(subscription, items=items, latest_invoice=_invoice(scene))


def change_quantity(scene: Scene) -> None:
    """More or fewer seats, and sometimes back within the second."""
    if not (subscription := scene.subscription(*_LIVE)):
        return
    item = scene.random.choice(subscription.items)
    seats = scene.random.choice([n for n in range(1, 12) if n != item.quantity])
    scene.change(subscription, items=_with_changed(subscription.items, replace(item, quantity=seats)))
    if scene.happens(0.3):
        scene.change(subscription, items=subscription.items)


def add_or_remove_item(scene: Scene) -> None:
    """An item comes, perhaps with another interval and listed anywhere, or one of several goes."""
    if not (subscription := scene.subscription("active")):
        return
    items = list(subscription.items)
    if len(items) == _MOST_ITEMS or (len(items) > 1 and scene.happens(0.5)):
        items.remove(scene.random.choice(items))
    else:
        price = scene.random.choice([one for one in CATALOGUE if one not in [item.price for item in items]])
        items.insert(scene.random.randint(0, len(items)), _item(scene, price))
    scene.change(subscription, items=tuple(items))


def edit_metadata(scene: Scene) -> None:
    """An application notes something on a subscription."""
    if subscription := scene.subscription(*_LIVE, "unpaid", "paused", "incomplete"):
        scene.change(subscription, metadata=people.edited(dict(subscription.metadata), scene.random))


def waver(scene: Scene) -> None:
    """Metadata or the status goes there and back within a second."""
    if not (subscription := scene.subscription("active")):
        return
    there: dict[str, Any] = scene.random.choice(
        ({"status": "past_due"}, {"metadata": people.edited(dict(subscription.metadata), scene.random)})
    )
    back = {name: getattr(subscription, name) for name in there}
    for step in range(scene.random.randint(2, 5)):
        scene.change(subscription, **(back if step % 2 else there))


def edit_after_the_end(scene: Scene) -> None:
    """A canceled subscription of a live customer still takes notes."""
    an_id = scene.account.ended_subscriptions.draw(scene.random)
    if an_id is None:
        return
    subscription = scene.account.subscriptions[an_id]
    if not scene.account.customers[subscription.customer].deleted:
        scene.change(subscription, metadata=people.edited(dict(subscription.metadata), scene.random))


def announce_trial_end(scene: Scene) -> None:
    """Stripe says that a trial will end; nothing changes."""
    if subscription := scene.subscription("trialing"):
        scene.account.announce("trial_will_end", subscription, at=scene.at)


def end_trial(scene: Scene) -> None:
    """A trial ends: paid, unpaid, or paused for want of a payment method."""
    if not (subscription := scene.subscription("trialing")):
        return
    status = scene.random.choice(("active", "active", "active", "past_due", "paused"))
    items = tuple(_started_at(item, scene.at) for item in subscription.items)
    scene.change(subscription, status=status, trial_end=scene.at, items=items, latest_invoice=_invoice(scene))
    if status == "paused":
        _announce_current(scene, "paused", subscription)


def renew(scene: Scene) -> None:
    """A period ends and the next is paid."""
    if subscription := scene.subscription("active"):
        _start_period(scene, subscription)
        _bump_invoices(scene, subscription, delinquent=False)


def fail_payment(scene: Scene) -> None:
    """A period ends and the next is not paid: two changes of the subscription and one of its customer."""
    if subscription := scene.subscription("active"):
        _start_period(scene, subscription)
        scene.pause()
        scene.change(subscription, status="past_due")
        _bump_invoices(scene, subscription, delinquent=True)


def recover(scene: Scene) -> None:
    """A late payment arrives."""
    if subscription := scene.subscription("past_due", "unpaid"):
        scene.change(subscription, status="active")
        _bump_invoices(scene, subscription, delinquent=False)


def give_up(scene: Scene) -> None:
    """The last attempt to collect fails: unpaid or canceled, as the account is set up."""
    if not (subscription := scene.subscription("past_due")):
        return
    if scene.happens(0.5):
        scene.change(subscription, status="unpaid")
    else:
        _cancel(scene, subscription, reason="payment_failed")


def resume(scene: Scene) -> None:
    """A paused subscription goes on, with a new period."""
    if subscription := scene.subscription("paused"):
        items = tuple(_started_at(item, scene.at) for item in subscription.items)
        scene.change(subscription, status="active", items=items, billing_cycle_anchor=scene.at)
        _announce_current(scene, "resumed", subscription)


def pause_or_resume_collection(scene: Scene) -> None:
    """Collecting pauses, or goes on; the status stays."""
    if subscription := scene.subscription("active"):
        scene.change(subscription, paused_collection=None if subscription.paused_collection else "void")


def schedule_or_keep(scene: Scene) -> None:
    """A customer plans to leave at the end of the period, or stays after all."""
    if not (subscription := scene.subscription("active", "trialing")):
        return
    if subscription.cancel_at_period_end:
        scene.change(subscription, cancel_at_period_end=False, canceled_at=None, cancellation_reason=None)
    else:
        scene.change(
            subscription,
            cancel_at_period_end=True,
            canceled_at=scene.at,
            cancellation_reason="cancellation_requested",
        )


def leave_at_period_end(scene: Scene) -> None:
    """A planned end comes."""
    subscription = scene.subscription("active", "trialing")
    if subscription and subscription.cancel_at_period_end:
        ended = replace(subscription, status="canceled", ended_at=scene.at)
        scene.account.end(ended, at=scene.at)


def cancel_now(scene: Scene) -> None:
    """A subscription ends at once, now and then right after another change, and may still take notes."""
    if not (subscription := scene.subscription(*_LIVE, "unpaid", "paused")):
        return
    if scene.happens(0.4):
        scene.change(subscription, metadata=people.edited(dict(subscription.metadata), scene.random))
    _cancel(scene, subscription, reason="cancellation_requested")
    if scene.happens(0.1):
        scene.change(subscription, metadata={"ended": "by support"})


def _begin(scene: Scene, customer: Customer, *, status: str, **fields: Any) -> Subscription:
    subscription = Subscription(
        id=new_timed_id("sub", scene.random, at=scene.at),
        customer=customer.id,
        created=scene.at,
        status=status,
        items=(_item(scene, scene.random.choice(CATALOGUE)),),
        metadata=people.subscription_metadata(scene.random) if scene.happens(0.7) else {},
        billing_cycle_anchor=scene.at,
        latest_invoice=_invoice(scene),
        **fields,
    )
    scene.account.begin(subscription, at=scene.at, stamped_late_seconds=late_stamp(scene))
    return subscription


def _pay(scene: Scene, subscription: Subscription) -> None:
    method = new_timed_id("pm", scene.random, at=scene.at)
    scene.change(subscription, status="active", default_payment_method=method)
    _bump_invoices(scene, subscription, delinquent=False)


def _start_period(scene: Scene, subscription: Subscription) -> None:
    """Renew the items with the shortest interval, and perhaps the others."""
    renewed = {item.price.interval for item in subscription.items}
    if renewed == {"month", "year"} and scene.happens(0.7):
        renewed = {"month"}
    items = tuple(
        _started_at(item, scene.at) if item.price.interval in renewed else item for item in subscription.items
    )
    scene.change(subscription, items=items, latest_invoice=_invoice(scene))


def _bump_invoices(scene: Scene, subscription: Subscription, *, delinquent: bool) -> None:
    customer = scene.account.customers[subscription.customer]
    number = customer.next_invoice_sequence
    scene.change(
        customer, next_invoice_sequence=number + 1, last_invoice_number=number, delinquent=delinquent
    )


def _cancel(scene: Scene, subscription: Subscription, *, reason: str) -> None:
    current = scene.account.subscriptions[subscription.id]
    ended = replace(current, status="canceled", cancellation_reason=reason, ended_at=scene.at)
    scene.account.end(replace(ended, canceled_at=scene.at), at=scene.at)


def _announce_current(scene: Scene, occasion: str, subscription: Subscription) -> None:
    scene.account.announce(occasion, scene.account.subscriptions[subscription.id], at=scene.at)


def _item(scene: Scene, price: Price) -> Item:
    end = price.end_of_period(scene.at)
    return Item(new_id("si", scene.random), scene.at, price, 1, scene.at, end)


def _with_changed(items: tuple[Item, ...], changed: Item) -> tuple[Item, ...]:
    return tuple(changed if item.id == changed.id else item for item in items)


def _started_at(item: Item, second: int) -> Item:
    # A burst of the second before may have started a period in this one already.
    start = max(second, item.period_start)
    return replace(item, period_start=start, period_end=item.price.end_of_period(start))


def _invoice(scene: Scene) -> str:
    return new_timed_id("in", scene.random, at=scene.at)
