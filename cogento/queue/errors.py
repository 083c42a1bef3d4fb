"""What can go wrong with the mailboxes: Redis is away for now, or cannot be relied on as configured."""

from __future__ import annotations

from cogento.events.errors import DependencyUnavailableError


class MailboxUnavailable(DependencyUnavailableError):  # noqa: N818 - a state of affairs, as in HTTP 503
    """Redis refused a command or did not answer: what was sent may or may not have been done.

    Asking again is always safe: every command is idempotent or guarded by a lease.
    """


class MailboxDenied(MailboxUnavailable):
    """Redis refuses us a command with this URL, and will until somebody changes something.

    The message says what to do. To a process that runs already it is like any other outage.
    """


class JunkFound(MailboxUnavailable):
    """A value of another type stood under one of our keys; it is set aside, so that asking again can succeed."""


class ShardMoved(MailboxUnavailable):
    """Another server of a cluster has the shard, or (`is_under_way`) is getting it: nothing was run or written.

    `redirection` is redis-py's, which names the other server.
    """

    def __init__(self, message: str, *, is_under_way: bool, redirection: Exception) -> None:
        super().__init__(message)
        self.is_under_way = is_under_way
        self.redirection = redirection


class ShardFailed(MailboxUnavailable):
    """The reply of one shard, on which a script for several shards failed; the other shards have replies of their own."""


class MailboxRefused(Exception):  # noqa: N818 - our refusal, not the server's failure
    """This server cannot keep the promise that was configured; the message says what to do."""
