"""Deliveries as the worker passes them on, built from Stripe's payloads so that the whole path is real."""

from __future__ import annotations

from typing import Any

from cogento.events.event import read_event
from cogento.events.outcomes import Source
from cogento.store.store import Delivery
from tests.support import builders
from tests.support.builders import NOW, Json

FORGET = "; ".join(
    f"DELETE FROM {table}" for table in ("user_roles", "subscriptions", "users", "webhook_events")
)
"""Begins anew, for who does so often: TRUNCATE makes every file anew, which is far more work than a few rows are."""


def delivery(
    type_: str,
    object_: Json,
    *,
    id_: str,
    created: int = NOW,
    attempts: int = 0,
    source: Source = Source.WEBHOOK,
    before: Json | None = None,
) -> Delivery:
    """One event of an object."""
    body = builders.event_body(type_, object_, id_=id_, created=created, before=before)
    return Delivery(
        read_event(body), received_ms=created * 1000 + 250, attempts=attempts, source=source, body=body
    )


def customer(
    number: int | str = 1, *, event: str, at: int = 0, type_: str = "customer.updated", **fields: Any
) -> Delivery:
    """An event of customer cus_<number>, `at` seconds after NOW."""
    return delivery(type_, builders.customer(f"cus_{number}", **fields), id_=f"evt_{event}", created=NOW + at)


def new_customer(number: int | str = 1, *, event: str, at: int = 0, **fields: Any) -> Delivery:
    """The creation of customer cus_<number>."""
    return customer(number, event=event, at=at, type_="customer.created", **fields)


def deleted_customer(number: int | str = 1, *, event: str, at: int = 0, **fields: Any) -> Delivery:
    """The deletion of customer cus_<number>."""
    return customer(number, event=event, at=at, type_="customer.deleted", **fields)


def subscription(
    number: int | str = 1,
    *,
    event: str,
    at: int = 0,
    of: int | str = 1,
    type_: str = "customer.subscription.updated",
    **fields: Any,
) -> Delivery:
    """An event of subscription sub_<number> of customer cus_<of>."""
    object_ = builders.subscription(f"sub_{number}", customer=f"cus_{of}", **fields)
    return delivery(type_, object_, id_=f"evt_{event}", created=NOW + at)
