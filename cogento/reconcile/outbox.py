"""Laying into mailboxes what Stripe said, as webhooks are: the same put, the same order, the same ledger."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from cogento.queue.mail import PutResult

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cogento.events.envelope import Envelope
    from cogento.queue.mail import Put, Source


class Mailboxes(Protocol):
    """Where envelopes are laid."""

    def put(self, envelopes: Sequence[Envelope], *, source: Source) -> list[Put]:
        """Keep them durably before returning; raises MailboxUnavailable."""


class Bell(Protocol):
    """Wakes a worker; never raises."""

    def send(self) -> None:
        """Say that there is mail."""


class MailboxFullError(Exception):
    """A mailbox takes no more for now; what was not laid must be laid another time."""


@dataclass(frozen=True, slots=True)
class Outbox:
    """Puts and rings."""

    mailboxes: Mailboxes
    bell: Bell

    def put(self, envelopes: Sequence[Envelope], *, source: Source) -> int:
        """Lay envelopes; returns how many did not wait already. Raises MailboxFullError if any found no room."""
        if not envelopes:
            return 0
        puts = self.mailboxes.put(envelopes, source=source)
        if any(put.needs_wakeup for put in puts):
            self.bell.send()
        if any(put.result is PutResult.FULL for put in puts):
            raise MailboxFullError("a mailbox is full")
        return sum(put.result is PutResult.QUEUED for put in puts)
