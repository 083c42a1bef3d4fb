"""Whether the receiver may start: checked before it listens, in a process of its own that loads only what that takes."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

import structlog

from cogento.queue.checks import log_level
from cogento.queue.claims import Limits
from cogento.queue.errors import MailboxRefused, MailboxUnavailable
from cogento.queue.mailboxes import Mailboxes
from cogento.settings import refuse

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cogento.queue.checks import ServerFacts
    from cogento.settings import ReceiverSettings


def require_entry(each: Sequence[ReceiverSettings]) -> None:
    """Check the environment, and the mailboxes if they are there.

    A configuration that can never work ends the process with exit code 78 and one line. A Redis that is away does not: the
    receiver starts, answers 503, and accepts events when Redis is back.
    """
    if os.environ.get("FLASK_DEBUG"):
        refuse("FLASK_DEBUG must not be set: it shows requests to whoever causes an error")
    try:
        log_level(asyncio.run(_check(each)))  # on a loop of its own: a server may fork after this
    except MailboxRefused as refused:
        refuse(str(refused))
    except MailboxUnavailable as unavailable:
        structlog.get_logger().warning("redis_unavailable_at_startup", reason=str(unavailable))


async def _check(each: Sequence[ReceiverSettings]) -> ServerFacts:
    accounts = open_mailboxes(each)
    try:
        facts = [await mailboxes.check_at_start() for mailboxes in accounts]
        return facts[0]
    finally:
        await accounts[0].close()


def open_mailboxes(each: Sequence[ReceiverSettings]) -> list[Mailboxes]:
    """Make each account's mailboxes for one event loop, over the same connections; nothing is sent yet."""
    settings = each[0]
    first = Mailboxes.connect(
        settings.redis_url.get_secret_value(),
        shards=settings.mailbox_shards,
        ack=settings.ack_durability,
        replicas=settings.ack_replicas,
        limits=Limits(settings.mailbox_customer_limit, settings.mailbox_total_limit),
        account=settings.account,
    )
    return [first, *(first.of_account(settings.account) for settings in each[1:])]
