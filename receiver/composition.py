"""The receiver put together from its settings."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import gevent

from mailboxes.doorbell import Doorbell
from mailboxes.group_commit import GroupCommit
from receiver.alarms import Alarms
from receiver.app import create_app
from receiver.intake import Expected, Intake
from receiver.mailbox import CheckedMailbox, open_mailboxes
from receiver.ringer import Ringer

if TYPE_CHECKING:
    from flask import Flask

    from settings import ReceiverSettings


def compose(settings: ReceiverSettings) -> Flask:
    """Make the application that these settings describe; Redis is not needed yet."""
    mailboxes = open_mailboxes(settings)
    mailbox = CheckedMailbox(mailboxes, GroupCommit(mailboxes), time_limit=_limit_time)
    intake = Intake(
        expected=Expected(
            secrets=tuple(secret.encode() for secret in settings.webhook_secrets),
            livemode=settings.stripe_livemode,
            account=settings.stripe_account,
        ),
        mailbox=mailbox,
        bell=Ringer(Doorbell(settings.redis_url.get_secret_value())),
        alarms=Alarms(time.monotonic),
        clock=time.time,
    )
    token = settings.metrics_token
    return create_app(
        intake,
        readiness=mailbox,
        time_limit=_limit_time,
        metrics_token=token.get_secret_value() if token else None,
    )


def _limit_time(seconds: float) -> gevent.Timeout:
    """Interrupt this greenlet alone; redis-py drops a connection that it is interrupted on."""
    return gevent.Timeout(seconds, TimeoutError)
