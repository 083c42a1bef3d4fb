"""Bulk retries and discards of dead letters: which letters each is to take, and how far it has come.

One runs at a time. Its process sends a heartbeat with each batch. Without one for 15 seconds the operation counts as
interrupted, and another process may continue it. Nothing is then done twice: the transaction that takes a batch also proves that
the operation is still this process's, and every letter that was taken says so.
"""

from __future__ import annotations

import json
import secrets
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any, TypeVar

from cogento.events.names import EventId
from cogento.events.strict_json import safe_json, safe_text
from cogento.store import dead_letters
from cogento.store.letter_records import LetterFilter, LetterMatch, LetterStatus, Replay
from schema.queries import query

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence

    import asyncpg

    from cogento.store.database import Database

T = TypeVar("T")

_BEGIN = query("operations_begin")
_END_SILENT = query("operations_end_silent")
_TAKE_OVER = query("operations_take_over")
_HOLD = query("operations_hold")
_PROGRESS = query("operations_progress")
_FINISH = query("operations_finish")
_STOP = query("operations_stop")
_READ = query("operations_read")
_LIST = query("operations_list")
_REMAINING = query("operations_remaining")
_IN_FLIGHT = query("operations_in_flight")
_OUTCOMES = query("operations_outcomes")

OPEN = frozenset({LetterStatus.OPEN})


class OperationKind(StrEnum):
    """What is done to the letters."""

    RETRY = "retry"
    DISCARD = "discard"


class OperationState(StrEnum):
    """Where an operation is; all but the first two and `done` can be continued."""

    RUNNING = "running"
    STOPPING = "stopping"
    STOPPED = "stopped"
    INTERRUPTED = "interrupted"
    DONE = "done"
    FAILED = "failed"


