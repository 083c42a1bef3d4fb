"""Stripe's part of `cogento check`: the key and its rights, the clock, and the endpoint that sends us events."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

from cogento import runtime
from cogento.accounts import webhook_path
from cogento.console.connections import silent_logs
from cogento.console.endpoints import chosen, judge_endpoint
from cogento.console.errors import Failure
from cogento.console.findings import Grade, good, warning, worst, wrong
from cogento.console.formatting import duration
from cogento.console.stripe_key import ADVICE, describe_denied, read_rights
from cogento.settings import EX_CONFIG
from cogento.stripe.account import StripeAccount
from cogento.stripe.errors import StripeApiError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cogento.console.findings import Finding
    from cogento.settings import AskingSettings
    from cogento.stripe.account import WebhookEndpoint

TOLERANCE_SECONDS = 300
"""By how many seconds a signature's time may differ (docs.stripe.com/webhooks#replay-attacks, and receiver/signature.py)."""
CLOSE_SECONDS = 30


def check_key(settings: AskingSettings) -> Iterator[Finding]:
    """Check the key, and this machine's clock against Stripe's. A Stripe that does not answer is no problem of the configuration."""
    if settings.stripe_api_key is None:
        yield warning(
            "key",
            f"{settings.variable('stripe_api_key')} is not set: Stripe is never asked, and what no webhook brings stays unknown",
            "Set a restricted key: docs/asking-stripe.md says which.",
        )
        return
    try:
        with silent_logs():
            rights = read_rights(settings, settings.stripe_api_key.get_secret_value())
    except Failure as failure:
        say = wrong if failure.exit_code == EX_CONFIG else warning
        yield say("key", failure.message)
        return
    mode = "live" if settings.stripe_livemode else "test"
    yield (
        wrong("key", describe_denied(settings, rights), ADVICE)
        if rights.denied
        else good("key", f"reads all it must, {mode} mode")
    )
    if rights.at is not None:
        yield _judge_clock(rights.at - time.time())


def _judge_clock(seconds_ahead: float) -> Finding:
    apart = abs(seconds_ahead)
    side = "behind" if seconds_ahead > 0 else "ahead of"
    if apart <= CLOSE_SECONDS:
        return good("clock", "Stripe and this machine agree")
    text = f"this machine is {duration(apart)} {side} Stripe"
    if apart < TOLERANCE_SECONDS:
        return warning("clock", text, "Have it follow NTP: at 5 min webhooks are refused.")
    return wrong("clock", f"{text}: every webhook is refused", "Have it follow NTP.")


def check_endpoints(
    settings: AskingSettings, *, which: str | None = None
) -> tuple[list[Finding], Sequence[WebhookEndpoint]]:
    """Check the endpoints that send us events; also returns those that are right."""
    key = settings.stripe_api_key
    if key is None:
        return [], ()

    async def ask() -> list[WebhookEndpoint]:
        async with StripeAccount.open(key.get_secret_value(), base=settings.stripe_api_base) as account:
            return await account.endpoints()

    try:
        with silent_logs():
            found = chosen(runtime.run(ask()), which)
    except StripeApiError as error:
        return [
            warning(
                "endpoint",
                "not looked at: the key may not read Webhook Endpoints"
                if error.refuses_the_key
                else f"not looked at: {error}",
                "Give it Read for Webhook Endpoints, to have event types and version checked here."
                if error.refuses_the_key
                else "",
            )
        ], ()
    if not found:
        none = "no endpoint of this account sends events of ours"
        return [
            wrong("endpoint", none, "`cogento endpoint create URL` makes one; or set STRIPE_POLL_SECONDS.")
        ], ()
    judged = [(one, list(judge_endpoint(one, path=webhook_path(settings.account)))) for one in found]
    right = [(one, findings) for one, findings in judged if worst(findings) is not Grade.BAD]
    shown = [
        replace(finding, subject="endpoint", text=f"{one.id}, {finding.subject}: {finding.text}")
        for one, findings in right or judged
        for finding in findings
    ]
    return shown, [one for one, _ in right]
