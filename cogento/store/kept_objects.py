"""The whole last object beside each row, where that is asked for (KEEP_OBJECTS): what Stripe said, for what no column shows.

Written in the transaction of the row, under its lock, from the event that the row shows. The objects of a deleted or forgotten
person are erased, also after KEEP_OBJECTS was switched off.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from cogento.events import strict_json
from cogento.events.event import Event
from cogento.events.strict_json import canonical_json
from cogento.store.rows import named_arrays
from schema.queries import query

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from uuid import UUID

    import asyncpg

    from cogento.store.ledger import Delivery
    from cogento.store.plan import Plan

_WRITE = query("kept_objects_write")
_ERASE = query("kept_objects_erase")


async def write(connection: asyncpg.Connection, plan: Plan, deliveries: Iterable[Delivery]) -> None:
    """Keep the objects that rows show from now on, and whose bodies came with these deliveries.

    Where a row goes back to an earlier event, whose body is gone, the object beside it stays another event's: its `event_id` says so.
    """
    shown = {
        *(change.decision.last_event_id for change in plan.customers),
        *(change.decision.last_event_id for change in plan.objects),
    }
    values: dict[str, list[object]] = {"stripe_id": [], "user_id": [], "event_id": [], "object": []}
    for delivery in deliveries:
        event = delivery.event
        if isinstance(event, Event) and event.id in shown and delivery.body:
            with suppress(
                ValueError
            ):  # a number that JSON columns cannot hold, where no column of ours reads it
                values["object"].append(canonical_json(strict_json.read(delivery.body)["data"]["object"]))
                values["stripe_id"].append(event.object_id)
                values["user_id"].append(plan.owners[event.customer_id])
                values["event_id"].append(event.id)
    if values["object"]:
        await connection.execute(_WRITE, *named_arrays(_WRITE, values))


async def erase(connection: asyncpg.Connection, user_ids: Collection[UUID]) -> None:
    """Erase what is kept of these users and of all that they had."""
    if user_ids:
        await connection.execute(_ERASE, list(user_ids))
