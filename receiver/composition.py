"""The receiver put together from its settings, whatever serves it, and whether it may start with them."""

from __future__ import annotations

import os
import threading
import time
from typing import TYPE_CHECKING, NamedTuple

import structlog

from cogento.events.fence import Fence
from cogento.queue.checks import log_level
from cogento.queue.errors import MailboxRefused, MailboxUnavailable
from cogento.queue.group_commit import GroupCommit
from cogento.queue.wakeup import BackgroundWakeup, WorkerWakeup
from cogento.serving.alarms import Alarms
from cogento.settings import refuse
from receiver.intake import Expected, Intake
from receiver.mailbox import ProbedMailboxes, open_mailboxes, open_postbox
from receiver.probes import Probes
from receiver.tally import FenceTally

if TYPE_CHECKING:
    from cogento.settings import ReceiverSettings


class Parts(NamedTuple):
    """What answers webhooks, and what answers everything else."""

    intake: Intake
    probes: Probes


class Composed:
    """The parts that settings describe, made when they are first asked for: a server may fork before that."""

    def __init__(self, settings: ReceiverSettings) -> None:
        self._settings = settings
        self._making = threading.Lock()
        self._parts: Parts | None = None

    def __call__(self) -> Parts:
        """Return them, the same ones each time."""
        with self._making:
            if self._parts is None:
                self._parts = compose(self._settings)
        return self._parts


def compose(settings: ReceiverSettings) -> Parts:
    """Make the parts that these settings describe; Redis is not needed yet."""
    expected, mailboxes = expected_of(settings), open_mailboxes(settings)
    intake = Intake(
        expected=expected,
        mailbox=GroupCommit(open_postbox(settings)),
        bell=BackgroundWakeup(WorkerWakeup(settings.redis_url.get_secret_value())),
        alarms=Alarms(time.monotonic),
        tally=FenceTally(expected.fence, mailboxes.fence_notes),
        clock=time.time,
    )
    token = settings.metrics_token
    return Parts(intake, Probes(ProbedMailboxes(mailboxes), token.get_secret_value() if token else None))


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


def expected_of(settings: ReceiverSettings) -> Expected:
    """Say whose events these settings expect; a secret that signs both kinds is tried once."""
    secrets, thin_secrets = settings.webhook_secrets, settings.thin_webhook_secrets
    return Expected(
        secrets=tuple(secret.encode() for secret in secrets),
        thin_secrets=tuple(secret.encode() for secret in thin_secrets if secret not in secrets),
        can_ask=settings.stripe_api_key is not None,
        fence=Fence(settings.stripe_livemode, settings.stripe_account),
    )