CONTINUABLE = frozenset({OperationState.STOPPED, OperationState.INTERRUPTED, OperationState.FAILED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One bulk retry or discard; `counts` are letters by result, and `seconds` how long ago it began, or how long it took.

    `filter` is None where a newer release wrote it.
    """

    id: int
    kind: OperationKind
    filter: LetterFilter | None
    newest_letter: int
    total: int
    counts: Mapping[str, int]
    state: OperationState
    who: str
    why: str
    rate: int | None
    runner: str
    error: str | None
    begun_at: dt.datetime
    heartbeat_at: dt.datetime
    finished_at: dt.datetime | None
    seconds: int

    @property
    def processed(self) -> int:
        """How many letters it has dealt with so far."""
        return sum(self.counts.values())

    @property
    def may_continue(self) -> bool:
        """Whether it stopped before it had dealt with every letter, with a filter that this release can read."""
        return self.state in CONTINUABLE and self.filter is not None


@dataclass(frozen=True, slots=True)
class OperationOutcome:
    """How many of an operation's letters are where; `resolution` says how resolved ones ended."""

    status: LetterStatus
    resolution: str | None
    letters: int


@dataclass(frozen=True, slots=True)
class InFlight:
    """A letter that a process had taken before it ended, and had not yet counted."""

    id: int
    event_id: EventId
    status: LetterStatus


class OperationRunningError(Exception):
    """Another bulk operation runs. Wait until it has ended, or stop it."""

    def __init__(self) -> None:
        super().__init__("another bulk operation runs; wait until it has ended, or stop it")


class OperationEndedError(Exception):
    """The operation is to stop, or another process continues it."""


class Operations:
    """The bulk operations of a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def begin(
        self,
        kind: OperationKind,
        which: LetterFilter,
        *,
        newest_letter: int,
        total: int,
        who: str,
        why: str,
        rate: int | None = None,
    ) -> Operation:
        """Begin an operation that this process runs; raises OperationRunningError while another one runs."""
        written = json.dumps(safe_json(_changed_fields(which)))
        terms = (kind, written, newest_letter, total, safe_text(who), safe_text(why), rate)
        await self._database.write(_END_SILENT)
        rows = await self._database.write(_BEGIN, *terms, secrets.token_hex(8))
        if not rows:
            raise OperationRunningError
        return _operation(rows[0])

    async def take_over(self, operation_id: int) -> Operation | None:
        """Continue an operation that stopped early; None when `may_continue` is false.

        Raises OperationRunningError while another one runs.
        """
        await self._database.write(_END_SILENT)
        rows = await self._database.write(_TAKE_OVER, operation_id, secrets.token_hex(8))
        if rows:
            return _operation(rows[0])
        known = await self.read(operation_id)
        if known is not None and known.may_continue:
            raise OperationRunningError
        return None

    async def remaining(self, operation: Operation) -> Sequence[LetterMatch]:
        """Name the letters that it still has to deal with, oldest event first.

        Ages in its filter are counted from when it began.
        """
        which = operation.filter or LetterFilter(ids=())
        aged = replace(
            which,
            statuses=OPEN,
            newest=min(operation.newest_letter, which.newest or operation.newest_letter),
            older_than_seconds=_aged(which.older_than_seconds, operation.seconds),
            newer_than_seconds=_aged(which.newer_than_seconds, operation.seconds),
        )
        terms = dead_letters.filter_terms(aged)
        return [LetterMatch(**row) for row in await self._database.search(_REMAINING, *terms, operation.id)]

    async def in_flight(self, operation_id: int) -> Sequence[InFlight]:
        """Name the letters of the batch in which the last process ended; ask before taking over."""
        rows = await self._database.fetch(_IN_FLIGHT, operation_id)
        return [InFlight(row["id"], EventId(row["event_id"]), LetterStatus(row["status"])) for row in rows]

    async def retry(self, operation: Operation, letter_ids: Collection[int]) -> Sequence[Replay]:
        """Take a batch of open letters, oldest event first; raises OperationEndedError when it is to stop."""
        return await self._batch(operation, dead_letters.retry, letter_ids)

    async def discard(self, operation: Operation, letter_ids: Collection[int]) -> Sequence[int]:
        """Close a batch of open letters, and say which; raises OperationEndedError when it is to stop."""
        return await self._batch(operation, dead_letters.discard, letter_ids)

    async def progress(self, operation: Operation, counts: Mapping[str, int]) -> None:
        """Record the totals so far, and that the process lives; raises OperationEndedError when another process continues it."""
        if not await self._database.write(
            _PROGRESS, operation.id, operation.runner, json.dumps(dict(counts))
        ):
            raise OperationEndedError

    async def finish(self, operation: Operation, state: OperationState, error: str | None = None) -> None:
        """End it, if it is still this process's."""
        await self._database.write(_FINISH, operation.id, operation.runner, state, error)

    async def stop(self, operation_id: int) -> bool:
        """Have an operation stop after its current batch; False when it does not run."""
        return bool(await self._database.write(_STOP, operation_id))

    async def read(self, operation_id: int) -> Operation | None:
        """Read an operation; None when there is none of this id."""
        rows = await self._database.fetch(_READ, operation_id)
        return _operation(rows[0]) if rows else None

    async def outcomes(self, operation_id: int) -> Sequence[OperationOutcome]:
        """Count its letters by where they are now."""
        return [
            OperationOutcome(LetterStatus(row["status"]), row["resolution"], row["letters"])
            for row in await self._database.search(_OUTCOMES, operation_id)
        ]

    async def list(self, *, below: int | None = None, limit: int = 50) -> Sequence[Operation]:
        """List operations, newest first; `below` is a number to page on."""
        return [_operation(row) for row in await self._database.fetch(_LIST, below, limit)]

    async def _batch(
        self,
        operation: Operation,
        change: Callable[..., Awaitable[Sequence[T]]],
        letter_ids: Collection[int],
    ) -> Sequence[T]:
        """Change letters in one transaction with the proof that the operation runs, and is this process's."""

        async def work(connection: asyncpg.Connection) -> Sequence[T]:
            if not await connection.fetch(_HOLD, operation.id, operation.runner):
                raise OperationEndedError
            return await change(
                connection,
                letter_ids=letter_ids,
                who=operation.who,
                why=operation.why,
                operation_id=operation.id,
            )

        return await self._database.transaction(work)


def _operation(row: Any) -> Operation:
    return Operation(
        **{
            **row,
            "kind": OperationKind(row["kind"]),
            "filter": _filter(json.loads(row["filter"])),
            "counts": json.loads(row["counts"]),
            "state": OperationState(row["state"]),
        }
    )


def _filter(written: dict[str, Any]) -> LetterFilter | None:
    try:
        return LetterFilter(**{**written, "ids": tuple(written["ids"])} if "ids" in written else written)
    except TypeError:
        return None


def _changed_fields(which: LetterFilter) -> dict[str, object]:
    """Name the terms that a filter gives; its statuses are always those of open letters."""
    unset = asdict(LetterFilter())
    return {
        name: value for name, value in asdict(which).items() if name != "statuses" and value != unset[name]
    }


def _aged(seconds: int | None, by: int) -> int | None:
    return None if seconds is None else seconds + by
