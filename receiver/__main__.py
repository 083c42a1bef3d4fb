"""`python -m receiver`: says whether the receiver may start; gunicorn_conf.py asks before it listens.

Exit code 78 and one line where the configuration can never be right. Redis being away is no such thing:
the receiver starts, answers 503, and accepts when it is back.
"""

from __future__ import annotations

import os

import structlog

from cogento import reporting
from cogento.outlet import never_block
from cogento.queue.checks import log_level
from cogento.queue.errors import MailboxRefused, MailboxUnavailable
from cogento.settings import ReceiverSettings, load, refuse
from receiver.mailbox import open_mailboxes


def main() -> None:
    """Check the settings, and the mailboxes if they are there."""
    settings = load(ReceiverSettings)
    reporting.configure("receiver", level=settings.log_level, sentry_dsn=None)
    if os.environ.get("FLASK_DEBUG"):
        refuse("FLASK_DEBUG must not be set: it shows requests to whoever causes an error")
    try:
        log_level(open_mailboxes(settings).check())
    except MailboxRefused as refused:
        refuse(str(refused))
    except MailboxUnavailable as unavailable:
        structlog.get_logger().warning("redis_unavailable_at_startup", reason=str(unavailable))


if __name__ == "__main__":
    never_block()
    main()
