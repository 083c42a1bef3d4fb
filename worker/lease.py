"""A claim's lease while its events are processed: renewed in time, and the work ended once the lease is lost.

The thread that works on the claim renews it, before each step and while it waits for one: a thread beside it would go
on renewing while the working one hangs. Knows neither Redis commands nor the database.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from cogento.queue.errors import MailboxUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable

    from cogento.queue.claims import Claim
    from cogento.queue.mailboxes import Mailboxes

log = structlog.get_logger()

RENEWALS_A_LEASE = 3


class ReleaseClaimError(Exception):
    """The claim must not be processed any further: what is still ours of it is released as it is."""


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

    def renew_if_due(self) -> None:
        """Renew the lease when it is time; raises ReleaseClaimError when the work must end.

        While Redis is away the work goes on: nobody can claim either, and the ledger shows what another worker did
        meanwhile.
        """
        if self._is_stopping():
            raise StoppingError
        try:
            now_ms = self._mailboxes.now_ms()
            if now_ms < self._due_ms:
                return
            if not self._mailboxes.renew(self._claim):
                raise LeaseLostError
        except MailboxUnavailable as error:
            log.warning("lease_not_renewed", exc_info=error)
        else:
            self._due_ms = now_ms + self._wait_ms
