"""The mailboxes as the receiver uses them: what is put into, and what is probed for readiness.

Both look at the server again and again: whatever it is by then, what is acknowledged is kept as promised.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from cogento.queue.durability import warning_of
from cogento.queue.enqueue import AsyncEnqueuer
from cogento.queue.figures import read_figures
from cogento.queue.mail import Limits
from cogento.queue.mailboxes import Mailboxes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cogento.queue.figures import KeptTables, QueueFigures
    from cogento.settings import ReceiverSettings


def open_postbox(settings: ReceiverSettings) -> AsyncEnqueuer:
    """Make what events are put into; nothing is sent yet."""
    return AsyncEnqueuer(
        settings.redis_url.get_secret_value(),
        shards=settings.mailbox_shards,
        ack=settings.ack_durability,
        limits=Limits(settings.mailbox_customer_limit, settings.mailbox_total_limit),
    )


def open_mailboxes(settings: ReceiverSettings) -> Mailboxes:
    """Make what is asked whether the server keeps what we promise; nothing is sent yet."""
    return Mailboxes.connect(
        settings.redis_url.get_secret_value(),
        shards=settings.mailbox_shards,
        ack=settings.ack_durability,
    )


class ProbedMailboxes:
    """Tells whether they would keep an envelope; for threads, over connections of their own."""

    def __init__(self, mailboxes: Mailboxes) -> None:
        self._mailboxes = mailboxes

    def probe(self) -> Mapping[str, str]:
        """Write to the server and return the ack level, and what has to be said of it; raises MailboxUnavailable."""
        level = self._mailboxes.ping_write().ack
        warning = warning_of(level)
        return {"ack_durability": level} | ({"warning": warning} if warning else {})

    def describe(self) -> Mapping[str, object]:
        """Return what the server says of itself now; raises MailboxUnavailable."""
        return asdict(self._mailboxes.ping_write())

    def figures(self) -> tuple[QueueFigures, KeptTables | None]:
        """Return what Redis knows, and what a worker kept there of Postgres; raises MailboxUnavailable."""
        return read_figures(self._mailboxes), self._mailboxes.tables.kept()
