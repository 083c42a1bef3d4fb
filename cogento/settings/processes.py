"""What the receiver, a worker and a command that asks Stripe need."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cogento.settings.environment import Environment
from cogento.settings.servers import DatabaseSettings, MailboxSettings
from cogento.settings.setting import UnsetError, setting
from cogento.settings.stripe import AskingSettings, StripeSettings
from cogento.settings.values import (
    flag,
    matching,
    metrics_token,
    secrets_in,
    webhook_secrets,
    whole_number,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cogento.settings.setting import SecretStr

MAX_DAYS = 36_500
"""A century, in days: dates of Python and Postgres reach that far back."""
MAX_POLL_SECONDS = 240
"""Shorter than the five minutes between sweeps, which bring the same events."""


class ReceiverSettings(MailboxSettings, StripeSettings):
    """What the receiver needs; it has no Postgres credential."""

    stripe_thin_webhook_secret = setting(
        webhook_secrets,
        None,
        description="The signing secret of the destination that sends thin events; up to three; needs STRIPE_API_KEY.",
    )
    stripe_webhook_secret = setting(
        webhook_secrets,
        None,
        description="The endpoint's signing secret (whsec_…); up to three, comma-separated, while rotating.",
    )
    port = setting(whole_number(1, 65535), 8000, description="Where the receiver listens.")
    web_concurrency = setting(whole_number(1, 64), 1, description="Receiver processes.")
    metrics_token = setting(
        metrics_token,
        None,
        description="Bearer token that /metrics then asks for; unset: it answers this machine only.",
    )

    @stripe_webhook_secret.checked
    @staticmethod
    def _require_one(secret: SecretStr | None, others: Mapping[str, Any]) -> SecretStr | None:
        """Require a secret: nothing is accepted unsigned."""
        if secret is None and others.get("stripe_thin_webhook_secret") is None:
            raise UnsetError
        return secret

    @property
    def webhook_secrets(self) -> tuple[str, ...]:
        """The secrets that sign snapshot events, in the order given."""
        return secrets_in(self.stripe_webhook_secret)

    @property
    def thin_webhook_secrets(self) -> tuple[str, ...]:
        """The secrets that sign thin events, in the order given."""
        return secrets_in(self.stripe_thin_webhook_secret)


class MemberSettings(Environment):
    """Who has the role member."""

    member_statuses = setting(
        matching(
            "([a-z_]+(,[a-z_]+)*)?",
            "it must be statuses of subscriptions with commas and no spaces between: active,trialing",
        ),
        "",
        description="Subscription statuses that make a user a member, comma-separated; empty: roles are left alone.",
    )

    @property
    def statuses_of_members(self) -> frozenset[str]:
        """The statuses; without any, roles are left alone."""
        return frozenset(filter(None, self.member_statuses.split(",")))


class ObjectSettings(Environment):
    """What is kept of objects beside their rows."""

    keep_objects = setting(
        flag,
        default=False,
        description="true keeps the whole last object beside each row, personal data and all.",
    )


class WorkerSettings(MailboxSettings, DatabaseSettings, AskingSettings, MemberSettings, ObjectSettings):
    """What a worker needs."""

    worker_concurrency = setting(whole_number(1, 32), 2, description="Worker loops in one worker process.")
    batch_events = setting(whole_number(1, 5000), 500, description="Most events written in one transaction.")
    lease_seconds = setting(
        whole_number(2, 600),
        30,
        description="How long a claimed customer is a worker's own without renewal.",
    )
    ledger_retention_days = setting(
        whole_number(35, MAX_DAYS),
        35,
        description="Days the ledger is kept; Stripe lists events for 30.",
    )
    changes_retention_days = setting(
        whole_number(1, MAX_DAYS),
        7,
        description="Days that changes are kept for readers that were away.",
    )
    stripe_poll_seconds = setting(
        whole_number(1, MAX_POLL_SECONDS),
        None,
        description="How often Stripe's list of events is read where no webhook can come; unset: webhooks bring them.",
    )

    @stripe_poll_seconds.checked
    @staticmethod
    def _require_a_key(seconds: int | None, others: Mapping[str, Any]) -> int | None:
        """Require a key for polling; a key that was refused itself is absent here, and already reported."""
        if seconds is not None and others.get("stripe_api_key", "") is None:
            raise ValueError("Stripe is asked only with a key: set STRIPE_API_KEY as well")
        return seconds


class ReconcileSettings(MailboxSettings, DatabaseSettings, AskingSettings, ObjectSettings):
    """What a command that asks Stripe needs."""
