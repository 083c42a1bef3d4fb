"""What a drain is compared with: a minimal program that writes the same rows and ledger in the same batches.

It reads each body with the standard library and trusts it, decides nothing, takes no locks of its own and looks nothing up:
three statements a batch, and the last event of an object wins.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

from cogento.store.connecting import connect_plainly

if TYPE_CHECKING:
    from collections.abc import Sequence

    import asyncpg

Json = dict[str, Any]

USERS = """
INSERT INTO users (
    stripe_customer_id, email, stripe_email, name, phone, address, metadata, stripe_created_at,
    stripe_updated_at, last_webhook_event_id
)
SELECT id, email, email, name, phone, address, metadata, to_timestamp(created), to_timestamp(at), event_id
FROM unnest(
    $1::VARCHAR[], $2::VARCHAR[], $3::VARCHAR[], $4::VARCHAR[], $5::JSONB[], $6::JSONB[], $7::BIGINT[],
    $8::BIGINT[], $9::VARCHAR[]
) AS new (id, email, name, phone, address, metadata, created, at, event_id)
ON CONFLICT (stripe_customer_id) DO UPDATE
SET
    name = excluded.name, phone = excluded.phone, address = excluded.address, metadata = excluded.metadata,
    stripe_updated_at = excluded.stripe_updated_at, synced_at = now(),
    last_webhook_event_id = excluded.last_webhook_event_id
"""
SUBSCRIPTIONS = """
INSERT INTO subscriptions (
    stripe_subscription_id, user_id, product_id, status, current_period_start, current_period_end, metadata,
    stripe_created_at, stripe_updated_at, last_webhook_event_id, items, cancel_at_period_end, cancel_at, canceled_at,
    ended_at, trial_end, start_date, collection_method, pause_collection
)
SELECT
    id, users.user_id, product_id, status, to_timestamp(start), to_timestamp("end"), new.metadata,
    to_timestamp(created), to_timestamp(at), event_id, items, cancel_at_period_end, to_timestamp(cancel_at),
    to_timestamp(canceled_at), to_timestamp(ended_at), to_timestamp(trial_end), to_timestamp(start_date),
    collection_method, pause_collection
FROM unnest(
    $1::VARCHAR[], $2::VARCHAR[], $3::VARCHAR[], $4::VARCHAR[], $5::BIGINT[], $6::BIGINT[], $7::JSONB[],
    $8::BIGINT[], $9::BIGINT[], $10::VARCHAR[], $11::JSONB[], $12::BOOLEAN[], $13::BIGINT[], $14::BIGINT[],
    $15::BIGINT[], $16::BIGINT[], $17::BIGINT[], $18::VARCHAR[], $19::JSONB[]
) AS new (
    id, customer_id, product_id, status, start, "end", metadata, created, at, event_id, items, cancel_at_period_end,
    cancel_at, canceled_at, ended_at, trial_end, start_date, collection_method, pause_collection
)
INNER JOIN users ON users.stripe_customer_id = new.customer_id
ON CONFLICT (stripe_subscription_id) DO UPDATE
SET
    user_id = excluded.user_id, product_id = excluded.product_id, status = excluded.status,
    current_period_start = excluded.current_period_start, current_period_end = excluded.current_period_end,
    metadata = excluded.metadata, stripe_updated_at = excluded.stripe_updated_at, synced_at = now(),
    last_webhook_event_id = excluded.last_webhook_event_id, items = excluded.items,
    cancel_at_period_end = excluded.cancel_at_period_end, cancel_at = excluded.cancel_at,
    canceled_at = excluded.canceled_at, ended_at = excluded.ended_at, trial_end = excluded.trial_end,
    start_date = excluded.start_date, collection_method = excluded.collection_method,
    pause_collection = excluded.pause_collection
"""
LEDGER = """
INSERT INTO webhook_events (
    event_id, event_created_at, event_type, customer_id, object_id, received_at, outcome, reason, source
)
SELECT id, to_timestamp(created), type, customer_id, object_id, now(), 'applied', 'newer', 'webhook'
FROM unnest($1::VARCHAR[], $2::BIGINT[], $3::VARCHAR[], $4::VARCHAR[], $5::VARCHAR[])
AS new (id, created, type, customer_id, object_id)
"""


async def write(database_url: str, bodies: Sequence[bytes], *, size: int) -> float:
    """Write all events, `size` in each transaction, over one connection; returns how many seconds it took."""
    connection = await connect_plainly(database_url, application_name="bench")
    try:
        begun = time.perf_counter()
        for at in range(0, len(bodies), size):
            await _write(connection, [json.loads(body) for body in bodies[at : at + size]])
        return time.perf_counter() - begun
    finally:
        await connection.close()


async def _write(connection: asyncpg.Connection, events: Sequence[Json]) -> None:
    last = {event["data"]["object"]["id"]: event for event in events}
    objects = [(event, event["data"]["object"]) for event in last.values()]
    users = [_user(event, obj) for event, obj in objects if obj["object"] == "customer"]
    subscriptions = [_subscription(event, obj) for event, obj in objects if obj["object"] == "subscription"]
    async with connection.transaction():
        for statement, rows in (
            (USERS, users),
            (SUBSCRIPTIONS, subscriptions),
            (LEDGER, map(_entry, events)),
        ):
            if columns := list(zip(*rows, strict=True)):
                await connection.execute(statement, *columns)


def _user(event: Json, customer: Json) -> tuple[object, ...]:
    return (
        customer["id"],
        customer["email"],
        customer["name"],
        customer["phone"],
        json.dumps(customer["address"]),
        json.dumps(customer["metadata"]),
        customer["created"],
        event["created"],
        event["id"],
    )


def _subscription(event: Json, subscription: Json) -> tuple[object, ...]:
    item = subscription["items"]["data"][0]
    return (
        subscription["id"],
        subscription["customer"],
        item["price"]["product"],
        subscription["status"],
        item["current_period_start"],
        item["current_period_end"],
        json.dumps(subscription["metadata"]),
        subscription["created"],
        event["created"],
        event["id"],
        json.dumps([_item(one) for one in subscription["items"]["data"]]),
        *(subscription[name] for name in ("cancel_at_period_end", "cancel_at", "canceled_at", "ended_at")),
        *(subscription[name] for name in ("trial_end", "start_date", "collection_method")),
        subscription["pause_collection"] and json.dumps(subscription["pause_collection"]),
    )


def _item(item: Json) -> Json:
    price = item["price"]
    return {
        "id": item["id"],
        "created": item["created"],
        "price": price["id"],
        "product": price["product"],
        "quantity": item["quantity"],
        "unit_amount": price["unit_amount"],
        "currency": price["currency"],
        "interval": price["recurring"]["interval"],
        "interval_count": price["recurring"]["interval_count"],
    }


def _entry(event: Json) -> tuple[object, ...]:
    obj = event["data"]["object"]
    return event["id"], event["created"], event["type"], obj.get("customer", obj["id"]), obj["id"]
