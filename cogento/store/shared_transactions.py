"""Batches of several callers in one transaction, where a transaction for each would be small.

A transaction has a fixed cost, whatever it holds: its statements, the commit, the wait for the disk.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cogento.retries import FailureClass
from cogento.store.errors import classify
from cogento.store.ledger import BatchResult

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cogento.store.ledger import Delivery
    from cogento.store.store import Store

TRANSACTIONS = 2
"""How many are under way at once: while Postgres works on one, the other is decided and written."""
EVENTS_TOGETHER = 500
"""A transaction that holds so many events takes no further caller's."""


@dataclass(eq=False, slots=True)
class _Share:
    """What one caller brings to a transaction, and its result."""

    deliveries: Sequence[Delivery]
    result: asyncio.Future[BatchResult] = field(default_factory=asyncio.Future)

    def end(self, result: BatchResult | Exception | None) -> None:
        """Tell the caller, unless it has given up; no result means that the transaction was cancelled."""
        if self.result.done():
            return
        if result is None:
            self.result.cancel()
        elif isinstance(result, Exception):
            self.result.set_exception(result)
        else:
            self.result.set_result(result)


class SharedTransactions:
    """Applies in one transaction what several callers of one event loop bring at once.

    Nobody waits for others: a caller who finds fewer than TRANSACTIONS under way begins one with all that waits, and those who
    come meanwhile share the next. Only for callers that stop together: cancelling one cancels its transaction, and so all that
    share it.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._free = asyncio.Semaphore(TRANSACTIONS)
        self._waiting: deque[_Share] = deque()

    async def apply(self, deliveries: Sequence[Delivery]) -> BatchResult:
        """Apply as `Store.apply`, and raise as it does; the result may contain others' events as well.

        Where one caller's events make the transaction fail, it is applied again caller by caller.
        """
        mine = _Share(deliveries)
        self._waiting.append(mine)
        async with self._free:
            if mine in self._waiting:  # otherwise another caller's transaction has taken it
                await self._apply(self._next_shares())
        return await mine.result

    def _next_shares(self) -> list[_Share]:
        taken, events = [self._waiting.popleft()], 0
        while self._waiting and (events := events + len(taken[-1].deliveries)) < EVENTS_TOGETHER:
            taken.append(self._waiting.popleft())
        return taken

    async def _apply(self, shares: Sequence[_Share]) -> None:
        result: BatchResult | Exception | None = None
        try:
            result = await self._store.apply([one for share in shares for one in share.deliveries])
        except Exception as error:  # noqa: BLE001 - each caller is told
            if len(shares) > 1 and classify(error) is not FailureClass.INFRASTRUCTURE:
                for share in shares:
                    await self._apply([share])
            result = error
        finally:
            for share in shares:
                share.end(result)
