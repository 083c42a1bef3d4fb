"""A batch over many customers as one transaction: look up, lock, decide, write, and account for every event.

The order of the locks is the same in every transaction, so that there are no deadlocks: addresses, users
by Stripe id, then what belongs to them, one kind after the other by Stripe id; then rows are made, each table's in the order of its key.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import structs

from cogento.events.event import Event, Notice
from cogento.events.kinds import CUSTOMER
from cogento.events.kinds.customer import CustomerColumns
from cogento.events.outcomes import Reason, Result, Source, decided
from cogento.failpoints import failpoint
from cogento.store import dead_letters, email_ownership, kept_objects, ledger, refetches, roles, users
from cogento.store.ledger import BatchResult
from cogento.store.objects import TABLES, Objects
from cogento.store.plan import make_plan
from cogento.store.users import LockSet, LockSetTooSmallError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from uuid import UUID

    import asyncpg

    from cogento.events.names import EventId
    from cogento.store.email_ownership import EmailAssignment
    from cogento.store.ledger import Delivery
    from cogento.store.plan import Plan
    from cogento.store.users import UserChange, Users


WORKER = "worker"
CUSTOMER_DELETED = "erased: the customer was deleted in Stripe"


async def apply(
    connection: asyncpg.Connection,
    *,
    deliveries: Sequence[Delivery],
    locks: LockSet,
    keep_objects: bool = False,
) -> BatchResult:
    """Apply a batch in the connection's transaction; `keep_objects` keeps the whole objects beside their rows.

    Raises LockSetTooSmallError when the batch concerns more than `locks`; the transaction must then be rolled back.
    """
    # Look up and lock.
    await email_ownership.lock_emails(connection, locks)
    seen = await ledger.find(connection, deliveries)
    fresh = [delivery for delivery in _once_each(deliveries) if delivery.event.id not in seen.done]
    events = [delivery.event for delivery in fresh if isinstance(delivery.event, Event)]
    locked = await users.lock(connection, locks)
    events = _without_data_of_forgotten(events, locked)
    leaving = _leaving(events, locked)
    found: Objects = {}
    for kind, table in TABLES.items():
        ids = {event.object_id for event in events if event.kind is kind}
        found |= await table.lock(connection, ids, of_users=leaving if kind.ends_with_customer else ())

    # Decide.
    forgetting = {delivery.event.customer_id for delivery in fresh if delivery.source is Source.FORGET}
    plan = make_plan(events, locked, found, forgetting=forgetting)
    if not plan.concerned <= locks.customers:
        raise LockSetTooSmallError(LockSet(customers=plan.concerned))
    emails = await email_ownership.resolve_emails(
        connection,
        plan.customers,
        locked,
        locks,
        force_recheck={delivery.event.customer_id for delivery in fresh if delivery.is_repair},
    )

    # Write the rows, and what Stripe is still to be asked for.
    await _write(connection, plan, emails)
    if keep_objects:
        await kept_objects.write(connection, plan, fresh)
    await kept_objects.erase(connection, [change.user_id for change in _newly_deleted(plan)])
    answers = [event for event in events if event.id not in plan.parked]
    notices = [delivery.event for delivery in fresh if isinstance(delivery.event, Notice)]
    await refetches.lock(connection, answers, notices)
    await refetches.mark_answered(connection, answers)
    requested = await refetches.add_requests(connection, notices)
    failpoint("in_tx", deliveries)

    # Account for every event.
    results: dict[EventId, Result] = {
        **dict.fromkeys(seen.done, decided(Reason.DUPLICATE)),
        **plan.results(),
        **requested,
    }
    if await ledger.write(connection, fresh, results, dead=seen.dead):
        await roles.sync_member_role(connection, plan.subscribers)
    retried = {delivery.event.id for delivery in deliveries if delivery.is_retry}
    await dead_letters.resolve(connection, {id_: results[id_] for id_ in seen.dead | retried})
    deleted = [change.customer_id for change in _newly_deleted(plan)]
    if deleted and not any(delivery.source is Source.FORGET for delivery in fresh):
        await dead_letters.erase(connection, whose=deleted, who=WORKER, why=CUSTOMER_DELETED)
    failpoint("before_commit", deliveries)
    return BatchResult(
        results=results,
        customers=frozenset(d.event.customer_id for d in deliveries if d.event.customer_id in plan.owners),
        unsure=plan.unsure,
    )


def _once_each(deliveries: Iterable[Delivery]) -> Iterable[Delivery]:
    """Drop further copies of an event that one batch holds twice."""
    first: dict[EventId, Delivery] = {}
    for delivery in deliveries:
        first.setdefault(delivery.event.id, delivery)
    return first.values()


def _without_data_of_forgotten(events: Sequence[Event], locked: Users) -> list[Event]:
    """Blank what may be personal in events of people who were forgotten; nearly every batch has none."""
    forgotten = {id_ for id_, row in locked.items() if row.is_forgotten}
    return [_blanked(event) if event.customer_id in forgotten else event for event in events]


def _blanked(event: Event) -> Event:
    if event.kind is CUSTOMER:  # the row has ended and shows nothing of it
        return event
    columns = event.kind.without_personal_data(event.columns)
    return structs.replace(event, columns=columns, version=structs.replace(event.version, columns=columns))


def _newly_deleted(plan: Plan) -> list[UserChange]:
    return [
        change
        for change in plan.customers
        if change.columns.deleted and not (change.row and change.row.claim.deleted)
    ]


def _leaving(events: Iterable[Event], locked: Users) -> set[UUID]:
    """Name the users whose customers this batch deletes: the objects that end with a customer are concerned, too."""
    deleted = {
        event.customer_id
        for event in events
        if isinstance(event.columns, CustomerColumns) and event.columns.deleted
    }
    return {
        row.user_id
        for row in (locked[id_] for id_ in deleted & locked.keys())
        if not row.claim.deleted or row.lives_in_stripe
    }


async def _write(connection: asyncpg.Connection, plan: Plan, emails: EmailAssignment) -> None:
    """Write users before what belongs to them: a batch may hold both for the first time."""
    await email_ownership.write_emails(connection, emails)
    await users.update(connection, [change for change in plan.customers if change.needs_update])
    await users.insert(connection, [change for change in plan.customers if change.row is None], emails.new)
    await users.set_lives_in_stripe(connection, plan.customers, found_alive=plan.found_alive)
    await roles.remove_all(
        connection, [change.user_id for change in plan.customers if change.columns.deleted]
    )
    for kind, table in TABLES.items():
        changes = [change for change in plan.objects if change.kind is kind]
        await table.update(connection, [change for change in changes if change.needs_update], plan.owners)
        await table.insert(connection, [change for change in changes if change.row is None], plan.owners)
        await table.mark_unsure(
            connection, [row.row_id for row in plan.outliving.values() if row.kind is kind]
        )
