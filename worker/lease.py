"""One claim's lease while it is worked on: renewed in time, and the work ended once the lease is.

Whoever works on the claim renews it, before each step and while waiting for one: a thread beside it would go
on renewing while the working one hangs. Knows neither Redis commands nor the database.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import structlog

from cogento.queue.errors import MailboxUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable

    from cogento.queue.mail import Claim

log = structlog.get_logger()

RENEWALS_A_LEASE = 3


class GiveBackError(Exception):
    """The claim must not be worked on any further: what is still ours of it goes back as it is."""


class LeaseLostError(GiveBackError):
    """Customers of the claim are, or may be, another worker's now."""


class StoppingError(GiveBackError):
    """This worker was asked to stop: the next one goes on at once."""


class Mailboxes(Protocol):
    """What keeping a lease asks of the mailboxes."""

    def renew(self, claim: Claim, /) -> bool:
        """Make the leases last as long again; False when not all of them are ours any more."""

    def now_ms(self) -> int:
        """Return the mailboxes' time."""


class Lease:
    """Renews a claim; `is_stopping` says whether this worker was asked to stop."""

    def __init__(self, claim: Claim, mailboxes: Mailboxes, *, is_stopping: Callable[[], bool]) -> None:
        self._claim = claim
        self._mailboxes = mailboxes
        self._is_stopping = is_stopping
        self._wait_ms = claim.lease_ms // RENEWALS_A_LEASE
        self._due_ms = claim.claimed_ms + self._wait_ms

    def keep(self) -> None:
        """Renew the lease when it is time; raises GiveBackError when the work must end.

        While Redis is away nobody can claim either, and what another worker did meanwhile shows in the
        ledger: the work goes on.
        """
        if self._is_stopping():
            raise StoppingError
        try:
            self._renew_when_due()
        except MailboxUnavailable as error:
            log.warning("lease_not_renewed", exc_info=error)

    def _renew_when_due(self) -> None:
        now_ms = self._mailboxes.now_ms()
        if now_ms < self._due_ms:
            return
        if not self._mailboxes.renew(self._claim):
            raise LeaseLostError
        self._due_ms = now_ms + self._wait_ms
