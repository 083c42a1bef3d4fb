"""Bulk retries and discards: everything that matches, batch by batch, by a command or by a thread of the console.

A batch is taken and put as one. After each, the tables record what was done so far (cogento/store/operations.py), so that
everybody sees it, and an operation whose process died continues where it stopped.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

import structlog

from cogento import runtime
from cogento.console.errors import Failure, friendly_errors
from cogento.queue.redelivery import Redelivery, redeliver
from cogento.store.activity import Action
from cogento.store.letter_records import LetterStatus
from cogento.store.operations import (
    OPEN,
    Operation,
    OperationEndedError,
    OperationKind,
    OperationOutcome,
    OperationRunningError,
    OperationState,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Generator, Iterator, Mapping, Sequence

    from cogento.queue.mailboxes import Mailboxes
    from cogento.store.dead_letters import DeadLetters
    from cogento.store.letter_records import LetterFilter, LetterMatch, Replay
    from cogento.store.operations import InFlight, Operations
    from cogento.store.store import Store

BATCH_LETTERS = 200
BATCH_BYTES = 4 * 1024**2
ANSWER_SECONDS = 20
COUNTED_ANEW = 10_000
"""The outcomes of up to so many letters are counted at every request; counting more takes at most COUNTING_SHARE of the time."""
COUNTING_SHARE = 0.05
COUNTS_KEPT = 20
DISCARDED = "discarded"
"""A result that is counted beside those of a retry (cogento/queue/redelivery.py)."""

NOT_PUT = "it could not be put back"
CUT_SHORT = "the retry was cut short: the event is in no mailbox"
MISTAKE = "Unexpected error in Cogento: the log has the details."

log = structlog.get_logger()


class NothingMatches(Failure):
    """No open letter matches."""

    def __init__(self) -> None:
        super().__init__("No open letter matches.")


class MoreMatch(Failure):
    """More open letters match than the operator was shown."""

    def __init__(self, letters: int, shown: int) -> None:
        counted = f"{letters:,} letters match now, more than the {shown:,} that {'was' if shown == 1 else 'were'} shown"
        super().__init__(f"{counted}; some may have failed again. Nothing was begun: look again.")


class Stop(Protocol):
    """A request to stop, which is checked between two batches."""

    @property
    def is_requested(self) -> bool:
        """Whether to begin no further batch."""

    def wait(self, seconds: float) -> None:
        """Wait, but no longer than until somebody asks."""


class NeverStops:
    """A Stop that is never requested: a thread of the console is stopped through the tables, as any operation can be."""

    is_requested = False

    def wait(self, seconds: float) -> None:
        """Wait."""
        time.sleep(max(seconds, 0))


@dataclass(frozen=True, slots=True)
class OperationDetails:
    """An operation and the outcomes of its letters, counted a while ago where there are many."""

    operation: Operation
    outcomes: Sequence[OperationOutcome]
    outcomes_age_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class _Counted:
    """What was counted of an operation, when by the monotonic clock, and how long it took."""

    outcomes: Sequence[OperationOutcome]
    at: float
    took: float


class BulkOperations:
    """Begins, runs, shows, stops and continues bulk operations; every error is a Failure with a sentence for people."""

    def __init__(self, mailboxes: Mailboxes, store: Store) -> None:
        self._mailboxes = mailboxes
        self._letters = store.letters
        self._operations = store.operations
        self._activity = store.activity
        self._counted: dict[int, _Counted] = {}

    def start(
        self,
        kind: OperationKind,
        which: LetterFilter,
        *,
        who: str,
        why: str,
        rate: int | None = None,
        shown: int | None = None,
    ) -> Operation:
        """Begin one and have a thread run it."""
        operation = self.begin(kind, which, who=who, why=why, rate=rate, shown=shown)
        self._run_in_thread(operation)
        return operation

    def begin(
        self,
        kind: OperationKind,
        which: LetterFilter,
        *,
        who: str,
        why: str,
        rate: int | None = None,
        shown: int | None = None,
    ) -> Operation:
        """Begin one that the caller runs: over all open letters that match now, up to the filter's newest.

        Letters that die from now on are not part of it. One that died again has its old id, so where more match than the `shown`
        ones, nothing begins.
        """
        with friendly_errors():
            found = runtime.run(self._letters.summary(replace(which, statuses=OPEN), customers_of=0))
            if not found.letters:
                raise NothingMatches
            if shown is not None and found.letters > shown:
                raise MoreMatch(found.letters, shown)
            newest, total = found.newest, found.letters
            try:
                operation = runtime.run(
                    self._operations.begin(
                        kind, which, newest_letter=newest, total=total, who=who, why=why, rate=rate
                    )
                )
            except OperationRunningError as error:
                raise self._occupied() from error
            self._record(operation, Action(kind), who=who, why=why, letters=found.letters)
        return operation

    def continue_(self, operation_id: int, *, who: str) -> Operation:
        """Take over an operation that stopped early, and have a thread run it."""
        operation = self.take_over(operation_id, who=who)
        self._run_in_thread(operation)
        return operation

    def take_over(self, operation_id: int, *, who: str) -> Operation:
        """Take over an operation that stopped early; the caller runs it."""
        with friendly_errors():
            flying = runtime.run(self._operations.in_flight(operation_id))
            absent = self._absent(flying)
            try:
                operation = runtime.run(self._operations.take_over(operation_id))
            except OperationRunningError as error:
                raise self._occupied() from error
            if operation is None:
                raise Failure(
                    f"Operation {operation_id} cannot be continued: it runs, is done, or does not exist."
                )
            self._record(operation, Action.CONTINUE, who=who)
            return self._count_in_flight(operation, flying, absent)

    def remaining(self, operation: Operation) -> Sequence[LetterMatch]:
        """Name the letters that an operation still has to deal with, oldest event first."""
        return runtime.run(self._operations.remaining(operation))

    def stop(self, operation_id: int, *, who: str) -> bool:
        """Have an operation stop after its current batch; False when it does not run."""
        with friendly_errors():
            stopping = runtime.run(self._operations.stop(operation_id), timeout_seconds=ANSWER_SECONDS)
            operation = self._read(operation_id) if stopping else None
            if operation is not None:
                self._record(operation, Action.STOP, who=who)
        return stopping

    def read(self, operation_id: int) -> OperationDetails | None:
        """Say how far an operation has come, and what became of its letters."""
        with friendly_errors():
            operation = self._read(operation_id)
            if operation is None:
                return None
            counted = self._count(operation)
        return OperationDetails(operation, counted.outcomes, time.monotonic() - counted.at)

    def page(self, *, below: int | None = None, limit: int = 50) -> Sequence[Operation]:
        """List operations, newest first; `below` is a number to page on."""
        with friendly_errors():
            listed = self._operations.list(below=below, limit=limit)
            return runtime.run(listed, timeout_seconds=ANSWER_SECONDS)

    def run(self, operation: Operation, stop: Stop) -> Iterator[Mapping[int, str]]:
        """Do what is left of an operation, at its rate, and yield each batch's results by letter.

        The tables record how it ended; where they cannot be written, the heartbeat stops and the operation counts as
        interrupted. Every error is a Failure with a sentence for people.
        """
        state, problem = OperationState.FAILED, MISTAKE
        try:
            with friendly_errors():
                is_done = yield from self._batches(operation, stop)
            state = OperationState.DONE if is_done else OperationState.STOPPED
        except OperationEndedError:
            state = OperationState.STOPPED
        except Failure as failure:
            problem = failure.message
            raise
        except (GeneratorExit, KeyboardInterrupt):
            state = OperationState.STOPPED
            raise
        finally:
            error = problem if state is OperationState.FAILED else None
            with contextlib.suppress(Exception):
                runtime.run(self._operations.finish(operation, state, error), timeout_seconds=ANSWER_SECONDS)

    def _batches(self, operation: Operation, stop: Stop) -> Generator[Mapping[int, str], None, bool]:
        """Do the batches; returns False when a stop was requested before the last."""
        counts = Counter(operation.counts)
        rate = operation.rate
        size = min(max(rate // 10, 1), BATCH_LETTERS) if rate else BATCH_LETTERS
        for batch in batches(self.remaining(operation), letters=size):
            if stop.is_requested:
                return False
            begun = time.monotonic()
            results = self._do(operation, batch)
            counts.update(results.values())
            runtime.run(self._operations.progress(operation, counts))
            yield results
            if rate:
                stop.wait(begun + len(batch) / rate - time.monotonic())
        return True

    def _do(self, operation: Operation, batch: list[int]) -> dict[int, str]:
        if operation.kind is OperationKind.RETRY:
            letters = _LettersOfOperation(self._operations, self._letters, operation)
            return {**runtime.run(redeliver(batch, letters, self._mailboxes))}
        closed = set(runtime.run(self._operations.discard(operation, batch)))
        return {id_: DISCARDED if id_ in closed else Redelivery.NOT_OPEN for id_ in batch}

    def _absent(self, flying: Sequence[InFlight]) -> list[int]:
        """Find letters on their way whose events are in no mailbox.

        A wrong guess is harmless: a letter whose event was just settled is closed already.
        """
        return [
            one.id
            for one in flying
            if one.status is LetterStatus.RETRYING and runtime.run(self._mailboxes.find(one.event_id)) is None
        ]

    def _count_in_flight(
        self, operation: Operation, flying: Sequence[InFlight], absent: list[int]
    ) -> Operation:
        """Count the batch in which the last process ended, and open again the letters whose events are in no mailbox."""
        if absent:
            letters = _LettersOfOperation(self._operations, self._letters, operation)
            runtime.run(letters.give_back(absent, why=CUT_SHORT))
        result = Redelivery.PUT_BACK if operation.kind is OperationKind.RETRY else DISCARDED
        counts = Counter(operation.counts)
        counts[result] += len(flying) - len(absent)
        runtime.run(self._operations.progress(operation, +counts))
        return replace(operation, counts=dict(+counts))

    def _run_in_thread(self, operation: Operation) -> None:
        name = f"operation-{operation.id}"
        threading.Thread(target=self._run_to_its_end, args=(operation,), name=name, daemon=True).start()

    def _run_to_its_end(self, operation: Operation) -> None:
        try:
            for _ in self.run(operation, NeverStops()):
                pass
        except Failure as failure:
            log.warning("operation_failed", operation=operation.id, problem=failure.message)
        except Exception:
            log.exception("operation_failed", operation=operation.id)

    def _count(self, operation: Operation) -> _Counted:
        """Count its letters by outcome; where there are many, a recent count is used again."""
        begun, last = time.monotonic(), self._counted.pop(operation.id, None)
        is_young = last is not None and begun - last.at < last.took / COUNTING_SHARE
        if last is None or not is_young or operation.total <= COUNTED_ANEW:
            outcomes = runtime.run(self._operations.outcomes(operation.id), timeout_seconds=ANSWER_SECONDS)
            last = _Counted(outcomes, time.monotonic(), time.monotonic() - begun)
        self._counted[operation.id] = last
        for id_ in list(self._counted)[:-COUNTS_KEPT]:
            self._counted.pop(id_, None)
        return last

    def _read(self, operation_id: int) -> Operation | None:
        return runtime.run(self._operations.read(operation_id), timeout_seconds=ANSWER_SECONDS)

    def _record(
        self, operation: Operation, action: Action, *, who: str, why: str = "", letters: int | None = None
    ) -> None:
        details = {"operation": operation.id, **({} if letters is None else {"letters": letters})}
        about = operation.filter.about if operation.filter else None
        runtime.run(
            self._activity.record(who=who, action=action, about=about, why=why, details=details),
            timeout_seconds=ANSWER_SECONDS,
        )

    def _occupied(self) -> Failure:
        running = [
            one
            for one in self.page(limit=20)
            if one.state in {OperationState.RUNNING, OperationState.STOPPING}
        ]
        which = (
            f"Operation {running[0].id} ({running[0].kind}, by {running[0].who})" if running else "Another"
        )
        return Failure(
            f"{which} runs, and one runs at a time. Wait until it has ended, or stop it. "
            "Should its process have died, it counts as interrupted after 15 seconds."
        )


@dataclass(frozen=True, slots=True)
class _LettersOfOperation:
    """Letters that are taken for an operation."""

    operations: Operations
    letters: DeadLetters
    operation: Operation

    async def take(self, letter_ids: Collection[int]) -> Sequence[Replay]:
        return await self.operations.retry(self.operation, letter_ids)

    async def give_back(self, letter_ids: Collection[int], *, why: str = NOT_PUT) -> None:
        who, operation_id = self.operation.who, self.operation.id
        await self.letters.reopen(letter_ids, who=who, why=why, operation_id=operation_id)


def batches(
    matches: Sequence[LetterMatch], *, letters: int = BATCH_LETTERS, body_bytes: int = BATCH_BYTES
) -> Iterator[list[int]]:
    """Divide letters, in their order, so that no batch is large in number or in bytes."""
    batch: list[int] = []
    left = body_bytes
    for match in matches:
        if batch and (len(batch) >= letters or match.body_bytes > left):
            yield batch
            batch, left = [], body_bytes
        batch.append(match.id)
        left -= match.body_bytes
    if batch:
        yield batch
