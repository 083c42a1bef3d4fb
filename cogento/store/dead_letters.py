"""Dead letters: events that could not be applied, kept with their exact bytes until somebody deals with them.

A retry is only a way back into the mailbox: the event goes through the same decision, and whatever comes
of it resolves the letter (cogento/store/batch.py) or opens it again.
"""

from __future__ import annotations

import hashlib
from dataclasses import astuple, dataclass, fields
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from cogento.events.names import CustomerId, EventId
from cogento.events.outcomes import Outcome
from cogento.events.strict_json import safe_text
from cogento.store.kind_queries import query_of_all
from cogento.store.letter_records import (
    Letter,
    LetterAction,
    LetterCause,
    LetterCount,
    LetterFilter,
    LetterGroup,
    LetterOutcome,
    LetterRow,
    LetterStatus,
    LetterStatuses,
    LetterSummary,
    Replay,
    RowSince,
)
from cogento.store.rows import named_arrays, write
from schema.queries import column_names, query

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    import asyncpg

    from cogento.events.letters import LetterReason
    from cogento.events.outcomes import Result, Source
    from cogento.retries import FailureClass
    from cogento.store.database import Database

LONG_BYTES = 1024**2
LONG_SECONDS = 50.0
"""Letters of more than LONG_BYTES may take LONG_SECONDS to write: tens of megabytes take 8 s on a quiet machine, and a letter
that cannot be written holds its customer up."""

BODY_DAYS = 30
"""How long a resolved letter keeps its bytes."""

_LONG_TIMEOUT = f"SET LOCAL statement_timeout = '{LONG_SECONDS:.0f}s'"
_DEAD_LETTER = query("ledger_dead_letter")
_INSERT = query("dead_letters_insert")
_RESOLVE = query("dead_letters_resolve")
_RETRY = query("dead_letters_retry")
_REOPEN = query("dead_letters_reopen")
_REOPEN_DISCARDED = query("dead_letters_reopen_discarded")
_DISCARD = query("dead_letters_discard")
_CUSTOMER_ARRIVED = query("dead_letters_customer_arrived")
_ERASE_BODIES = query("dead_letters_erase_bodies")
_WRITTEN_AGAIN = query("dead_letters_written_again")
_TAKEN = query("dead_letters_taken")
_LIST = query("dead_letters_list")
_GROUPS = query("dead_letters_groups")
_READ = query("dead_letters_read")
_BODY = query("dead_letters_body")
_ACTIONS = query("dead_letters_actions")
_OUTCOMES = query("dead_letters_outcomes")
_COUNT = query_of_all("dead_letters_count")
_ERASE = query("forget_letters")
_ERASE_OF_DELETED = query("dead_letters_erase_of_deleted")
_STATUSES = query("dead_letters_statuses")
_SUMMARY = query("dead_letters_summary")
_ROWS = query_of_all("dead_letters_rows")
_NOT_CHANGED = ("status_before", "status_after")
"""The ledger's columns that only an event which changed a row fills."""
_CAUSE = [field.name for field in fields(LetterCause)]

ALL_UNRESOLVED = LetterFilter()


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """An event that becomes a dead letter; its fields are named as in the statements that write it.

    `created` is in Unix seconds: the time of receipt, where the bytes do not say. `failure_code` is an SQLSTATE or the type of
    an error; `message` comes from the catalogue and quotes nothing of the payload; `starts` counts attempts that a crash
    interrupted; `removal` says that the event ends its object.
    """

    event_id: EventId
    event_type: str
    customer_id: CustomerId
    object_id: str
    created: int
    raw_body: bytes
    received_ms: int
    source: Source
    attempts: int
    reason: LetterReason
    message: str
    failure_class: FailureClass
    failure_code: str | None = None
    constraint_name: str | None = None
    livemode: bool | None = None
    api_version: str | None = None
    first_attempt_ms: int | None = None
    starts: int = 0
    worker_version: str | None = None
    removal: bool = False

    outcome: ClassVar = Outcome.DEAD
    superseded_by: ClassVar = None

    @property
    def fingerprint(self) -> str:
        """Equal for letters that died of the same cause."""
        cause = (self.event_type, self.reason, self.failure_class, self.failure_code, self.constraint_name)
        return hashlib.sha256(repr(tuple(map(str, cause))).encode()).hexdigest()[:16]


