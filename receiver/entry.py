"""Whether the receiver may start: configuration that can never be right ends it with exit code 78 and one line.

Redis being away is no such thing: the receiver starts, answers 503, and accepts when it is back.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import structlog

from cogento.queue.checks import log_level
from cogento.queue.errors import MailboxRefused, MailboxUnavailable
from cogento.settings import refuse
from receiver.mailbox import open_mailboxes

if TYPE_CHECKING:
    from cogento.settings import ReceiverSettings


def require_entry(settings: ReceiverSettings) -> None:
    """Check the environment, and the mailboxes if they are there."""
    if os.environ.get("FLASK_DEBUG"):
        refuse("FLASK_DEBUG must not be set: it shows requests to whoever causes an error")
    try:
        log_level(open_mailboxes(settings).check())
    except MailboxRefused as refused:
        refuse(str(refused))
    except MailboxUnavailable as unavailable:
        structlog.get_logger().warning("redis_unavailable_at_startup", reason=str(unavailable))
