"""Random histories as Stripe sends them: every state a whole object, every event a body in any API version.

The intended history is kept beside what is read from the bodies. The oracle judges the intended one, whose states are names and
columns written here; only the rules depend on how bodies are read.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from msgspec import structs

from cogento.events.event import read_event
from cogento.events.kinds.customer import CustomerColumns
from cogento.events.kinds.subscription import SubscriptionColumns
from cogento.events.versions import Lifecycle, Version
from cogento.local.stripe import events, shapes
from cogento.local.stripe.objects import Customer, Item, StripeObject, Subscription
from tests.support import builders
from tests.support.model.dressing import Moment, lived_by_customer, lived_by_subscription, tell_one_change
from tests.support.model.histories import History, random_history

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from random import Random

    Json = dict[str, Any]

API_VERSIONS = (shapes.LEGACY, *builders.Shape, shapes.DAHLIA)

DIFFERENCES = (events.previous_attributes, builders.previous_attributes)
"""How an object that another one replaced is written: whole, or only what differs."""

SIGHTINGS = ("updated", "paused", "resumed", "trial_will_end", "pending_update_applied")
"""Events of a subscription that can come without previous_attributes; of a customer only the first."""

REFERENCES = ("customer", "latest_invoice")
REQUESTS: tuple[Callable[[str | None], object], ...] = (
    lambda id_: {"id": id_, "idempotency_key": None},
    lambda id_: id_,
)
"""How an event names the request that caused it: before 2017-05-25 by its id alone."""

EXPANDED = 0.2  # share of bodies with expanded objects in place of ids


@dataclass(frozen=True, slots=True)
class Rendered:
    """The intended history, and what was read from two bodies of each of its events."""

    meant: History
    copies: tuple[Version, ...]


def rendered_history(dice: Random) -> Rendered:
    """Live a random life as a subscription or as a customer, and render each of its events twice."""
    history = random_history(dice)
    lived_by = dice.choice((lived_by_subscription, lived_by_subscription, lived_by_customer))
    moments = list(lived_by(history, dice))
    meant = tuple(map(_meant, moments))
    return Rendered(
        meant=History(meant, lost=history.lost or _breaks(meant)),
        copies=tuple(read_event(body(moment, dice)).version for moment in (*moments, *moments)),
    )


# The intended history.


def _meant(moment: Moment) -> Version:
    event, now, before = moment
    return structs.replace(
        event,
        state=_name(now),
        before=_name(before) if before else None,
        growing=_growth(now),
        columns=_customer_columns(now, event) if isinstance(now, Customer) else _subscription_columns(now),
    )


def _name(state: StripeObject) -> bytes:
    """Name a state; the number of its next invoice does not distinguish states."""
    told = replace(state, next_invoice_sequence=0) if isinstance(state, Customer) else state
    return repr(told).encode()


def _growth(state: StripeObject) -> tuple[int, ...]:
    if isinstance(state, Customer):
        return (state.next_invoice_sequence,)
    return (state.period_start,) if len(state.items) == 1 else ()


def _customer_columns(state: Customer, event: Version) -> CustomerColumns:
    if event.terminal:
        return CustomerColumns(None, None, None, None, "{}", state.created, deleted=True)
    return CustomerColumns(
        stripe_email=state.email,
        name=state.name,
        phone=state.phone,
        address=_text(state.address) if state.address else None,
        metadata=_text(state.metadata),
        stripe_created_at=state.created,
        deleted=False,
    )


def _subscription_columns(state: Subscription) -> SubscriptionColumns:
    return SubscriptionColumns(
        customer_id=state.customer,
        product_id=state.product,
        status=state.status,
        current_period_start=state.period_start,
        current_period_end=state.period_end,
        metadata=_text(state.metadata),
        stripe_created_at=state.created,
        items=_text([_sold_item(item) for item in state.oldest_first]),
        cancel_at_period_end=state.cancel_at_period_end,
        cancel_at=state.cancel_at,
        canceled_at=state.canceled_at,
        ended_at=state.ended_at,
        trial_end=state.trial_end,
        start_date=state.created,
        collection_method=state.collection_method,
        pause_collection=_text({"behavior": state.paused_collection, "resumes_at": None})
        if state.paused_collection
        else None,
    )


def _sold_item(item: Item) -> Json:
    return {
        "created": item.created,
        "currency": "eur",
        "id": item.id,
        "interval": item.price.interval,
        "interval_count": 1,
        "price": item.price.id,
        "product": item.price.product,
        "quantity": item.quantity,
        "unit_amount": item.price.amount,
    }


def _text(value: object) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def _breaks(meant: Iterable[Version]) -> int:
    """Count the changes without an event, also those that change only the growing value."""
    told = [one for one in meant if one.lifecycle is not Lifecycle.DELETED]
    return sum(
        (later.before or later.state) != earlier.state
        for earlier, later in pairwise(told)
        if not tell_one_change(earlier, later)
    )


# How it is rendered.


def body(moment: Moment, dice: Random) -> bytes:
    """Render an event in the shape of any API version."""
    version, expanded = dice.choice(API_VERSIONS), dice.random() < EXPANDED
    now = _object(moment.now, dice, version=version, expanded=expanded)
    request = (moment.event.request or b"").decode() or None
    event = builders.event(
        _type(moment, dice),
        now,
        id_=moment.event.event_id,
        created=moment.event.created,
        api_version=version,
        request=dice.choice(REQUESTS)(request),
    )
    if moment.before:
        before = _object(moment.before, dice, version=version, expanded=expanded)
        event["data"]["previous_attributes"] = dice.choice(DIFFERENCES)(before, now)
    return builders.body(event)


def _type(moment: Moment, dice: Random) -> str:
    kind = "customer" if isinstance(moment.now, Customer) else "customer.subscription"
    match moment.event.lifecycle:
        case Lifecycle.CREATED:
            return f"{kind}.created"
        case Lifecycle.DELETED:
            return f"{kind}.deleted"
        case Lifecycle.CHANGED:
            is_sighting = moment.before is None and isinstance(moment.now, Subscription)
            return f"{kind}.{dice.choice(SIGHTINGS) if is_sighting else 'updated'}"


def _object(state: StripeObject, dice: Random, *, version: str, expanded: bool) -> Json:
    """Render a state; values that nobody keeps are random, and so is the order of items."""
    if isinstance(state, Subscription):
        items = tuple(dice.sample(state.items, len(state.items)))
        state = replace(state, items=items, default_payment_method=dice.choice(("pm_1", "pm_2", None)))
    written = shapes.object_json(state, version)
    return _expanded(written) if expanded else written


def _expanded(written: Json) -> Json:
    references = {key: {"id": written[key], "object": key} for key in REFERENCES if written.get(key)}
    if "items" not in written:
        return {**written, **references}
    items = [{**item, "price": _sold(item["price"])} for item in written["items"]["data"]]
    return {**written, **references, "items": {**written["items"], "data": items}}


def _sold(price: Json) -> Json:
    return {**price, "product": {"id": price["product"], "object": "product"}}