class DeadLetters:
    """The dead letters of a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def insert(self, letters: Sequence[DeadLetter]) -> None:
        """Keep letters and write the ledger, in one transaction; repeating it is harmless."""
        if letters:
            await self._database.transaction(partial(insert, letters=letters))

    async def page(
        self, which: LetterFilter = ALL_UNRESOLVED, *, below: int | None = None, limit: int = 100
    ) -> list[Letter]:
        """List letters, newest first; `below` is an id to page on."""
        rows = await self._database.search(_LIST, *filter_terms(which), below, limit)
        return [_letter(row) for row in rows]

    async def groups(
        self, which: LetterFilter = ALL_UNRESOLVED, *, newest: int | None = None, limit: int = 100
    ) -> list[LetterGroup]:
        """Count letters by cause, the most frequent first: all letters, or only the `newest` ones."""
        rows = await self._database.search(_GROUPS, *filter_terms(which), newest, limit)
        return [LetterGroup(**row) for row in rows]

    async def summary(
        self,
        which: LetterFilter,
        *,
        paused: Collection[CustomerId] = (),
        customers_of: int | None = None,
        causes: int = 1,
    ) -> LetterSummary:
        """Count what matches, exactly, and name the newest and the most frequent causes.

        Customers are counted over at most `customers_of` letters, and those who are `paused` apart.
        """
        rows = await self._database.search(
            _SUMMARY, *filter_terms(which), list(paused), customers_of, max(causes, 1)
        )
        return LetterSummary(
            letters=rows[0]["all_letters"],
            newest=rows[0]["newest_of_all"],
            customers=rows[0]["customers"],
            paused_customers=rows[0]["paused_customers"],
            customers_of=rows[0]["customers_of"],
            causes=[LetterCause(**{name: row[name] for name in _CAUSE}) for row in rows if row["letters"]],
        )

    async def statuses(self, *, count_to: int) -> LetterStatuses:
        """Count the letters of each status, each up to `count_to`."""
        (row,) = await self._database.fetch(_STATUSES, count_to)
        return LetterStatuses({status: row[status] for status in LetterStatus}, row["newest"] or 0)

    async def rows(self, letter_ids: Collection[int]) -> dict[int, LetterRow]:
        """Say what the rows of letters' objects show by now."""
        rows = await self._database.fetch(_ROWS, list(letter_ids))
        return {
            row["id"]: LetterRow(_since(row), row["shown"], row["shown_at"], row["has_ended"]) for row in rows
        }

    async def read(self, letter_id: int) -> Letter | None:
        """Read one letter."""
        rows = await self._database.fetch(_READ, letter_id)
        return _letter(rows[0]) if rows else None

    async def body(self, letter_id: int) -> bytes | None:
        """Read the exact bytes of a letter; None when there is no such letter, or they were erased."""
        rows = await self._database.fetch(_BODY, letter_id)
        return rows[0]["raw_body"] if rows else None

    async def actions(self, letter_id: int) -> list[LetterAction]:
        """Say what was done to a letter, in order."""
        return [LetterAction(**row) for row in await self._database.fetch(_ACTIONS, letter_id)]

    async def outcomes(self, letter_ids: Collection[int]) -> list[LetterOutcome]:
        """Say what has become of letters, oldest event first."""
        rows = await self._database.fetch(_OUTCOMES, list(letter_ids))
        return [LetterOutcome(**{**row, "status": LetterStatus(row["status"])}) for row in rows]

    async def retry(self, letter_ids: Collection[int], *, who: str, why: str | None = None) -> list[Replay]:
        """Take open letters to put them back in their mailboxes, oldest event first.

        Letters that somebody else took, or that are closed, are left out. Whoever cannot put one back
        should `reopen` it; when nobody does, a worker finds it among those `taken` long ago.
        """
        return await self._database.transaction(partial(retry, letter_ids=letter_ids, who=who, why=why))

    async def reopen(
        self,
        letter_ids: Collection[int],
        *,
        who: str,
        why: str,
        after_seconds: int = 0,
        operation_id: int | None = None,
    ) -> int:
        """Open letters again whose retry did not come about; returns how many.

        With `after_seconds` only those that were taken at least so long ago.
        """
        return len(
            await self._database.write(_REOPEN, list(letter_ids), after_seconds, who, why, operation_id)
        )

    async def reopen_discarded(self, letter_ids: Collection[int], *, who: str, why: str) -> int:
        """Take back a discard, so that the letters can be retried; returns how many.

        Left out are letters without their bytes, and those whose event has another open letter.
        """
        return len(await self._database.write(_REOPEN_DISCARDED, list(letter_ids), who, why))

    async def discard(self, letter_ids: Collection[int], *, why: str, who: str) -> int:
        """Close open letters without applying them; returns how many."""
        closed = await self._database.transaction(partial(discard, letter_ids=letter_ids, who=who, why=why))
        return len(closed)

    async def taken(self, *, for_seconds: int, above: int = 0, limit: int = 500) -> dict[int, EventId]:
        """Find letters whose retry began at least `for_seconds` ago: event by letter id; `above` is an id to page on."""
        rows = await self._database.fetch(_TAKEN, for_seconds, above, limit)
        return {row["id"]: EventId(row["event_id"]) for row in rows}

    async def whose_customer_arrived(self, reason: str, *, limit: int = 100) -> list[int]:
        """Find open letters that died for `reason`, a missing customer, and whose customer has a row now."""
        return [row["id"] for row in await self._database.fetch(_CUSTOMER_ARRIVED, reason, limit)]

    async def since_which_was_written(
        self, reason: str, *, after_seconds: int, limit: int = 100
    ) -> list[int]:
        """Find open, never retried letters that died for `reason` at least `after_seconds` ago, if any row was written since."""
        rows = await self._database.fetch(_WRITTEN_AGAIN, reason, after_seconds, limit)
        return [row["id"] for row in rows]

    async def erase_bodies(self, *, after_days: int = BODY_DAYS) -> None:
        """Erase the bytes of letters that were closed long ago, and of those whose customers are deleted."""
        await self._database.write(_ERASE_BODIES, after_days)
        await self._database.write(_ERASE_OF_DELETED)

    async def count(self) -> list[LetterCount]:
        """Count the unresolved letters."""
        return [
            LetterCount(**{**row, "status": LetterStatus(row["status"])})
            for row in await self._database.fetch(_COUNT)
        ]


