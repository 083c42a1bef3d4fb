"""The worker's way to the database: calls cross to the event loop and wait there for the answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import bridge
from schema.store import Store

if TYPE_CHECKING:
    from collections.abc import Sequence

    from schema.delivery import BatchResult, Delivery
    from schema.letters import DeadLetter


class BridgedStore:
    """schema.Store for threads; opened on first use by `open_store`, and closed with the worker."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def apply(self, deliveries: Sequence[Delivery]) -> BatchResult:
        """As Store.apply."""
        return bridge.run(self._store.apply(deliveries))

    def bury(self, letters: Sequence[DeadLetter]) -> None:
        """As Store.bury."""
        bridge.run(self._store.bury(letters))

    def ping_write(self) -> None:
        """As Store.ping_write."""
        bridge.run(self._store.ping_write())

    def tidy(self, *, retention_days: int) -> None:
        """As Store.tidy."""
        bridge.run(self._store.tidy(retention_days=retention_days))

    def refresh_members(self) -> None:
        """As Store.refresh_members."""
        bridge.run(self._store.refresh_members())

    def close(self) -> None:
        """As Store.close."""
        bridge.run(self._store.close())


def open_store(
    database_url: str, *, pool_size: int, member_statuses: frozenset[str] = frozenset()
) -> BridgedStore:
    """Open the store on this process's loop; Postgres may be away."""
    opening = Store.open(
        database_url,
        pool_size=pool_size,
        application_name="cogento worker",
        member_statuses=member_statuses,
    )
    return BridgedStore(bridge.run(opening))
