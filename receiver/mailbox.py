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
    from collections.abc import Mapping

    from events.envelope import Envelope
    from mailboxes.checks import ServerFacts
    from mailboxes.mail import Put
    from receiver.intake import Mailbox
    from receiver.reading import TimeLimit
    from settings import ReceiverSettings

GRACE_SECONDS = 0.3


def open_mailboxes(settings: ReceiverSettings) -> Mailboxes:
    """Make the mailboxes that these settings name; nothing is sent yet."""
    return Mailboxes.connect(
        settings.redis_url.get_secret_value(),
        shards=settings.mailbox_shards,
        ack=settings.ack_durability,
        limits=Limits(settings.mailbox_customer_limit, settings.mailbox_total_limit),
    )


class CheckedMailbox:
    """Puts through `post` (a group commit) once `mailboxes` have been found to keep what we promise."""

    def __init__(self, mailboxes: Mailboxes, post: Mailbox, *, time_limit: TimeLimit) -> None:
        self._mailboxes = mailboxes
        self._post = post
        self._time_limit = time_limit
        self._facts: ServerFacts | None = None

    def put(self, envelope: Envelope) -> Put:
        """Put one envelope; raises MailboxUnavailable when it was not, or perhaps not, stored."""
        # Two puts, one under way and our own; a slow server may need several answers for one of them.
        longest = 2 * self._mailboxes.longest_put_seconds() + GRACE_SECONDS
        try:
            with self._time_limit(longest):
                if self._facts is None:
                    self._facts = self._check()
                return self._post.put(envelope)
        except TimeoutError as error:
            raise MailboxUnavailable(f"no answer within {longest:.1f} s") from error

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
