"""Rows of `subscriptions`: locked, made and changed, many with one statement.

A subscription whose customer changes in Stripe moves with its owner: same row, other user. Both owners'
rows are locked by then, so it never belongs to two.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import msgspec

from cogento.events.columns import SubscriptionColumns
from cogento.events.names import CustomerId, ObjectId
from cogento.ordering.order import CurrentRow, Decision
from cogento.store.rows import canonical, known_of, needs_update, write
from schema.queries import query

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from uuid import UUID

    import asyncpg

    from cogento.store.database import Database

_LOCK = query("subscriptions_lock")
_UPDATE = query("subscriptions_update")
_INSERT = query("subscriptions_insert")
_MARK_UNSURE = query("subscriptions_mark_unsure")
_MARK_OUTLIVING = query("repair_outliving_subscriptions")


class SubscriptionRow(msgspec.Struct, frozen=True):
    """A subscription's row as locked."""

    subscription_id: UUID
    columns: SubscriptionColumns
    known: CurrentRow
    unsure: bool


class SubscriptionChange(msgspec.Struct, frozen=True):
    """What is decided for a subscription; `row` is None when it has none yet."""

    stripe_subscription_id: ObjectId
    row: SubscriptionRow | None
    decision: Decision

    @property
    def columns(self) -> SubscriptionColumns:
        """What the row shall show."""
        return cast("SubscriptionColumns", self.decision.columns)

    @property
    def needs_update(self) -> bool:
        """Whether a known row has to be written at all."""
        return self.row is not None and needs_update(self.decision, self.row.known, unsure=self.row.unsure)

    @property
    def owners(self) -> frozenset[CustomerId]:
        """Whose it was and whose it shall be."""
        before = {self.row.columns.customer_id} if self.row else set()
        return frozenset(map(CustomerId, before | {self.columns.customer_id}))


Subscriptions = dict[ObjectId, SubscriptionRow]


async def lock(
    connection: asyncpg.Connection, subscription_ids: Collection[ObjectId], *, of_users: Collection[UUID]
) -> Subscriptions:
    """Lock these subscriptions' rows, and all of these users; their customers' rows must be locked already."""
    if not subscription_ids and not of_users:
        return {}
    rows = await connection.fetch(_LOCK, list(subscription_ids), list(of_users))
    return {ObjectId(row["stripe_subscription_id"]): _row(row) for row in rows}


async def update(
    connection: asyncpg.Connection, changes: Sequence[SubscriptionChange], owners: Mapping[str, UUID]
) -> None:
    """Write known subscriptions; `owners` maps customers to their users."""
    await write(connection, _UPDATE, [_updated(c, owners[c.columns.customer_id]) for c in changes])


async def insert(
    connection: asyncpg.Connection, changes: Sequence[SubscriptionChange], owners: Mapping[str, UUID]
) -> None:
    """Make rows for new subscriptions, in the order that keeps two makers of the same rows from a deadlock."""
    ordered = sorted(changes, key=lambda change: change.stripe_subscription_id)
    await write(connection, _INSERT, [_inserted(c, owners[c.columns.customer_id]) for c in ordered])


async def mark_unsure(connection: asyncpg.Connection, subscription_ids: Collection[UUID]) -> None:
    """Mark rows that are locked as unsure, and change nothing else of them."""
    await write(connection, _MARK_UNSURE, [(id_,) for id_ in subscription_ids])


async def mark_outliving(database: Database) -> None:
    """Mark subscriptions of an older release as unsure that have not ended though their customers are deleted."""
    await database.write(_MARK_OUTLIVING)


def _row(row: Any) -> SubscriptionRow:
    columns = SubscriptionColumns(
        customer_id=row["stripe_customer_id"],
        product_id=row["product_id"],
        status=row["status"],
        current_period_start=row["current_period_start"],
        current_period_end=row["current_period_end"],
        metadata=canonical(row["metadata"]) or "{}",
        stripe_created_at=row["stripe_created_at"],
    )
    return SubscriptionRow(
        subscription_id=row["subscription_id"],
        columns=columns,
        known=known_of(row, columns),
        unsure=row["unsure"],
    )


def _updated(change: SubscriptionChange, user_id: UUID) -> tuple[object, ...]:
    shows, decision = change.columns, change.decision
    row = cast("SubscriptionRow", change.row)
    return (
        row.subscription_id,
        user_id,
        shows.product_id,
        shows.status,
        shows.current_period_start,
        shows.current_period_end,
        None if row.columns.metadata == shows.metadata else shows.metadata,
        shows.stripe_created_at,
        decision.last_event_created,
        decision.last_event_id,
        decision.evidence,
        not decision.sure,
    )


def _inserted(change: SubscriptionChange, user_id: UUID) -> tuple[object, ...]:
    shows, decision = change.columns, change.decision
    return (
        change.stripe_subscription_id,
        user_id,
        shows.product_id,
        shows.status,
        shows.current_period_start,
        shows.current_period_end,
        shows.metadata,
        shows.stripe_created_at,
        decision.last_event_created,
        decision.last_event_id,
        decision.evidence,
        not decision.sure,
    )