async def insert(connection: asyncpg.Connection, letters: Sequence[DeadLetter]) -> None:
    """Write the ledger first: an event that was applied meanwhile is no dead letter."""
    unique = {letter.event_id: letter for letter in letters}
    ordered = [unique[event_id] for event_id in sorted(unique)]
    entries = _columns(_DEAD_LETTER, ordered) | dict.fromkeys(_NOT_CHANGED, [None] * len(ordered))
    rows = await connection.fetch(_DEAD_LETTER, *named_arrays(_DEAD_LETTER, entries))
    dead = {row["event_id"] for row in rows}
    kept = [letter for letter in ordered if letter.event_id in dead]
    messages = [safe_text(letter.message) for letter in kept]
    if sum(len(letter.raw_body) for letter in kept) > LONG_BYTES:
        await connection.execute(_LONG_TIMEOUT)
    await write(connection, _INSERT, _columns(_INSERT, kept) | {"message": messages}, seconds=LONG_SECONDS)


async def retry(
    connection: asyncpg.Connection,
    *,
    letter_ids: Collection[int],
    who: str,
    why: str | None,
    operation_id: int | None = None,
) -> list[Replay]:
    """Take open letters as part of a transaction, oldest event first."""
    rows = await connection.fetch(_RETRY, list(letter_ids), who, why, operation_id)
    rows.sort(key=lambda row: (row["event_created_at"], row["id"]))
    return [
        Replay(row["id"], EventId(row["event_id"]), CustomerId(row["customer_id"]), row["raw_body"])
        for row in rows
    ]


async def discard(
    connection: asyncpg.Connection,
    *,
    letter_ids: Collection[int],
    who: str,
    why: str,
    operation_id: int | None = None,
) -> list[int]:
    """Close open letters as part of a transaction; returns the ids of those it closed."""
    rows = await connection.fetch(_DISCARD, list(letter_ids), why, who, operation_id)
    return [row["id"] for row in rows]


async def erase(connection: asyncpg.Connection, *, whose: Collection[str], who: str, why: str) -> int:
    """Erase what the letters of these customers and objects say, and close them; returns how many."""
    return len(await connection.fetch(_ERASE, list(whose), who, why))


async def resolve(connection: asyncpg.Connection, results: Mapping[EventId, Result]) -> None:
    """Close the letters of those events whose outcome is final now."""
    final = {event_id: result.outcome for event_id, result in results.items() if result.is_final}
    if final:
        await connection.execute(_RESOLVE, list(final), list(final.values()))


def _columns(statement: str, letters: Sequence[DeadLetter]) -> dict[str, list[Any]]:
    """Return, for letters, the columns that a statement names."""
    names = [name for name in column_names(statement) if name not in _NOT_CHANGED]
    return {name: [getattr(letter, name) for letter in letters] for name in names}


def filter_terms(which: LetterFilter) -> tuple[object, ...]:
    """Write a filter as the first parameters of the queries that take one."""
    statuses, *others = astuple(which)
    return (list(statuses), *others)


def _since(row: Any) -> RowSince:
    if not row["is_there"]:
        return RowSince.ABSENT
    if row["shown"] == row["event_id"]:
        return RowSince.THIS
    shown_at, created = row["shown_at"], row["event_created_at"]
    if shown_at is None or shown_at < created:
        return RowSince.OLDER
    return RowSince.NEWER if shown_at > created else RowSince.SAME_SECOND


def _letter(row: Any) -> Letter:
    return Letter(**{**row, "status": LetterStatus(row["status"])})
