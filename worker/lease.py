"""A claim's lease while its events are processed: renewed in time, and the work ended once the lease is lost.

The loop that works on the claim renews it while it awaits the work: a separate task would also renew for a loop that hangs
elsewhere. A step that blocks the process renews nothing, and each query to Postgres has a time limit (worker/batch.py), so a
loop that hangs loses its lease. Knows neither Redis commands nor the database.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

import structlog

from cogento.queue.errors import MailboxUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from cogento.queue.claims import Claim
    from cogento.queue.mailboxes import Mailboxes

log = structlog.get_logger()

T = TypeVar("T")

TICK_SECONDS = 0.5
"""How often to check whether to renew, or to stop."""

RENEWALS_A_LEASE = 3


class ReleaseClaimError(Exception):
    """The claim must not be processed any further: whatever of it is still ours is released as it is."""


class LeaseLostError(ReleaseClaimError):
    """Customers of the claim are, or may be, another worker's now."""


class StoppingError(ReleaseClaimError):
    """This worker was asked to stop: the next one processes the claim at once."""


class Lease:
    """Renews a claim; `is_stopping` says whether this worker was asked to stop."""

    def __init__(self, claim: Claim, mailboxes: Mailboxes, *, is_stopping: Callable[[], bool]) -> None:
        self._claim = claim
        self._mailboxes = mailboxes
        self._is_stopping = is_stopping
        self._wait_ms = claim.lease_ms // RENEWALS_A_LEASE
        self._due_ms = claim.claimed_ms + self._wait_ms

    async def hold(self, work: Coroutine[object, object, T]) -> T:
        """Await `work`, renewing the lease meanwhile; cancels it and raises ReleaseClaimError when it must end.

        Nothing of a cancelled batch is written, unless it was being committed at that moment.
        """
        task = asyncio.create_task(work)
        try:
            while not task.done():
                await self.renew_if_due()
                await asyncio.wait({task}, timeout=TICK_SECONDS)
            return task.result()
        finally:
            task.cancel()  # no effect on a task that is done
            task.add_done_callback(lambda ended: ended.cancelled() or ended.exception())

    async def renew_if_due(self) -> None:
        """Renew the lease when it is time; raises ReleaseClaimError when the work must end.

        While Redis is away the work continues: nobody else can claim, and the ledger shows what another worker did meanwhile.
        """
        if self._is_stopping():
            raise StoppingError
        try:
            now_ms = await self._mailboxes.now_ms()
            if now_ms < self._due_ms:
                return
            if not await self._mailboxes.renew(self._claim):
                raise LeaseLostError
        except MailboxUnavailable as error:
            log.warning("lease_not_renewed", exc_info=error)
        else:
            self._due_ms = now_ms + self._wait_ms
