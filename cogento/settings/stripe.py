"""Which events are ours, and how Stripe is asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cogento import failpoints
from cogento.settings.environment import Environment
from cogento.settings.setting import setting
from cogento.settings.values import api_base, api_key, flag, matching, whole_number

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cogento.settings.setting import SecretStr


class StripeSettings(Environment):
    """Which events are ours, and the key to ask Stripe with."""

    stripe_livemode = setting(
        flag,
        default=False,
        description="true takes live events, false test events; events of the other mode are ignored and counted.",
    )
    stripe_account = setting(
        matching("acct_[A-Za-z0-9]+", "it must be the id of an account, acct_…"),
        None,
        description="The account that our events name; unset, as for one's own: events that name none.",
    )
    stripe_api_key = setting(
        api_key, None, description="A restricted read-only key; lets us ask Stripe when in doubt."
    )

    @stripe_livemode.checked
    @staticmethod
    def _break_nothing_live(livemode: bool, _others: Mapping[str, Any]) -> bool:  # noqa: FBT001 - any check's signature
        if livemode and failpoints.armed:
            raise ValueError("FAILPOINTS is set, which breaks processes on purpose: unset it for live events")
        return livemode

    @stripe_api_key.checked
    @staticmethod
    def _keep_modes_apart(key: SecretStr | None, others: Mapping[str, Any]) -> SecretStr | None:
        """Refuse a key of the other mode: it would fill the tables with objects whose webhooks the fence keeps out."""
        livemode = others.get("stripe_livemode")  # absent when it was refused itself
        if key and livemode is not None and ("_live_" in key.get_secret_value()) is not livemode:
            raise ValueError(
                "it is a key of the other mode than STRIPE_LIVEMODE says: a live key goes with STRIPE_LIVEMODE=true, "
                "a test key with false"
            )
        return key


class AskingSettings(StripeSettings):
    """How Stripe is asked."""

    stripe_api_base = setting(
        api_base,
        "https://api.stripe.com",
        description="Where Stripe's API is; another one only for a simulated Stripe.",
    )
    stripe_requests_per_second = setting(
        whole_number(1, 10_000),
        20,
        description="Most requests to Stripe's API a second, of all processes together.",
    )
