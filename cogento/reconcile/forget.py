"""Forgetting a person: everything that is kept of a customer is erased, in tables and mailboxes, for good.

The tables come first: from then on, events still on their way are blanked or come too late. An event that a worker held
meanwhile may have become a dead letter, so letters are searched again when the mailbox is empty. Safe to run again after a crash
at any point.
"""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cogento.events.event import Event, read_event
from cogento.events.fetched import fetched_event_body
from cogento.events.names import CustomerId
from cogento.store.activity import Action
from cogento.store.personal_data import names_in, worth_looking_for

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from cogento.queue.mailboxes import Mailboxes
    from cogento.store.personal_data import ErasedRows
    from cogento.store.store import Store

LEASE_WAIT_SECONDS = 90.0
"""How long to wait for a worker to give the customer back; if the worker has died, its lease ends sooner."""
POLL_SECONDS = 0.2

OUT_OF_REACH = (
    "Stripe: delete the customer there, too. While it lives there its events come here; nothing personal of them is kept.",
    "Backups and replicas of PostgreSQL and Redis, WAL archives, and Redis's append-only file until it is rewritten.",
    "Files that somebody exported: `cogento letters export --bodies` is recorded, see the activity.",
    "Logs hold ids, and no personal data. Your own tables, and tools that copied from here, are yours to look through.",
)


class ReasonNamesPersonError(ValueError):
    """The reason that an operator typed names the person, and would be kept. Give one without the name."""

    def __init__(self) -> None:
        super().__init__("the reason names the person, and it is kept: say it without")


class CustomerBusyError(Exception):
    """A worker has leased the customer's mailbox and does not give it back. Run the same command again."""

    def __init__(self) -> None:
        super().__init__(
            "a worker holds the customer's mailbox and does not give it back: run the same command again"
        )


@dataclass(frozen=True, slots=True)
class ForgetReport:
    """How much was erased, or would be: rows of the tables, and waiting events."""

    customer_id: CustomerId
    rows: ErasedRows
    events: int
    out_of_reach: tuple[str, ...] = OUT_OF_REACH

    @property
    def is_empty(self) -> bool:
        """Whether nothing here is about the customer."""
        rows = self.rows
        return not any((rows.users, rows.objects, rows.letters, rows.notices, rows.reasons, self.events))


class Forgetting:
    """Forgets people one at a time."""

    def __init__(
        self,
        mailboxes: Mailboxes,
        store: Store,
        *,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._mailboxes = mailboxes
        self._activity = store.activity
        self._personal_data = store.personal_data
        self._sleep = sleep

    async def plan(self, customer_id: CustomerId) -> ForgetReport:
        """Count exactly what would be erased; nothing is changed."""
        names = await self._names(customer_id)
        rows = await self._erase(await self._deletion(customer_id), who="", names=names, dry_run=True)
        mailbox = await self._mailboxes.view(customer_id)
        return ForgetReport(customer_id, rows, mailbox.waiting_total + mailbox.parked_total)

    async def run(self, customer_id: CustomerId, *, who: str, why: str = "") -> ForgetReport:
        """Erase everything of the customer, and record that it was done, without the data.

        Raises ReasonNamesPersonError before anything is changed, and CustomerBusyError when events are left in the mailbox
        because a worker has leased it: the tables are erased by then.
        """
        names = await self._names(customer_id)
        if any(name in why.lower() for name in names):
            raise ReasonNamesPersonError
        deletion = await self._deletion(customer_id)
        rows = await self._erase(deletion, who=who, names=names)
        events = await self._empty_mailbox(customer_id, names)
        late = await self._erase(deletion, who=who, names=names)
        report = ForgetReport(customer_id, rows, events)
        details = {"letters": rows.letters + late.letters, "events": events, "objects": rows.objects}
        await self._activity.record(
            who=who, action=Action.FORGET, about=customer_id, why=why, details=details
        )
        return report

    async def _names(self, customer_id: CustomerId) -> frozenset[str]:
        known = await self._personal_data.names_of(customer_id)
        mailbox = await self._mailboxes.view(customer_id)
        stored = [await self._mailboxes.find(one.event_id) for one in (*mailbox.waiting, *mailbox.parked)]
        return known | worth_looking_for(name for one in stored if one for name in names_in(one.body))

    async def _deletion(self, customer_id: CustomerId) -> Event:
        """Make the event that ends the customer, as if Stripe had been asked and had said that it is deleted."""
        stub = json.dumps({"id": customer_id, "object": "customer", "deleted": True}).encode()
        second = await self._mailboxes.now_ms() // 1000
        return read_event(fetched_event_body(stub, fetched_at=second, api_version=""))

    async def _erase(
        self, deletion: Event, *, who: str, names: frozenset[str], dry_run: bool = False
    ) -> ErasedRows:
        return await self._personal_data.erase(deletion, who=who, names=names, dry_run=dry_run)

    async def _empty_mailbox(self, customer_id: CustomerId, names: frozenset[str]) -> int:
        deadline = time.monotonic() + LEASE_WAIT_SECONDS
        while (removed := await self._mailboxes.forget(customer_id, names=names)) is None:
            if time.monotonic() > deadline:
                raise CustomerBusyError
            await self._sleep(POLL_SECONDS)
        return removed
