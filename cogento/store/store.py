"""The store: everything that the rest of the program asks of Postgres.

Every method is one transaction, committed when it returns. Errors say whose fault they are
(cogento/store/errors.py: `classify`).
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from cogento.events.event import Event
from cogento.failpoints import failpoint
from cogento.store import (
    activity,
    batch,
    changes,
    email_ownership,
    objects,
    partitions,
    refetches,
    roles,
)
from cogento.store.activity import Activity
from cogento.store.changes import Changes
from cogento.store.database import Database
from cogento.store.dead_letters import DeadLetter, DeadLetters
from cogento.store.figures import TableFigures, read_figures
from cogento.store.history import History, RecentActivity
from cogento.store.ledger import BatchResult, Delivery
from cogento.store.operations import Operations
from cogento.store.personal_data import PersonalData
from cogento.store.progress import BackfillProgress, SweepProgress
from cogento.store.refetches import PendingRefetches, UnsureRows
from cogento.store.roles import Roles
from cogento.store.stored_rows import StoredRows
from cogento.store.users import LockSet, LockSetTooSmallError
from schema.queries import query

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from cogento.store.email_ownership import AddressTakenError
    from cogento.store.leader_locks import LeaderLease

__all__ = ["BatchResult", "DeadLetter", "Delivery", "Store"]

_PROBE = query("write_probe")


class Store:
    """One process's way to Postgres; belongs to the event loop that it was opened on."""

    def __init__(self, database: Database, *, keep_objects: bool = False) -> None:
        self._database = database
        self._keep_objects = keep_objects
        self.letters = DeadLetters(database)
        self.operations = Operations(database)
        self.activity = Activity(database)
        self.personal_data = PersonalData(database)
        self.roles = Roles(database)
        self.history = History(database)
        self.recent = RecentActivity(database)
        self.sweeps = SweepProgress(database)
        self.unsure_rows = UnsureRows(database)
        self.refetches = PendingRefetches(database)
        self.backfills = BackfillProgress(database)
        self.stored_rows = StoredRows(database)
        self.changes = Changes(database)

    @classmethod
    async def open(
        cls,
        database_url: str,
        *,
        pool_size: int,
        application_name: str,
        keep_objects: bool = False,
        schemas: int = 1,
    ) -> Store:
        """Open a pool of at most `pool_size` connections, made when needed: Postgres may be away.

        The pool serves up to `schemas` of them; `in_schema` returns the store of another one.
        """
        database = await Database.open(
            database_url, pool_size=pool_size, application_name=application_name, schemas=schemas
        )
        return cls(database, keep_objects=keep_objects)

    def in_schema(self, schema: str) -> Store:
        """Return the store of another schema, over the same connections: closing one closes all.

        Raises ValueError where they were opened for one schema alone.
        """
        return Store(self._database.in_schema(schema), keep_objects=self._keep_objects)

    async def close(self) -> None:
        """Close every connection."""
        await self._database.close()

    async def apply(self, deliveries: Sequence[Delivery]) -> BatchResult:
        """Apply a batch over many customers in one transaction, the ledger included; committed on return.

        When the connection is lost during COMMIT the batch may have been applied: give it again, and the
        ledger answers "duplicate". Raises any error of Postgres; `classify` says what it means.
        """
        failpoint("before_tx", deliveries)
        customers = frozenset(d.event.customer_id for d in deliveries if isinstance(d.event, Event))
        addresses = email_ownership.emails_of_new(delivery.event for delivery in deliveries)
        locks, result = LockSet(customers=customers, addresses=addresses), None
        while result is None:
            try:
                result = await self._database.transaction(
                    partial(batch.apply, deliveries=deliveries, locks=locks, keep_objects=self._keep_objects)
                )
            except LockSetTooSmallError as error:
                locks |= error.missing  # at least one address or customer each time
        failpoint("after_commit", deliveries)
        return result

    async def set_member_statuses(self, statuses: Collection[str]) -> frozenset[str] | None:
        """Set which statuses make members, for every process; returns the earlier ones if they were others.

        With no status roles stay as they are.
        """
        return await roles.set_member_statuses(self._database, statuses)

    async def sync_member_roles(self) -> None:
        """Bring every user's role member up to date, after the statuses were changed."""
        await roles.sync_member_roles(self._database)

    async def repair(self) -> list[AddressTakenError]:
        """Bring rows that an older release wrote to this one's rules; returns what a person must fix.

        If one repair fails, the other is made nevertheless, before the error is raised.
        """
        try:
            await objects.mark_outliving(self._database)
        except Exception:
            await email_ownership.repair_all_emails(self._database)
            raise
        return await email_ownership.repair_all_emails(self._database)

    async def insert_dead_letters(self, letters: Sequence[DeadLetter]) -> None:
        """Keep events that could not be applied, and say so in the ledger; doing it twice is harmless.

        An event that has been applied meanwhile is left alone.
        """
        await self.letters.insert(letters)

    async def figures(self) -> TableFigures:
        """Read what there is to see from outside: a few statements by index."""
        return await read_figures(self)

    async def ping_write(self) -> None:
        """Write a row of no meaning: a read would also succeed on a standby or a full disk.

        Uses a fresh connection: one from before an outage proves nothing about the server after it.
        """
        await self._database.renew()
        await self._database.write(_PROBE)

    async def try_leader_lease(self, name: str) -> LeaderLease | None:
        """Take the lock on work that one process at a time may do; None when another has it.

        Holds a connection of the pool until `end`, or until the process dies.
        """
        return await self._database.try_leader_lease(name)

    async def run_maintenance(
        self,
        *,
        retention_days: int = partitions.RETENTION_DAYS,
        changes_days: int = changes.RETENTION_DAYS,
    ) -> partitions.PartitionChanges:
        """Make the ledger's days ahead, drop those past retention, forget what goes with them, and old changes."""
        await self.letters.erase_bodies()
        await refetches.forget_requests(self._database, days=retention_days)
        await self.activity.forget_old(days=max(activity.RETENTION_DAYS, retention_days))
        done = await partitions.maintain(self._database, retention_days=retention_days)
        await self.changes.trim(days=changes_days)
        return done
