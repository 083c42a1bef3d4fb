"""The mailboxes as the receiver uses them: checked before the first put, and probed for readiness.

They are checked at start already. When Redis was away then, the receiver started all the same and says
503; what comes back must keep the promise before anything is acknowledged.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from mailboxes.errors import MailboxRefused, MailboxUnavailable
from mailboxes.mail import Limits
from mailboxes.mailboxes import Mailboxes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from events.envelope import Envelope
    from mailboxes.checks import ServerFacts
    from mailboxes.mail import Put
    from settings import ReceiverSettings


def open_mailboxes(settings: ReceiverSettings) -> Mailboxes:
    """Make the mailboxes that these settings name; nothing is sent yet."""
    return Mailboxes.connect(
        settings.redis_url.get_secret_value(),
        shards=settings.mailbox_shards,
        ack=settings.ack_durability,
        limits=Limits(settings.mailbox_customer_limit, settings.mailbox_total_limit),
    )


class CheckedMailboxes:
    """Puts once the mailboxes have been found to keep what we promise; for threads, as they are."""

    def __init__(self, mailboxes: Mailboxes) -> None:
        self._mailboxes = mailboxes
        self._facts: ServerFacts | None = None

    def put(self, envelopes: Sequence[Envelope]) -> list[Put]:
        """Put these; raises MailboxUnavailable when they were not, or perhaps not, stored."""
        self._known()
        return self._mailboxes.put(envelopes)

    def longest_put_seconds(self) -> float:
        """Return how long a put may take before it raises."""
        return self._mailboxes.longest_put_seconds()

    def probe(self) -> str:
        """Write to the server and return the ack level; raises MailboxUnavailable."""
        facts = self._known()
        self._mailboxes.ping_write()
        return facts.ack

    def describe(self) -> Mapping[str, object]:
        """Return what the server says of itself now; raises MailboxUnavailable."""
        return asdict(self._check())

    def _known(self) -> ServerFacts:
        if self._facts is None:
            self._facts = self._check()
        return self._facts

    def _check(self) -> ServerFacts:
        try:
            return self._mailboxes.check()
        except MailboxRefused as refused:
            raise MailboxUnavailable(str(refused)) from refused
