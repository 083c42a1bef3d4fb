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
from mailboxes.postbox import Postbox

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from events.envelope import Envelope
    from mailboxes.checks import ServerFacts
    from mailboxes.mail import Put
    from settings import ReceiverSettings


def open_postbox(settings: ReceiverSettings) -> CheckedPostbox:
    """Make what events are put into; nothing is sent yet."""
    return CheckedPostbox(
        Postbox(
            settings.redis_url.get_secret_value(),
            shards=settings.mailbox_shards,
            ack=settings.ack_durability,
            limits=Limits(settings.mailbox_customer_limit, settings.mailbox_total_limit),
        )
    )


def open_mailboxes(settings: ReceiverSettings) -> Mailboxes:
    """Make what is asked whether the server keeps what we promise; nothing is sent yet."""
    return Mailboxes.connect(
        settings.redis_url.get_secret_value(),
        shards=settings.mailbox_shards,
        ack=settings.ack_durability,
    )


class CheckedPostbox:
    """Puts once the server has been found to keep what we promise."""

    def __init__(self, postbox: Postbox) -> None:
        self._postbox = postbox
        self._is_checked = False

    async def put(self, envelopes: Sequence[Envelope]) -> list[Put]:
        """Put these; raises MailboxUnavailable when they were not, or perhaps not, stored."""
        if not self._is_checked:
            try:
                await self._postbox.check()
            except MailboxRefused as refused:
                raise MailboxUnavailable(str(refused)) from refused
            self._is_checked = True
        return await self._postbox.put(envelopes)

    def longest_put_seconds(self) -> float:
        """Return how long a put may take before it raises."""
        return self._postbox.longest_put_seconds()


class ProbedMailboxes:
    """Tells whether they would keep an envelope; for threads, over connections of their own."""

    def __init__(self, mailboxes: Mailboxes) -> None:
        self._mailboxes = mailboxes
        self._facts: ServerFacts | None = None

    def probe(self) -> str:
        """Write to the server and return the ack level; raises MailboxUnavailable."""
        if self._facts is None:
            self._facts = self._check()
        self._mailboxes.ping_write()
        return self._facts.ack

    def describe(self) -> Mapping[str, object]:
        """Return what the server says of itself now; raises MailboxUnavailable."""
        return asdict(self._check())

    def _check(self) -> ServerFacts:
        try:
            return self._mailboxes.check()
        except MailboxRefused as refused:
            raise MailboxUnavailable(str(refused)) from refused
