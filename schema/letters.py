"""Dead letters: events that could not be applied, kept with their exact bytes until somebody deals with them.

A retry is only a way back into the mailbox: the event goes through the same decision, and whatever comes
of it resolves the letter (schema/batch.py) or opens it again.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from events.names import CustomerId, EventId
from events.text import safe_text
from schema.ledger import entry_of
from schema.queries import query
from schema.rows import arrays, write

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Collection, Mapping, Sequence

    import asyncpg

    from events.outcomes import Outcome
    from events.retry import FailureClass
    from schema.database import Database

BODY_DAYS = 30
"""How long a resolved letter keeps its bytes."""

_BURY = query("ledger_bury")
_INSERT = query("letters_insert")
_RESOLVE = query("letters_resolve")
_RETRY = query("letters_retry")
_REOPEN = query("letters_reopen")
_DISCARD = query("letters_discard")
_CUSTOMER_ARRIVED = query("letters_customer_arrived")
_ERASE_BODIES = query("letters_erase_bodies")
_LIST = query("letters_list")
_BODY = query("letters_body")
_COUNT = query("letters_count")


class LetterStatus(StrEnum):
    """Where a letter is; the last two are final."""

    OPEN = "open"
    RETRYING = "retrying"  # back in its mailbox
    RESOLVED = "resolved"
    DISCARDED = "discarded"


UNRESOLVED = frozenset({LetterStatus.OPEN, LetterStatus.RETRYING})


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """An event to bury. `created` in Unix seconds; when the bytes don't tell, the time of receipt.

    `failure_code` is an SQLSTATE or a type; `message` comes from the catalogue and quotes nothing of the
    payload; `starts` counts attempts that never ended.
    """

    event_id: EventId
    type: str
    customer_id: CustomerId
    object_id: str
    created: int
    body: bytes
    received_ms: int
    source: str
    attempts: int
    reason: str
    message: str
    failure_class: FailureClass
    failure_code: str | None = None
    constraint_name: str | None = None
    livemode: bool | None = None
    api_version: str | None = None
    first_attempt_ms: int | None = None
    starts: int = 0
    worker_version: str | None = None
    sig_header: str | None = None
    trace_id: str | None = None

    @property
    def fingerprint(self) -> str:
        """Equal for letters that died of the same cause."""
        cause = (self.type, self.reason, self.failure_class, self.failure_code, self.constraint_name)
        return hashlib.sha256(repr(tuple(map(str, cause))).encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A letter as kept, without its bytes."""

    id: int
    event_id: EventId
    event_type: str
    customer_id: CustomerId
    object_id: str
    livemode: bool | None
    api_version: str | None
    event_created_at: dt.datetime
    received_at: dt.datetime
    first_attempt_at: dt.datetime | None
    died_at: dt.datetime
    attempts: int
    starts: int
    reason: str
    failure_class: str
    failure_code: str | None
    constraint_name: str | None
    message: str
    fingerprint: str
    worker_version: str | None
    source: str
    status: LetterStatus
    resolution: str | None
    resolved_by: str | None
    resolved_at: dt.datetime | None
    replays: int


@dataclass(frozen=True, slots=True)
class Replay:
    """A letter on its way back into its mailbox."""

    id: int
    event_id: EventId
    customer_id: CustomerId
    body: bytes


@dataclass(frozen=True, slots=True)
class LetterCount:
    """How many unresolved letters of one status and class there are, and since when."""

    status: LetterStatus
    failure_class: str
    letters: int
    oldest: dt.datetime


