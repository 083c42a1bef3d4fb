"""The worker's access to Postgres: calls cross to the event loop and wait there for the result."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cogento import runtime
from cogento.events.letters import LetterReason
from cogento.retries import LETTER_RETRY
from cogento.store.connecting import greet_if_there
from cogento.store.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from cogento.events.names import EventId
    from cogento.store.dead_letters import DeadLetter, DeadLetters
    from cogento.store.email_ownership import AddressTakenError
    from cogento.store.figures import TableFigures
    from cogento.store.ledger import BatchResult, Delivery
    from cogento.store.letter_records import Replay

WHO = "worker"
NAME = "cogento worker"
FIGURES_SECONDS = 4.0
"""Postgres counts as away when its figures take longer: then somebody else's turn to read them comes."""

BATCH_SECONDS = 300.0
"""After that Postgres counts as away: many times what its own time-outs let a batch take."""


class BridgedStore:
    """Store for threads, opened by `open_store` and closed with the worker."""

    def __init__(self, store: Store, renew: Callable[[], None] = lambda: None) -> None:
        self._store = store
        self._renew = renew
        self.letters = BridgedLetters(store.letters)

    def with_lease(self, renew: Callable[[], None]) -> BridgedStore:
        """Return this store, calling `renew` before each batch and again and again while waiting for it.

        What `renew` raises ends the batch: nothing of it is written, unless it was being committed just then.
        """
        return BridgedStore(self._store, renew)

    def apply(self, deliveries: Sequence[Delivery]) -> BatchResult:
        """As Store.apply."""
        self._renew()
        return runtime.run(
            self._store.apply(deliveries), timeout_seconds=BATCH_SECONDS, meanwhile=self._renew
        )

    def insert_dead_letters(self, letters: Sequence[DeadLetter]) -> None:
        """As Store.insert_dead_letters."""
        self._renew()
        runtime.run(
            self._store.insert_dead_letters(letters), timeout_seconds=BATCH_SECONDS, meanwhile=self._renew
        )

    def ping_write(self) -> None:
        """As Store.ping_write."""
        runtime.run(self._store.ping_write())

    def figures(self) -> TableFigures:
        """As Store.figures; raises TimeoutError when it takes long."""
        return runtime.run(self._store.figures(), timeout_seconds=FIGURES_SECONDS)

    def run_maintenance(self, *, retention_days: int) -> None:
        """As Store.run_maintenance."""
        runtime.run(self._store.run_maintenance(retention_days=retention_days))

    def set_member_statuses(self, statuses: Collection[str]) -> frozenset[str] | None:
        """As Store.decide_members."""
        return runtime.run(self._store.set_member_statuses(statuses))

    def sync_member_roles(self) -> None:
        """As Store.refresh_members."""
        runtime.run(self._store.sync_member_roles())

    def repair(self) -> list[AddressTakenError]:
        """As Store.repair."""
        return runtime.run(self._store.repair())

    def close(self) -> None:
        """As Store.close."""
        runtime.run(self._store.close())


class BridgedLetters:
    """DeadLetters for the worker's automatic retry; `who` is the worker."""

    def __init__(self, letters: DeadLetters) -> None:
        self._letters = letters

    def retryable(self, reason: LetterReason, *, limit: int) -> list[int]:
        """Find open letters of `reason` whose cause has gone, as far as the tables can tell."""
        match reason:
            case LetterReason.CUSTOMER_MISSING:
                return runtime.run(self._letters.whose_customer_arrived(reason, limit=limit))
            case LetterReason.GAVE_UP:
                return runtime.run(
                    self._letters.since_which_was_written(
                        reason, after_seconds=LETTER_RETRY.gave_up_seconds, limit=limit
                    )
                )
            case _:
                return []

    def take(self, letter_ids: Collection[int], *, why: str) -> list[Replay]:
        """As DeadLetters.retry."""
        return runtime.run(self._letters.retry(letter_ids, who=WHO, why=why))

    def reopen(self, letter_ids: Collection[int], *, why: str, after_seconds: int = 0) -> int:
        """As DeadLetters.reopen."""
        return runtime.run(self._letters.reopen(letter_ids, who=WHO, why=why, after_seconds=after_seconds))

    def taken(self, *, for_seconds: int, above: int) -> dict[int, EventId]:
        """As DeadLetters.taken."""
        return runtime.run(self._letters.taken(for_seconds=for_seconds, above=above))


def greet(database_url: str) -> None:
    """Find out whether Postgres lets us in at all; raises PostgresRefusedError. That it is away is fine."""
    runtime.run(greet_if_there(database_url, application_name=NAME))


def open_store(database_url: str, *, pool_size: int) -> BridgedStore:
    """Open the store on this process's loop; Postgres may be away."""
    opening = Store.open(database_url, pool_size=pool_size, application_name=NAME)
    return BridgedStore(runtime.run(opening))
