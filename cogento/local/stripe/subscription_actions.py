"""What can happen to a subscription: each function is one burst of events, or nothing when it does not apply.

The calendar is compressed: a renewal starts the next period now, and a trial or a paid period ends now,
so that a few minutes hold what takes years. Items come, go and change in any order, with mixed intervals.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from cogento.local.stripe import fake_data
from cogento.local.stripe.account import Burst
from cogento.local.stripe.customer_actions import late_stamp, new_customer
from cogento.local.stripe.fake_data import new_id, new_timed_id
from cogento.local.stripe.objects import CATALOGUE, SECONDS_A_DAY, Customer, Item, Price, Subscription

_TRIAL_SECONDS = 14 * SECONDS_A_DAY
_LIVE = ("active", "trialing", "past_due")
_MAX_ITEMS = 3


def sign_up(burst: Burst) -> None:
    """A checkout: customer, details, subscription, payment; six events or more in a second or two."""
    customer = new_customer(burst)
    burst.change(customer, address=fake_data.postal_address(burst.random))
    burst.pause()
    if not burst.happens(0.1):
        subscribe(burst, customer)


def subscribe(burst: Burst, customer: Customer) -> None:
    """Start a subscription with a trial, or with a payment that succeeds or leaves it incomplete."""
    if burst.happens(0.2):
        trial = {"trial_start": burst.at, "trial_end": burst.at + _TRIAL_SECONDS}
        _begin(burst, customer, status="trialing", **trial)
        return
    subscription = _begin(burst, customer, status="incomplete")
    if not burst.happens(0.08):
        burst.pause()
        _pay(burst, subscription)


def subscribe_again(burst: Burst) -> None:
    """A customer takes another subscription."""
    if customer := burst.customer():
        subscribe(burst, customer)


def pay_late(burst: Burst) -> None:
    """An incomplete subscription is paid after all."""
    if subscription := burst.subscription("incomplete"):
        _pay(burst, subscription)


def expire(burst: Burst) -> None:
    """An incomplete subscription is never paid."""
    if subscription := burst.subscription("incomplete"):
        burst.change(subscription, status="incomplete_expired", ended_at=burst.at)


def change_plan(burst: Burst) -> None:
    """Another price; when its interval differs a new period starts."""
    if not (subscription := burst.subscription(*_LIVE)):
        return
    item = burst.random.choice(subscription.items)
    price = burst.random.choice([one for one in CATALOGUE if one != item.price])
    changed = replace(item, price=price)
    if price.interval != item.price.interval:
        changed = _started_at(changed, burst.at)
    items = _with_changed(subscription.items, changed)
    burst.change(subscription, items=items, latest_invoice=_invoice(burst))


def change_interval_on_its_anchor(burst: Burst) -> None:
    """Another interval under flexible billing, which keeps the anchor: the period can start earlier than before.

    https://docs.stripe.com/billing/subscriptions/billing-mode/compare ("Reset the billing cycle anchor").
    """
    if not (subscription := burst.subscription(*_LIVE)):
        return
    item, anchor = burst.random.choice(subscription.items), subscription.billing_cycle_anchor
    price = burst.random.choice([one for one in CATALOGUE if one.interval != item.price.interval])
    changed = replace(item, price=price, period_start=anchor, period_end=price.end_of_period(anchor))
    items = _with_changed(subscription.items, changed)
    burst.change(subscription, items=items, latest_invoice=_invoice(burst))


def change_quantity(burst: Burst) -> None:
    """More or fewer seats, and sometimes back within the second."""
    if not (subscription := burst.subscription(*_LIVE)):
        return
    item = burst.random.choice(subscription.items)
    seats = burst.random.choice([n for n in range(1, 12) if n != item.quantity])
    burst.change(subscription, items=_with_changed(subscription.items, replace(item, quantity=seats)))
    if burst.happens(0.3):
        burst.change(subscription, items=subscription.items)


def add_or_remove_item(burst: Burst) -> None:
    """An item comes, perhaps with another interval and listed anywhere, or one of several goes."""
    if not (subscription := burst.subscription("active")):
        return
    items = list(subscription.items)
    if len(items) == _MAX_ITEMS or (len(items) > 1 and burst.happens(0.5)):
        items.remove(burst.random.choice(items))
    else:
        price = burst.random.choice([one for one in CATALOGUE if one not in [item.price for item in items]])
        items.insert(burst.random.randint(0, len(items)), _item(burst, price))
    burst.change(subscription, items=tuple(items))


def edit_metadata(burst: Burst) -> None:
    """An application notes something on a subscription."""
    if subscription := burst.subscription(*_LIVE, "unpaid", "paused", "incomplete"):
        burst.change(subscription, metadata=fake_data.edited(dict(subscription.metadata), burst.random))


def waver(burst: Burst) -> None:
    """Metadata or the status goes there and back within a second."""
    if not (subscription := burst.subscription("active")):
        return
    there: dict[str, Any] = burst.random.choice(
        ({"status": "past_due"}, {"metadata": fake_data.edited(dict(subscription.metadata), burst.random)})
    )
    back = {name: getattr(subscription, name) for name in there}
    for step in range(burst.random.randint(2, 5)):
        burst.change(subscription, **(back if step % 2 else there))


def edit_after_the_end(burst: Burst) -> None:
    """Metadata of a canceled subscription, whose customer is live, still changes."""
    an_id = burst.account.ended_subscriptions.draw(burst.random)
    if an_id is None:
        return
    subscription = burst.account.subscriptions[an_id]
    if not burst.account.customers[subscription.customer].deleted:
        burst.change(subscription, metadata=fake_data.edited(dict(subscription.metadata), burst.random))


def announce_trial_end(burst: Burst) -> None:
    """Stripe says that a trial will end; nothing changes."""
    if subscription := burst.subscription("trialing"):
        burst.account.announce("trial_will_end", subscription, at=burst.at)


def end_trial(burst: Burst) -> None:
    """A trial ends: paid, unpaid, or paused for want of a payment method."""
    if not (subscription := burst.subscription("trialing")):
        return
    status = burst.random.choice(("active", "active", "active", "past_due", "paused"))
    items = tuple(_started_at(item, burst.at) for item in subscription.items)
    burst.change(subscription, status=status, trial_end=burst.at, items=items, latest_invoice=_invoice(burst))
    if status == "paused":
        _announce_current(burst, "paused", subscription)


def renew(burst: Burst) -> None:
    """A period ends and the next is paid."""
    if subscription := burst.subscription("active"):
        _start_period(burst, subscription)
        _bump_invoices(burst, subscription, delinquent=False)


def fail_payment(burst: Burst) -> None:
    """A period ends and the next is not paid: two changes of the subscription and one of its customer."""
    if subscription := burst.subscription("active"):
        _start_period(burst, subscription)
        burst.pause()
        burst.change(subscription, status="past_due")
        _bump_invoices(burst, subscription, delinquent=True)


def recover(burst: Burst) -> None:
    """A late payment arrives."""
    if subscription := burst.subscription("past_due", "unpaid"):
        burst.change(subscription, status="active")
        _bump_invoices(burst, subscription, delinquent=False)


def give_up(burst: Burst) -> None:
    """The last attempt to collect fails: unpaid or canceled, as the account is set up."""
    if not (subscription := burst.subscription("past_due")):
        return
    if burst.happens(0.5):
        burst.change(subscription, status="unpaid")
    else:
        _cancel(burst, subscription, reason="payment_failed")


def resume(burst: Burst) -> None:
    """A paused subscription goes on, with a new period."""
    if subscription := burst.subscription("paused"):
        items = tuple(_started_at(item, burst.at) for item in subscription.items)
        burst.change(subscription, status="active", items=items, billing_cycle_anchor=burst.at)
        _announce_current(burst, "resumed", subscription)


def pause_or_resume_collection(burst: Burst) -> None:
    """Collection pauses or resumes; the status stays."""
    if subscription := burst.subscription("active"):
        burst.change(subscription, paused_collection=None if subscription.paused_collection else "void")


def change_collection(burst: Burst) -> None:
    """From now on an invoice is sent, or the payment method charged again."""
    if subscription := burst.subscription("active"):
        other = {"charge_automatically": "send_invoice"}.get(subscription.collection_method)
        burst.change(subscription, collection_method=other or "charge_automatically")


def schedule_or_keep(burst: Burst) -> None:
    """A customer plans to leave at the end of the period, or stays after all."""
    if not (subscription := burst.subscription("active", "trialing")):
        return
    if subscription.cancel_at_period_end:
        burst.change(subscription, cancel_at_period_end=False, canceled_at=None, cancellation_reason=None)
    else:
        burst.change(
            subscription,
            cancel_at_period_end=True,
            canceled_at=burst.at,
            cancellation_reason="cancellation_requested",
        )


def leave_at_period_end(burst: Burst) -> None:
    """A planned end comes."""
    subscription = burst.subscription("active", "trialing")
    if subscription and subscription.cancel_at_period_end:
        ended = replace(subscription, status="canceled", ended_at=burst.at)
        burst.account.end(ended, at=burst.at)


def cancel_now(burst: Burst) -> None:
    """A subscription ends at once, now and then right after another change, and its metadata may still change."""
    if not (subscription := burst.subscription(*_LIVE, "unpaid", "paused")):
        return
    if burst.happens(0.4):
        burst.change(subscription, metadata=fake_data.edited(dict(subscription.metadata), burst.random))
    _cancel(burst, subscription, reason="cancellation_requested")
    if burst.happens(0.1):
        burst.change(subscription, metadata={"ended": "by support"})


def _begin(burst: Burst, customer: Customer, *, status: str, **fields: Any) -> Subscription:
    subscription = Subscription(
        id=new_timed_id("sub", burst.random, at=burst.at),
        customer=customer.id,
        created=burst.at,
        status=status,
        items=(_item(burst, burst.random.choice(CATALOGUE)),),
        metadata=fake_data.subscription_metadata(burst.random) if burst.happens(0.7) else {},
        billing_cycle_anchor=burst.at,
        latest_invoice=_invoice(burst),
        **fields,
    )
    burst.account.begin(subscription, at=burst.at, stamped_late_seconds=late_stamp(burst))
    return subscription


def _pay(burst: Burst, subscription: Subscription) -> None:
    method = new_timed_id("pm", burst.random, at=burst.at)
    burst.change(subscription, status="active", default_payment_method=method)
    _bump_invoices(burst, subscription, delinquent=False)


def _start_period(burst: Burst, subscription: Subscription) -> None:
    """Renew the items with the shortest interval, and perhaps the others."""
    renewed = {item.price.interval for item in subscription.items}
    if renewed == {"month", "year"} and burst.happens(0.7):
        renewed = {"month"}
    items = tuple(
        _started_at(item, burst.at) if item.price.interval in renewed else item for item in subscription.items
    )
    burst.change(subscription, items=items, latest_invoice=_invoice(burst))


def _bump_invoices(burst: Burst, subscription: Subscription, *, delinquent: bool) -> None:
    customer = burst.account.customers[subscription.customer]
    number = customer.next_invoice_sequence
    burst.change(
        customer, next_invoice_sequence=number + 1, last_invoice_number=number, delinquent=delinquent
    )


def _cancel(burst: Burst, subscription: Subscription, *, reason: str) -> None:
    current = burst.account.subscriptions[subscription.id]
    ended = replace(current, status="canceled", cancellation_reason=reason, ended_at=burst.at)
    burst.account.end(replace(ended, canceled_at=burst.at), at=burst.at)


def _announce_current(burst: Burst, occasion: str, subscription: Subscription) -> None:
    burst.account.announce(occasion, burst.account.subscriptions[subscription.id], at=burst.at)


def _item(burst: Burst, price: Price) -> Item:
    end = price.end_of_period(burst.at)
    return Item(new_id("si", burst.random), burst.at, price, 1, burst.at, end)


def _with_changed(items: tuple[Item, ...], changed: Item) -> tuple[Item, ...]:
    return tuple(changed if item.id == changed.id else item for item in items)


def _started_at(item: Item, second: int) -> Item:
    # A burst of the previous second may already have started a period in this one.
    start = max(second, item.period_start)
    return replace(item, period_start=start, period_end=item.price.end_of_period(start))


def _invoice(burst: Burst) -> str:
    return new_timed_id("in", burst.random, at=burst.at)
