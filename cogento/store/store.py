"""The store: everything that the rest of the program asks of Postgres.

Every method is one transaction, committed when it returns. Errors say whose fault they are
(cogento/store/errors.py: `classify`).
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from cogento.events.event import Event
from cogento.failpoints import failpoint
from cogento.store import batch, members, mending, notices, partitions, turns
from cogento.store.backfills import Backfills
from cogento.store.copies import Copies
from cogento.store.database import Database
from cogento.store.delivery import BatchResult, Delivery
from cogento.store.doubts import DoubtfulRows
from cogento.store.figures import TableFigures, read_figures
from cogento.store.history import History
from cogento.store.letters import DeadLetter, Letters
from cogento.store.notices import Notices
from cogento.store.reach import OutOfReachError, Reach
from cogento.store.recent import Recent
from cogento.store.roles import Roles
from cogento.store.sweeps import Sweeps
from schema.queries import query

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    import asyncpg

    from cogento.store.holders import AddressTakenError

__all__ = ["BatchResult", "DeadLetter", "Delivery", "Store"]

_PROBE = query("write_probe")


class Store:
    """One process's way to Postgres; belongs to the event loop that it was opened on."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.letters = Letters(database)
        self.roles = Roles(database)
        self.history = History(database)
        self.recent = Recent(database)
        self.sweeps = Sweeps(database)
        self.doubts = DoubtfulRows(database)
        self.notices = Notices(database)
        self.backfills = Backfills(database)
        self.copies = Copies(database)

    @classmethod
    async def open(cls, database_url: str, *, pool_size: int, application_name: str) -> Store:
        """Open a pool of at most `pool_size` connections, made when needed: Postgres may be away."""
        return cls(await Database.open(database_url, pool_size=pool_size, application_name=application_name))

    async def close(self) -> None:
        """Close every connection."""
        await self._database.close()

    async def apply(self, deliveries: Sequence[Delivery]) -> BatchResult:
        """Apply a batch over many customers in one transaction, the ledger included; committed on return.

        When the connection is lost during COMMIT the batch may have been applied: give it again, and the
        ledger answers "duplicate". Raises whatever error of Postgres came; `classify` says what it means.
        """
        reach = Reach(
            customers=frozenset(d.event.customer_id for d in deliveries if isinstance(d.event, Event))
        )
        failpoint("before_tx", deliveries)
        result = await self._within(reach, deliveries)
        failpoint("after_commit", deliveries)
        return result

    async def decide_members(self, statuses: Collection[str]) -> frozenset[str] | None:
        """Say which statuses make members, for all that write; returns those of before if they were others.

        With none of them roles stay as they are.
        """
        return await members.decide(self._database, statuses)

    async def refresh_members(self) -> None:
        """Bring every user's role member up to date, after others were decided on."""
        await members.refresh(self._database)

    async def repair(self) -> list[AddressTakenError]:
        """Bring to this release's rules what an older one wrote, before it or beside it; returns what a person must mend."""
        await mending.doubt_what_outlives(self._database)
        return await mending.mend_addresses(self._database)

    async def insert_dead_letters(self, letters: Sequence[DeadLetter]) -> None:
        """Keep events that could not be applied, and say so in the ledger; doing it twice is harmless.

        An event that has been applied meanwhile is left alone.
        """
        await self.letters.bury(letters)

    async def figures(self) -> TableFigures:
        """Read what there is to see from outside: a few statements by index."""
        return await read_figures(self)

    async def ping_write(self) -> None:
        """Write a row of no meaning: a read would also succeed on a standby or a full disk.

        On a fresh connection: one from before an outage says nothing of what comes after it.
        """
        await self._database.renew()
        await self._database.write(_PROBE)

    async def take_turn(self, name: str) -> turns.Turn | None:
        """Take the turn at work that one process at a time may do; None when another has it.

        Holds a connection of the pool until `end`, or until the process dies.
        """
        return await turns.take(self._database, name)

    async def run_maintenance(self, *, retention_days: int = partitions.RETENTION_DAYS) -> partitions.Kept:
        """Make the ledger's days ahead, drop those past retention, and forget what goes with them."""
        await self.letters.erase_bodies()
        await notices.forget(self._database, days=retention_days)
        return await partitions.keep(self._database, retention_days=retention_days)

    async def _within(self, reach: Reach, deliveries: Sequence[Delivery]) -> BatchResult:
        while True:
            try:
                return await self._database.transaction(partial(self._apply, deliveries, reach))
            except OutOfReachError as error:
                reach |= error.wider  # by at least one address or customer each time

    async def _apply(
        self, deliveries: Sequence[Delivery], reach: Reach, connection: asyncpg.Connection
    ) -> BatchResult:
        return await batch.apply(connection, deliveries=deliveries, reach=reach)
