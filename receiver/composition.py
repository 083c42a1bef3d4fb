"""The receiver put together from its settings, whatever serves it, and whether it may start with them."""

from __future__ import annotations

import os
import threading
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, NamedTuple

import structlog

from cogento.events.fence import Fence
from cogento.queue.checks import log_level
from cogento.queue.claims import Limits
from cogento.queue.durability import warning_of
from cogento.queue.enqueue import AsyncEnqueuer
from cogento.queue.errors import MailboxRefused, MailboxUnavailable
from cogento.queue.figures import read_figures
from cogento.queue.group_commit import GroupCommit
from cogento.queue.mailboxes import Mailboxes
from cogento.queue.wakeup import BackgroundWakeup, WorkerWakeup
from cogento.reporting import ThrottledLog
from cogento.settings import refuse
from receiver.intake import AcceptPolicy, Intake
from receiver.probes import Probes
from receiver.tally import FenceTally

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cogento.queue.figures import KeptTables, QueueFigures
    from cogento.settings import ReceiverSettings


class ReceiverParts(NamedTuple):
    """What answers webhooks, and what answers everything else."""

    intake: Intake
    probes: Probes


class Composed:
    """The parts that settings describe, made when they are first asked for: a server may fork before that."""

    def __init__(self, settings: ReceiverSettings) -> None:
        self._settings = settings
        self._making = threading.Lock()
        self._parts: ReceiverParts | None = None

    def __call__(self) -> ReceiverParts:
        """Return them, the same ones each time."""
        with self._making:
            if self._parts is None:
                self._parts = compose(self._settings)
        return self._parts


def compose(settings: ReceiverSettings) -> ReceiverParts:
    """Make the parts that these settings describe; Redis is not needed yet."""
    policy, mailboxes = accept_policy(settings), open_mailboxes(settings)
    enqueuer = AsyncEnqueuer(
        settings.redis_url.get_secret_value(),
        shards=settings.mailbox_shards,
        ack=settings.ack_durability,
        limits=Limits(settings.mailbox_customer_limit, settings.mailbox_total_limit),
    )
    intake = Intake(
        policy=policy,
        mailbox=GroupCommit(enqueuer),
        wakeup=BackgroundWakeup(WorkerWakeup(settings.redis_url.get_secret_value())),
        log=ThrottledLog(time.monotonic),
        tally=FenceTally(policy.fence, mailboxes.fence_notes),
        clock=time.time,
    )
    token = settings.metrics_token
    return ReceiverParts(
        intake, Probes(RedisReadiness(mailboxes), token.get_secret_value() if token else None)
    )


def require_entry(settings: ReceiverSettings) -> None:
    """Check the environment, and the mailboxes if they are there.

    What can never be right ends the process with exit code 78 and one line. Redis being away is no such thing: the
    receiver starts, answers 503, and accepts when it is back.
    """
    if os.environ.get("FLASK_DEBUG"):
        refuse("FLASK_DEBUG must not be set: it shows requests to whoever causes an error")
    try:
        log_level(open_mailboxes(settings).check())
    except MailboxRefused as refused:
        refuse(str(refused))
    except MailboxUnavailable as unavailable:
        structlog.get_logger().warning("redis_unavailable_at_startup", reason=str(unavailable))


def accept_policy(settings: ReceiverSettings) -> AcceptPolicy:
    """Say whose events these settings expect; a secret that signs both kinds is tried once."""
    secrets, thin_secrets = settings.webhook_secrets, settings.thin_webhook_secrets
    return AcceptPolicy(
        secrets=tuple(secret.encode() for secret in secrets),
        thin_secrets=tuple(secret.encode() for secret in thin_secrets if secret not in secrets),
        can_ask=settings.stripe_api_key is not None,
        fence=Fence(settings.stripe_livemode, settings.stripe_account),
    )


def open_mailboxes(settings: ReceiverSettings) -> Mailboxes:
    """Make what is asked whether the server keeps what we promise; nothing is sent yet."""
    return Mailboxes.connect(
        settings.redis_url.get_secret_value(),
        shards=settings.mailbox_shards,
        ack=settings.ack_durability,
    )


class RedisReadiness:
    """Says whether Redis would keep an event now, as promised; for threads, over connections of their own.

    The server is asked each time, for it may be another one or configured anew.
    """

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
