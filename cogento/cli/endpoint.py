"""`cogento endpoint`: the webhook endpoint at Stripe, made as the receiver needs it, or shown. No other endpoint is changed."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

import click

from cogento import runtime
from cogento.accounts import webhook_path
from cogento.cli.printing import json_option, print_facts, print_findings, print_json
from cogento.console.connections import silent_logs
from cogento.console.endpoints import chosen, judge_endpoint
from cogento.console.errors import KEY_MISSING, Failure, friendly_errors
from cogento.console.findings import Grade, worst
from cogento.console.formatting import printable
from cogento.console.local_run import adopt_local_run
from cogento.reconcile.sweep import TYPES
from cogento.settings import EX_CONFIG, AskingSettings, load
from cogento.stripe.account import StripeAccount
from cogento.stripe.errors import FORBIDDEN, StripeApiError
from cogento.urls import UnusableUrlError, http_url

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

T = TypeVar("T")

NOT_ALLOWED = (
    "{variable} may not {do} webhook endpoints. Give the restricted key {right} for Webhook Endpoints in Stripe's "
    "dashboard, or set another key for this command alone."
)
NOT_TAKEN = (
    "Stripe does not make an endpoint of this address (400). It must be reachable from the internet, in live mode by https, "
    "and an account has at most 16 endpoints."
)


@click.group()
def endpoint() -> None:
    """Make and check the webhook endpoint at Stripe."""


@endpoint.command()
@click.argument("url")
@json_option
def create(url: str, *, as_json: bool) -> None:
    """Make a webhook endpoint at Stripe for URL, with exactly the event types that have tables.

    A URL without a path gets /webhooks/stripe, and /NAME after it for an account. Needs a STRIPE_API_KEY that may write Webhook Endpoints; give it to this command
    alone. The signing secret is printed once: Stripe does not show it again. No other endpoint is changed.
    """
    adopt_local_run()
    settings = load(AskingSettings)
    address = _address(url, path=webhook_path(settings.account), livemode=settings.stripe_livemode)

    async def make(account: StripeAccount) -> tuple[str, ...]:
        taken = [one.id for one in await account.endpoints() if one.url == address]
        if taken:
            raise Failure(
                f"{taken[0]} has this address already, and each event would come twice. "
                f"`cogento endpoint show {taken[0]}` says whether it is right; a new one needs another address."
            )
        made = await account.create_endpoint(address, types=TYPES)
        return made.id, made.url, made.api_version or "", made.secret or ""

    made_id, made_url, version, secret = _ask(settings, make, do="make", right="Write")
    if as_json:
        print_json(
            {
                "id": made_id,
                "url": made_url,
                "api_version": version,
                "enabled_events": TYPES,
                "livemode": settings.stripe_livemode,
                "secret": secret,
            }
        )
        return
    print_facts(
        [
            ("endpoint", f"{made_id}, {'live' if settings.stripe_livemode else 'test'} mode"),
            ("address", made_url),
            ("events", f"{len(TYPES)} types: all that have tables"),
            ("version", version),
        ]
    )
    click.echo("\nSet this where the receiver runs. It is shown this once.\n")
    click.echo(f"{settings.variable('stripe_webhook_secret')}={printable(secret)}")


@endpoint.command()
@click.argument("which", required=False, metavar="[ENDPOINT]")
@json_option
@click.pass_context
def show(ctx: click.Context, which: str | None, *, as_json: bool) -> None:
    """Show endpoints that send us events, and what is missing in each.

    ENDPOINT is an id (we_…), an address or a host; without it all are shown that send any event of ours. Ends with 0 when one of
    them is as it should be, else with 1. Needs a STRIPE_API_KEY that may read Webhook Endpoints.
    """
    adopt_local_run()
    settings = load(AskingSettings)
    found = chosen(_ask(settings, StripeAccount.endpoints, do="read", right="Read"), which)
    judged = [(one, list(judge_endpoint(one, path=webhook_path(settings.account)))) for one in found]
    if as_json:
        print_json([{"id": one.id, "url": one.url, "findings": findings} for one, findings in judged])
    elif not judged:
        mode = "live" if settings.stripe_livemode else "test"
        named = "sends events of ours" if which is None else f"is {printable(which)}"
        click.echo(
            f"No endpoint in {mode} mode {named}. `cogento endpoint create URL` makes one; with STRIPE_POLL_SECONDS none is needed."
        )
    for one, findings in [] if as_json else judged:
        click.secho(f"{printable(one.id)}  {printable(one.url)}", bold=True)
        print_findings(findings)
    ctx.exit(0 if any(worst(findings) is not Grade.BAD for _, findings in judged) else 1)


def _address(url: str, *, path: str, livemode: bool) -> str:
    """Read the address of a receiver; raises UsageError that says what to do."""
    try:
        parts = http_url(url)
    except UnusableUrlError as error:
        raise click.UsageError(f"URL is not usable: {error}.") from error
    if livemode and parts.scheme != "https":
        raise click.UsageError("In live mode Stripe sends to https only.")
    given = urlsplit(url).path.rstrip("/")
    if parts.query or (given and not given.endswith(path)):
        raise click.UsageError(f"The receiver listens at {path}: end URL with that, or with the host.")
    return f"{parts.scheme}://{parts.hosts}{given or path}"


def _ask(
    settings: AskingSettings,
    question: Callable[[StripeAccount], Coroutine[object, object, T]],
    *,
    do: str,
    right: str,
) -> T:
    """Send a request for the account of the key; every failure is one line that says what to do."""
    key, key_variable = settings.stripe_api_key, settings.variable("stripe_api_key")
    if key is None:
        raise Failure(KEY_MISSING.format(variable=key_variable), exit_code=EX_CONFIG)

    async def ask() -> T:
        async with StripeAccount.open(
            key.get_secret_value(), base=settings.stripe_api_base, connected=settings.stripe_account
        ) as account:
            return await question(account)

    with silent_logs(), friendly_errors(key_variable=key_variable):
        try:
            return runtime.run(ask())
        except StripeApiError as error:
            if error.status == FORBIDDEN:
                refused = NOT_ALLOWED.format(variable=key_variable, do=do, right=right)
                raise Failure(refused, exit_code=EX_CONFIG) from error
            if error.status == HTTPStatus.BAD_REQUEST:
                raise Failure(NOT_TAKEN) from error
            raise
