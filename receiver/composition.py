"""The receiver put together from its settings."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from cogento.events.fence import Fence
from cogento.queue.doorbell import Doorbell
from cogento.queue.group_commit import GroupCommit
from cogento.serving.alarms import Alarms
from receiver.app import create_app
from receiver.intake import Expected, Intake
from receiver.mailbox import ProbedMailboxes, open_mailboxes, open_postbox
from receiver.ringer import Ringer
from receiver.tally import FenceTally

if TYPE_CHECKING:
    from cogento.settings import ReceiverSettings
    from receiver.webhook import Webhook


def compose(settings: ReceiverSettings) -> Webhook:
    """Make the application that these settings describe; Redis is not needed yet."""
    expected, mailboxes = expected_of(settings), open_mailboxes(settings)
    intake = Intake(
        expected=expected,
        mailbox=GroupCommit(open_postbox(settings)),
        bell=Ringer(Doorbell(settings.redis_url.get_secret_value())),
        alarms=Alarms(time.monotonic),
        tally=FenceTally(expected.fence, mailboxes.fence_notes),
        clock=time.time,
    )
    token = settings.metrics_token
    return create_app(
        intake,
        readiness=ProbedMailboxes(mailboxes),
        metrics_token=token.get_secret_value() if token else None,
    )


def expected_of(settings: ReceiverSettings) -> Expected:
    """Say whose events these settings expect; a secret that signs both kinds is tried once."""
    secrets, thin_secrets = settings.webhook_secrets, settings.thin_webhook_secrets
    return Expected(
        secrets=tuple(secret.encode() for secret in secrets),
        thin_secrets=tuple(secret.encode() for secret in thin_secrets if secret not in secrets),
        can_ask=settings.stripe_api_key is not None,
        fence=Fence(settings.stripe_livemode, settings.stripe_account),
    )
