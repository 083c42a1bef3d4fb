"""What the receiver, a worker and a command that asks Stripe need."""

from __future__ import annotations

from pydantic import Field, SecretStr, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from cogento.settings.environment import Environment
from cogento.settings.servers import DatabaseSettings, MailboxSettings
from cogento.settings.stripe import AskingSettings, StripeSettings
from cogento.settings.values import MetricsToken, WebhookSecrets, secrets_in

MAX_DAYS = 36_500
"""A century, in days: dates of Python and Postgres reach that far back."""
MAX_POLL_SECONDS = 240
"""Shorter than the five minutes between sweeps, which bring the same events."""


class ReceiverSettings(MailboxSettings, StripeSettings):
    """What the receiver needs; it has no Postgres credential."""

    stripe_thin_webhook_secret: WebhookSecrets | None = Field(
        None,
        description="The signing secret of the destination that sends thin events; up to three; needs STRIPE_API_KEY.",
    )
    stripe_webhook_secret: WebhookSecrets | None = Field(
        None,
        validate_default=True,
        description="The endpoint's signing secret (whsec_…); up to three, comma-separated, while rotating.",
    )
    port: int = Field(8000, ge=1, le=65535, description="Where the receiver listens.")
    web_concurrency: int = Field(1, ge=1, le=64, description="Receiver processes.")
    metrics_token: MetricsToken | None = Field(
        None, description="Bearer token for /metrics; unset: it answers this machine only."
    )

    @field_validator("stripe_webhook_secret")
    @classmethod
    def _require_one(cls, secret: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        """Require a secret: nothing is accepted unsigned."""
        if secret is None and info.data.get("stripe_thin_webhook_secret") is None:
            raise PydanticCustomError("missing", "Field required")
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

    member_statuses: str = Field(
        "",
        pattern="^([a-z_]+(,[a-z_]+)*)?$",
        description="Subscription statuses that make a user a member, comma-separated; empty: roles are left alone.",
    )

    @property
    def statuses_of_members(self) -> frozenset[str]:
        """The statuses; without any, roles are left alone."""
        return frozenset(filter(None, self.member_statuses.split(",")))


class ObjectSettings(Environment):
    """What is kept of objects beside their rows."""

    keep_objects: bool = Field(
        default=False, description="true keeps the whole last object beside each row, personal data included."
    )


class WorkerSettings(MailboxSettings, DatabaseSettings, AskingSettings, MemberSettings, ObjectSettings):
    """What a worker needs."""

    worker_concurrency: int = Field(2, ge=1, le=32, description="Worker loops in one worker process.")
    batch_events: int = Field(500, ge=1, le=5000, description="Most events written in one transaction.")
    lease_seconds: int = Field(
        30, ge=2, le=600, description="How long a worker's lease on a customer lasts without renewal."
    )
    ledger_retention_days: int = Field(
        35, ge=35, le=MAX_DAYS, description="Days the ledger is kept; Stripe lists events for 30."
    )
    changes_retention_days: int = Field(
        7, ge=1, le=MAX_DAYS, description="Days that changes are kept for readers that were away."
    )
    stripe_poll_seconds: int | None = Field(
        None,
        ge=1,
        le=MAX_POLL_SECONDS,
        description="How often Stripe's list of events is read where no webhook can come; unset: webhooks bring them.",
    )

    @field_validator("stripe_poll_seconds")
    @classmethod
    def _require_a_key(cls, seconds: int | None, info: ValidationInfo) -> int | None:
        """Require a key for polling; a key that was refused itself is absent here, and already reported."""
        if seconds is not None and info.data.get("stripe_api_key", "") is None:
            raise ValueError("Stripe is asked only with a key: set STRIPE_API_KEY as well")
        return seconds


class ReconcileSettings(MailboxSettings, DatabaseSettings, AskingSettings, ObjectSettings):
    """What a command that asks Stripe needs."""