class Letters:
    """The dead letters of a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def bury(self, letters: Sequence[DeadLetter]) -> None:
        """Keep letters and write the ledger, in one transaction; again is harmless."""

        async def work(connection: asyncpg.Connection) -> None:
            await bury(connection, letters)

        if letters:
            await self._database.transaction(work)

    async def page(
        self,
        statuses: Collection[LetterStatus] = UNRESOLVED,
        *,
        about: str | None = None,
        below: int | None = None,
        limit: int = 100,
    ) -> list[Letter]:
        """List letters, newest first; `about` is a customer, object or event, `below` an id to page on."""
        rows = await self._database.fetch(_LIST, list(statuses), about, below, limit)
        return [_letter(row) for row in rows]

    async def body(self, letter_id: int) -> bytes | None:
        """Read the exact bytes of a letter; None when there is no such letter, or they were erased."""
        rows = await self._database.fetch(_BODY, letter_id)
        return rows[0]["raw_body"] if rows else None

    async def retry(self, letter_ids: Collection[int]) -> list[Replay]:
        """Take open letters to put them back in their mailboxes, oldest event first.

        Letters that somebody else took, or that are closed, are left out. Whoever cannot put one back
        must `reopen` it.
        """
        rows = await self._database.write(_RETRY, list(letter_ids))
        rows.sort(key=lambda row: (row["event_created_at"], row["id"]))
        return [
            Replay(row["id"], EventId(row["event_id"]), CustomerId(row["customer_id"]), row["raw_body"])
            for row in rows
        ]

    async def reopen(self, letter_ids: Collection[int]) -> int:
        """Give back letters whose retry did not come about; how many is returned."""
        return len(await self._database.write(_REOPEN, list(letter_ids)))

    async def discard(self, letter_ids: Collection[int], *, why: str, who: str) -> int:
        """Close open letters without applying them; how many is returned."""
        return len(await self._database.write(_DISCARD, list(letter_ids), why, who))

    async def whose_customer_arrived(self, reason: str, *, limit: int = 100) -> list[int]:
        """Find open letters that died for `reason`, a missing customer, and whose customer has a row now."""
        return [row["id"] for row in await self._database.fetch(_CUSTOMER_ARRIVED, reason, limit)]

    async def erase_bodies(self, *, after_days: int = BODY_DAYS) -> None:
        """Erase the bytes of letters that were closed long ago."""
        await self._database.write(_ERASE_BODIES, after_days)

    async def count(self) -> list[LetterCount]:
        """Count the unresolved letters."""
        return [
            LetterCount(LetterStatus(row["status"]), row["failure_class"], row["letters"], row["oldest"])
            for row in await self._database.fetch(_COUNT)
        ]


async def bury(connection: asyncpg.Connection, letters: Sequence[DeadLetter]) -> None:
    """Write the ledger first: an event that was applied meanwhile is no dead letter."""
    unique = {letter.event_id: letter for letter in letters}
    ordered = [unique[event_id] for event_id in sorted(unique)]
    rows = await connection.fetch(_BURY, *arrays(_entry(letter) for letter in ordered))
    dead = {row["event_id"] for row in rows}
    await write(connection, _INSERT, [_kept(letter) for letter in ordered if letter.event_id in dead])


async def resolve(connection: asyncpg.Connection, outcomes: Mapping[EventId, Outcome]) -> None:
    """Close the letters of events whose outcome is final now."""
    entries = {event_id: entry for event_id, outcome in outcomes.items() if (entry := entry_of(outcome))}
    if entries:
        await connection.execute(_RESOLVE, list(entries), [entry.outcome for entry in entries.values()])


def _entry(letter: DeadLetter) -> tuple[object, ...]:
    return (
        letter.event_id,
        letter.created,
        letter.type,
        letter.customer_id,
        letter.object_id,
        letter.received_ms,
        letter.reason,
        letter.attempts,
        letter.source,
    )


def _kept(letter: DeadLetter) -> tuple[object, ...]:
    return (
        letter.event_id,
        letter.type,
        letter.customer_id,
        letter.object_id,
        letter.livemode,
        letter.api_version,
        letter.created,
        letter.received_ms,
        letter.first_attempt_ms,
        letter.attempts,
        letter.starts,
        letter.reason,
        letter.failure_class,
        letter.failure_code,
        letter.constraint_name,
        safe_text(letter.message),
        letter.fingerprint,
        letter.worker_version,
        letter.source,
        letter.body,
        letter.sig_header,
        letter.trace_id,
    )


def _letter(row: Any) -> Letter:
    return Letter(**{**row, "status": LetterStatus(row["status"])})
