"""Which events are ours, and how Stripe is asked."""

from __future__ import annotations

from pydantic import Field, SecretStr, ValidationInfo, field_validator

from cogento import failpoints
from cogento.settings.environment import Environment
from cogento.settings.values import ApiBase, ApiKey


class StripeSettings(Environment):
    """Which events are ours, and the key to ask Stripe with."""

    stripe_livemode: bool = Field(
        default=False,
        description="true takes live events, false test events; events of the other mode are ignored and counted.",
    )
    stripe_account: str | None = Field(
        None,
        pattern="^acct_[A-Za-z0-9]+$",
        description="The account that our events name; unset, for your own account: events that name none.",
    )
    stripe_api_key: ApiKey | None = Field(
        None, description="A restricted read-only key; lets us ask Stripe when in doubt."
    )

    @field_validator("stripe_livemode")
    @classmethod
    def _break_nothing_live(cls, livemode: bool) -> bool:  # noqa: FBT001 - pydantic's signature
        if livemode and failpoints.armed:
            raise ValueError("FAILPOINTS is set, which breaks processes on purpose: unset it for live events")
        return livemode

    @field_validator("stripe_api_key")
    @classmethod
    def _keep_modes_apart(cls, key: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        """Refuse a key of the other mode: it would fill the tables with objects whose webhooks the fence keeps out."""
        livemode = info.data.get("stripe_livemode")  # absent when it was refused itself
        if key and livemode is not None and ("_live_" in key.get_secret_value()) is not livemode:
            raise ValueError(
                "it is a key of the other mode than STRIPE_LIVEMODE says: a live key goes with STRIPE_LIVEMODE=true, "
                "a test key with false"
            )
        return key


class AskingSettings(StripeSettings):
    """How Stripe is asked."""

    stripe_api_base: ApiBase = Field(
        "https://api.stripe.com",
        description="Where Stripe's API is; another one only for a simulated Stripe.",
    )
    stripe_requests_per_second: int = Field(
        20, ge=1, le=10_000, description="Most requests to Stripe's API a second, of all processes together."
    )
