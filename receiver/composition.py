"""The receiver put together from its settings."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from mailboxes.doorbell import Doorbell
from mailboxes.group_commit import GroupCommit
from receiver.alarms import Alarms
from receiver.app import create_app
from receiver.intake import Expected, Intake
from receiver.mailbox import ProbedMailboxes, open_mailboxes, open_postbox
from receiver.ringer import Ringer

if TYPE_CHECKING:
    from receiver.webhook import Webhook
    from settings import ReceiverSettings


def compose(settings: ReceiverSettings) -> Webhook:
    """Make the application that these settings describe; Redis is not needed yet."""
    intake = Intake(
        expected=Expected(
            secrets=tuple(secret.encode() for secret in settings.webhook_secrets),
            thin_secrets=tuple(secret.encode() for secret in settings.thin_webhook_secrets),
            can_ask=settings.stripe_api_key is not None,
            livemode=settings.stripe_livemode,
            account=settings.stripe_account,
        ),
        mailbox=GroupCommit(open_postbox(settings)),
        bell=Ringer(Doorbell(settings.redis_url.get_secret_value())),
        alarms=Alarms(time.monotonic),
        clock=time.time,
    )
    token = settings.metrics_token
    return create_app(
        intake,
        readiness=ProbedMailboxes(open_mailboxes(settings)),
        metrics_token=token.get_secret_value() if token else None,
    )
