"""What the key to Stripe may read: asked once before anything relies on it, and described in a sentence."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cogento import runtime
from cogento.console.errors import Failure, friendly_errors
from cogento.console.formatting import join_words
from cogento.settings import EX_CONFIG
from cogento.stripe.account import LISTS, KeyRights, StripeAccount

if TYPE_CHECKING:
    from cogento.settings import AskingSettings

ADVICE = (
    "In Stripe's dashboard, under Developers, API keys, give the restricted key Read for "
    f"{join_words(LISTS.values())}."
)


def read_rights(settings: AskingSettings, key: str) -> KeyRights:
    """Try each list that this project ever reads; raises Failure, also for a key that Stripe does not know."""

    async def ask() -> KeyRights:
        async with StripeAccount.open(
            key, base=settings.stripe_api_base, connected=settings.stripe_account
        ) as account:
            return await account.rights()

    with friendly_errors(key_variable=settings.variable("stripe_api_key")):
        return runtime.run(ask())


def describe_denied(settings: AskingSettings, rights: KeyRights) -> str:
    """Say what the key may not read."""
    return f"{settings.variable('stripe_api_key')} may not read {join_words(rights.denied)}."


def require_rights(settings: AskingSettings, key: str) -> None:
    """Raise Failure, with exit code 78, unless the key may read everything that this project reads."""
    rights = read_rights(settings, key)
    if rights.denied:
        raise Failure(f"{describe_denied(settings, rights)} {ADVICE}", exit_code=EX_CONFIG)
