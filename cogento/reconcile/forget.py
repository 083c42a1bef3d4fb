"""Forgetting a person: everything that is kept of a customer is erased, in tables and mailboxes, for good.

The tables come first: from then on, events still on their way are blanked or come too late. Waiting events have been
acknowledged, and a cancellation may be among them: they are applied, blanked, before they are taken out. An event that a worker
held meanwhile may have become a dead letter, so letters are searched again when the mailbox is empty. Safe to run again after a
crash at any point.
"""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from cogento.events.errors import PermanentError
from cogento.events.event import Event, read_event, read_stored_event
from cogento.events.fetched import fetched_event_body
from cogento.events.letters import LetterReason
from cogento.events.names import CustomerId, EventId
from cogento.retries import FailureClass
from cogento.store.activity import Action
from cogento.store.errors import classify, code_of
from cogento.store.ledger import Delivery
from cogento.store.personal_data import is_named_in, names_in, worth_looking_for

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Sequence

    from cogento.queue.mailboxes import Mailboxes
    from cogento.queue.status import Listed
    from cogento.store.personal_data import ErasedRows
    from cogento.store.store import Store

log = structlog.get_logger()

LEASE_WAIT_SECONDS = 90.0
"""How long to wait for a worker to give the customer back; if the worker has died, its lease ends sooner."""
POLL_SECONDS = 0.2
ALL_EVENTS = 1_000_000
"""More than one customer's mailbox holds."""
EVENTS_AT_ONCE = 100

OUT_OF_REACH = (
    "Stripe: delete the customer there, too. While it lives there its events come here; nothing personal of them is kept.",
    "Backups and replicas of PostgreSQL and Redis, WAL archives, and Redis's append-only file until it is rewritten.",
    "Files that somebody exported: `cogento letters export --bodies` is recorded, see the activity.",
    "Logs hold ids, and no personal data. Your own tables, and tools that copied from here, are yours to look through.",
)
NO_NAMES = (
    "Reasons that name the person but are not about this customer: no name is known here any more, because the customer was deleted "
    "before. Say how the person is called with --name."
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
        self._store = store
        self._activity = store.activity
        self._personal_data = store.personal_data
        self._sleep = sleep

    async def plan(self, customer_id: CustomerId, *, names: Collection[str] = ()) -> ForgetReport:
        """Count exactly what would be erased; nothing is changed. `names` are looked for beside those that are known."""
        every_name = await self._names(customer_id, names)
        rows = await self._erase(await self._deletion(customer_id), who="", names=every_name, dry_run=True)
        mailbox = await self._mailboxes.view(customer_id)
        events = mailbox.waiting_total + mailbox.parked_total
        return ForgetReport(customer_id, rows, events, _out_of_reach(every_name))

    async def run(
        self, customer_id: CustomerId, *, who: str, why: str = "", names: Collection[str] = ()
    ) -> ForgetReport:
        """Erase everything of the customer, and record that it was done, without the data.

        `names` are looked for in reasons beside those that are known: of a customer whom Stripe has deleted none is. Raises
        ReasonNamesPersonError before anything is changed, and CustomerBusyError when events are left in the mailbox because a
        worker has leased it: the tables are erased by then.
        """
        every_name = await self._names(customer_id, names)
        if is_named_in(why, every_name):
            raise ReasonNamesPersonError
        deletion = await self._deletion(customer_id)
        rows = await self._erase(deletion, who=who, names=every_name)
        events = await self._empty_mailbox(customer_id, every_name)
        late = await self._erase(deletion, who=who, names=every_name)
        report = ForgetReport(customer_id, rows, events, _out_of_reach(every_name))
        details = {"letters": rows.letters + late.letters, "events": events, "objects": rows.objects}
        await self._activity.record(
            who=who, action=Action.FORGET, about=customer_id, why=why, details=details
        )
        return report

    async def _names(self, customer_id: CustomerId, further: Collection[str]) -> frozenset[str]:
        known = await self._personal_data.names_of(customer_id)
        mailbox = await self._mailboxes.view(customer_id)
        stored = [await self._mailboxes.find(one.event_id) for one in (*mailbox.waiting, *mailbox.parked)]
        in_events = {name for one in stored if one for name in names_in(one.body)}
        return known | worth_looking_for({*in_events, *further})

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
        """Apply what waits and take it out, again where more has come meanwhile; returns how many events it was."""
        deadline = time.monotonic() + LEASE_WAIT_SECONDS
        while True:
            known = await self._apply_waiting(customer_id)
            removed = await self._mailboxes.forget(customer_id, known=known, names=names)
            if removed is not None:
                return removed
            if time.monotonic() > deadline:
                raise CustomerBusyError
            await self._sleep(POLL_SECONDS)

    async def _apply_waiting(self, customer_id: CustomerId) -> list[EventId]:
        """Apply every event in the mailbox, as far as it can be, and return their ids."""
        mailbox = await self._mailboxes.view(customer_id, limit=ALL_EVENTS)
        listed = [*mailbox.waiting, *mailbox.parked]
        for first in range(0, len(listed), EVENTS_AT_ONCE):
            read = [await self._read(customer_id, one) for one in listed[first : first + EVENTS_AT_ONCE]]
            if deliveries := [delivery for delivery in read if delivery]:
                await self._apply(deliveries)
        return [one.event_id for one in listed]

    async def _read(self, customer_id: CustomerId, listed: Listed) -> Delivery | None:
        """Read a waiting event; None for one that is gone by now, that nobody could ever apply, or that a newer release wrote."""
        stored = await self._mailboxes.find(listed.event_id)
        if stored is None:
            if listed.source is None:
                _log_lost(listed.event_id, failure=FailureClass.OTHER_RELEASE)
            return None
        try:
            event = read_stored_event(stored.body)
        except PermanentError as error:
            _log_lost(listed.event_id, failure=FailureClass.PERMANENT, code=error.reason)
            return None
        if event.customer_id != customer_id or event.id != listed.event_id:
            _log_lost(listed.event_id, failure=FailureClass.PERMANENT, code=LetterReason.MISROUTED)
            return None
        return Delivery(event, stored.received_ms, listed.attempts, stored.source)

    async def _apply(self, deliveries: Sequence[Delivery]) -> None:
        """Apply events; one that can never be applied is left out, where a worker would make a dead letter of it."""
        try:
            await self._store.apply(deliveries)
        except Exception as error:
            if classify(error) not in {FailureClass.PERMANENT, FailureClass.BUG}:
                raise
            if len(deliveries) == 1:
                _log_lost(deliveries[0].event.id, failure=classify(error), code=code_of(error))
                return
            for delivery in deliveries:
                await self._apply([delivery])


def _log_lost(event_id: EventId, *, failure: FailureClass, code: str | None = None) -> None:
    log.warning("event_of_forgotten_lost", event_id=event_id, failure=failure, code=code)


def _out_of_reach(names: Collection[str]) -> tuple[str, ...]:
    return OUT_OF_REACH if names else (*OUT_OF_REACH, NO_NAMES)
