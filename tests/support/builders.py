"""Stripe payloads and signatures with defaults, so that a test shows only what matters to it.

Everything is a function of its arguments: no clock, no randomness. Whole objects are as long as Stripe's
own where something reads them; fields that nothing reads are few.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
import json
from copy import deepcopy
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Json = dict[str, Any]

NOW = 1_760_000_000  # 2025-10-09; what tests pass for the time of day
SECRET = "whsec_0123456789abcdef0123456789abcdef"
MONTH_SECONDS = 30 * 86_400
NOT_OURS_TYPE = "balance.available"
"""A type that will never have a table, whatever kinds are added: a balance has neither an id nor a customer."""


class Shape(StrEnum):
    """An API version for each place in which Stripe has kept what we read."""

    LEGACY = "2024-06-20"  # the period on the subscription
    BASIL = "2025-06-30.basil"  # the period on its items
    DAHLIA = "2026-04-22.dahlia"  # the same, with the fields added since


def customer(id_: str = "cus_1", **fields: Any) -> Json:
    """A customer; `fields` replace or add."""
    return {
        "id": id_,
        "object": "customer",
        "address": None,
        "balance": 0,
        "created": NOW - 1000,
        "currency": "usd",
        "delinquent": False,
        "description": None,
        "email": f"{id_}@example.com",
        "invoice_prefix": "7FE1103",
        "invoice_settings": {"custom_fields": None, "default_payment_method": None, "footer": None},
        "livemode": False,
        "metadata": {},
        "name": "Ada Example",
        "next_invoice_sequence": 1,
        "phone": None,
        "preferred_locales": [],
        "shipping": None,
        "tax_exempt": "none",
        **fields,
    }


def deleted_customer(id_: str = "cus_1") -> Json:
    """The stub that Stripe answers once a customer is gone."""
    return {"id": id_, "object": "customer", "deleted": True}


def item(
    id_: str = "si_1",
    *,
    product: str | Json | None = "prod_1",
    price: str = "price_1",
    quantity: int = 1,
    period: tuple[int, int] | None = None,
    **fields: Any,
) -> Json:
    """A subscription item; `period` is set by `subscription` where its shape keeps it here."""
    return {
        "id": id_,
        "object": "subscription_item",
        "created": NOW,
        **(_period(*period) if period else {}),
        "metadata": {},
        "plan": _plan(price, product),
        "price": {"id": price, "object": "price", "active": True, "metadata": {}, "product": product},
        "quantity": quantity,
        **fields,
    }


def subscription(
    id_: str = "sub_1",
    *,
    customer: str | Json | None = "cus_1",
    shape: Shape = Shape.BASIL,
    period: tuple[int, int] = (NOW, NOW + MONTH_SECONDS),
    items: Sequence[Json] | None = None,
    **fields: Any,
) -> Json:
    """A subscription in one of Stripe's shapes; `fields` replace or add.

    `plan` and `quantity` mirror a single item and are null beside several, as Stripe has them.
    """
    on_items = shape is not Shape.LEGACY
    rows = [{**(_period(*period) if on_items else {}), **row} for row in deepcopy(items or [item()])]
    only = rows[0] if len(rows) == 1 else {}
    return {
        "id": id_,
        "object": "subscription",
        "billing_cycle_anchor": NOW,
        "cancel_at": None,
        "cancel_at_period_end": False,
        "canceled_at": None,
        "collection_method": "charge_automatically",
        "created": NOW,
        "currency": "usd",
        **({} if on_items else _period(*period)),
        "customer": customer,
        "default_payment_method": None,
        "ended_at": None,
        "items": _listing(rows, url=f"/v1/subscription_items?subscription={id_}"),
        "latest_invoice": "in_1",
        "livemode": False,
        "metadata": {},
        "plan": deepcopy(only.get("plan")),
        "quantity": only.get("quantity"),
        "start_date": NOW,
        "status": "active",
        "trial_end": None,
        "trial_start": None,
        **(_SINCE_DAHLIA if shape is Shape.DAHLIA else {}),
        **fields,
    }


def event(
    type_: str,
    object_: Json,
    *,
    id_: str = "evt_1",
    created: int = NOW,
    before: Json | None = None,
    api_version: str | None = Shape.BASIL,
    **fields: Any,
) -> Json:
    """A snapshot event of `object_`; `before` is the object before the change, for previous_attributes in Stripe's form."""
    data: Json = {"object": object_}
    if before is not None:
        data["previous_attributes"] = previous_attributes(before, object_)
    return {
        "id": id_,
        "object": "event",
        "api_version": api_version,
        "created": created,
        "data": data,
        "livemode": False,
        "pending_webhooks": 1,
        "request": {"id": None, "idempotency_key": None},
        "type": type_,
        **fields,
    }


def thin_event(
    type_: str = "v1.customer.updated",
    object_id: str = "cus_1",
    *,
    id_: str = "evt_test_1",
    created: int = NOW,
    **fields: Any,
) -> Json:
    """A thin event, which only names its object; `fields` replace or add."""
    kind = "subscription" if object_id.startswith("sub_") else "customer"
    return {
        "id": id_,
        "object": "v2.core.event",
        "type": type_,
        "livemode": False,
        "created": f"{dt.datetime.fromtimestamp(created, dt.UTC):%Y-%m-%dT%H:%M:%S}.000Z",
        "reason": {"type": "request", "request": {"id": "req_1", "idempotency_key": "key_1"}},
        "related_object": {"id": object_id, "type": kind, "url": f"/v1/{kind}s/{object_id}"},
        **fields,
    }


def body(event_: Mapping[str, Any]) -> bytes:
    """The bytes of an event, laid out as Stripe posts them."""
    return json.dumps(event_, indent=2).encode()


def event_body(type_: str, object_: Json, **fields: Any) -> bytes:
    """`body(event(...))`."""
    return body(event(type_, object_, **fields))


def previous_attributes(before: Json, after: Json) -> Json:
    """What `data.previous_attributes` of the change holds.

    Old values of changed keys only: hashes partially and recursively (a list object is a hash), arrays
    whole, null for what was not there.
    """
    changed = [key for key in {**before, **after} if before.get(key) != after.get(key)]
    return {key: _previous(before.get(key), after.get(key)) for key in changed}


def signed_header(body_: bytes, *, timestamp: int, secret: str = SECRET) -> str:
    """A `Stripe-Signature` header; `timestamp` in Unix seconds."""
    return f"t={timestamp},v1={signature(body_, timestamp=timestamp, secret=secret)}"


def signature(body_: bytes, *, timestamp: int, secret: str = SECRET) -> str:
    """One v1 signature of a body, for headers made by hand."""
    return hmac.new(secret.encode(), b"%d." % timestamp + body_, hashlib.sha256).hexdigest()


_SINCE_DAHLIA: Json = {
    "billing_mode": {"flexible": {"proration_discounts": "included"}, "type": "flexible", "updated_at": NOW},
    "billing_schedules": [],
    "customer_account": None,
    "discounts": [],
    "managed_payments": {"enabled": False},
}


def _period(start: int, end: int) -> Json:
    return {"current_period_start": start, "current_period_end": end}


def _plan(id_: str, product: str | Json | None) -> Json:
    return {"id": id_, "object": "plan", "active": True, "metadata": {}, "product": product}


def _listing(rows: list[Json], *, url: str) -> Json:
    return {"object": "list", "data": rows, "has_more": False, "total_count": len(rows), "url": url}


def _previous(before: Any, after: Any) -> Any:
    if isinstance(before, dict) and isinstance(after, dict):
        return previous_attributes(before, after)
    return deepcopy(before)
