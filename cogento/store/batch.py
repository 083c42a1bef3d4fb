"""A batch over many customers as one transaction: look, lock, decide, write, and account for every event.

The order of the locks is the same in every transaction, so that there are no deadlocks: addresses, users
by Stripe id, subscriptions by Stripe id; then rows are made, each table's in the order of its key.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cogento.events.columns import CustomerColumns
from cogento.events.event import Event, Notice, ObjectKind
from cogento.events.outcomes import Duplicate, Outcome
from cogento.failpoints import failpoint
from cogento.store import burial, holders, ledger, members, notices, roles, subscriptions, users
from cogento.store.delivery import BatchResult
from cogento.store.plan import Plan, make_plan
from cogento.store.reach import OutOfReachError, Reach

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from uuid import UUID

    import asyncpg

    from cogento.events.names import EventId, ObjectId
    from cogento.store.delivery import Delivery
    from cogento.store.holders import Holders
    from cogento.store.users import Users


async def apply(
    connection: asyncpg.Connection,
    *,
    deliveries: Sequence[Delivery],
    reach: Reach,
) -> BatchResult:
    """Apply a batch in the connection's transaction.

    Raises OutOfReachError when the batch concerns more than `reach`; nothing must be kept of the
    transaction then.
    """
    await holders.hold(connection, reach)
    settled = await ledger.find(connection, deliveries)
    fresh = [delivery for delivery in _once_each(deliveries) if delivery.event.id not in settled.done]
    events = [delivery.event for delivery in fresh if isinstance(delivery.event, Event)]
    locked = await users.lock(connection, reach)
    leaving = _leaving(events, locked)
    found = await subscriptions.lock(connection, _subscription_ids(events), of_users=leaving)
    plan = make_plan(events, locked, found)
    if not plan.concerned <= reach.customers:
        raise OutOfReachError(Reach(customers=plan.concerned))
    await _write(connection, plan, await _choose(connection, plan, locked, reach, fresh))
    await notices.note_answers(connection, (event for event in events if event.id not in plan.parked))
    told = await notices.take(connection, [d.event for d in fresh if isinstance(d.event, Notice)])
    failpoint("in_tx", deliveries)
    outcomes: dict[EventId, Outcome] = {
        **dict.fromkeys(settled.done, Duplicate()),
        **plan.outcomes(),
        **told,
    }
    if await ledger.write(connection, fresh, outcomes, dead=settled.dead):
        await members.follow(connection, plan.subscribers)
    await _close_letters(connection, deliveries, outcomes, dead=settled.dead)
    failpoint("before_commit", deliveries)
    return BatchResult(
        outcomes=outcomes,
        customers=frozenset(d.event.customer_id for d in deliveries if d.event.customer_id in plan.owners),
        unsure=plan.unsure,
    )


async def _choose(
    connection: asyncpg.Connection, plan: Plan, locked: Users, reach: Reach, fresh: Iterable[Delivery]
) -> Holders:
    """Choose who shows which address, also for rows that are repaired though no claim changes."""
    doubted = {delivery.event.customer_id for delivery in fresh if delivery.is_repair}
    return await holders.choose(connection, plan.customers, locked, reach, doubted=doubted)


def _once_each(deliveries: Iterable[Delivery]) -> Iterable[Delivery]:
    """Drop further copies of an event that one batch holds twice."""
    first: dict[EventId, Delivery] = {}
    for delivery in deliveries:
        first.setdefault(delivery.event.id, delivery)
    return first.values()


def _subscription_ids(events: Iterable[Event]) -> set[ObjectId]:
    return {event.object_id for event in events if event.kind is ObjectKind.SUBSCRIPTION}


def _leaving(events: Iterable[Event], locked: Users) -> set[UUID]:
    """Name the users whose customers live and are deleted here: all of their subscriptions are concerned."""
    deleted = {
        event.customer_id
        for event in events
        if isinstance(event.columns, CustomerColumns) and event.columns.deleted
    }
    return {locked[id_].user_id for id_ in deleted & locked.keys() if not locked[id_].claim.deleted}


async def _write(connection: asyncpg.Connection, plan: Plan, chosen: Holders) -> None:
    """Users before subscriptions: a batch may hold both for the first time."""
    await holders.write(connection, chosen)
    await users.update(connection, [change for change in plan.customers if change.is_news])
    await users.insert(connection, [change for change in plan.customers if change.row is None], chosen.new)
    await roles.remove_all(
        connection, [change.user_id for change in plan.customers if change.columns.deleted]
    )
    await subscriptions.update(connection, [c for c in plan.subscriptions if c.is_news], plan.owners)
    await subscriptions.insert(connection, [c for c in plan.subscriptions if c.row is None], plan.owners)
    await subscriptions.doubt(connection, plan.outliving.values())


async def _close_letters(
    connection: asyncpg.Connection,
    deliveries: Iterable[Delivery],
    outcomes: Mapping[EventId, Outcome],
    *,
    dead: frozenset[EventId],
) -> None:
    """Close the letters of events that were dead and have an outcome now, and of retries that are duplicates."""
    retried = {delivery.event.id for delivery in deliveries if delivery.is_retry}
    await burial.resolve(connection, {id_: outcomes[id_] for id_ in dead | retried})
