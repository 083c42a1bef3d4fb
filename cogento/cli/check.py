"""`cogento check`: whether everything is as it must be, a line each; for people, the release phase and programs."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from cogento import runtime
from cogento.accounts import own_variable
from cogento.cli.accounts import VARIABLE
from cogento.cli.printing import json_option, print_findings, print_json
from cogento.console.check import (
    check_postgres,
    check_receiver,
    check_redis,
    check_settings,
    check_state,
    exit_code,
)
from cogento.console.check_stripe import check_endpoints, check_key
from cogento.console.connections import connect, silent_logs
from cogento.console.findings import worst
from cogento.console.local_run import CHOSEN, DEFAULT_DATA, adopt_local_run, read_accounts
from cogento.console.public_address import check_address
from cogento.settings import EX_CONFIG, AccountNames, ReconcileSettings, load, problems_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from cogento.console.findings import Finding


@click.command()
@click.option(
    "--release",
    is_flag=True,
    help="End with 78 where a process would refuse to start, else with 0: a server that is away, or a problem at Stripe, stops no release.",
)
@click.option(
    "--url",
    metavar="URL",
    help="The receiver's address to try; by default those of the endpoints at Stripe.",
)
@json_option
@click.pass_context
def check(ctx: click.Context, *, release: bool, url: str | None, as_json: bool) -> None:
    """Check settings, servers, rights, clocks and the endpoint at Stripe.

    Each line is good, warning or bad, and says what to do. Of several accounts all are checked, one after the other, where no
    --account names one. Ends with 0 when nothing is bad, with 78 when something must be
    configured differently, else with 1.
    """
    adopt_local_run()
    _adopt_secret()
    ours: list[Finding] = []
    findings: list[Finding] = []
    by_account = {}
    for number, account in enumerate(_each_account()):
        with silent_logs():
            begun = [
                *check_settings(polls=_polls()),
                *(check_receiver() if number == 0 else ()),
                *_check_ours(),
            ]
            found = begun + list(_check_others(url))
        ours += begun
        findings += found
        by_account[account] = found
        if not as_json:
            if account is not None:
                click.secho(f"account {account}", bold=True)
            print_findings(found)
    if as_json:
        print_json({"grade": worst(findings), "findings": findings, **_plain(by_account)})
    code = exit_code(ours if release else findings)
    ctx.exit(0 if release and code != EX_CONFIG else code)


def _each_account() -> Iterator[str | None]:
    """Yield the accounts that a command is about, the chosen one or else all; while one is handled, its settings are read.

    Yields None where accounts have no names.
    """
    names = load(AccountNames).stripe_accounts
    if not names or os.environ.get(VARIABLE):
        yield os.environ.get(VARIABLE) or None
        return
    for name in names:
        os.environ[VARIABLE] = name
        yield name
    del os.environ[VARIABLE]


def _plain(by_account: Mapping[str | None, Sequence[Finding]]) -> dict[str, object]:
    """Return the findings as JSON, by account where accounts have names."""
    named = {name: found for name, found in by_account.items() if name is not None}
    return {"accounts": named} if named else {}


def _polls() -> bool:
    return bool(os.environ.get("STRIPE_POLL_SECONDS"))


def _check_ours() -> Iterator[Finding]:
    """Check what keeps a process from starting, other than its settings."""
    if problems_of(ReconcileSettings):
        return  # they were reported; nothing can be asked with them
    settings = load(ReconcileSettings)
    mailboxes = connect(settings)
    try:
        yield from check_redis(mailboxes)
    finally:
        runtime.run(mailboxes.close())
    yield from check_postgres(settings.database_url.get_secret_value())


def _check_others(url: str | None) -> Iterator[Finding]:
    """Check what needs attention, Stripe, and the way from Stripe to the receiver."""
    if problems_of(ReconcileSettings):
        return
    settings = load(ReconcileSettings)
    yield from check_state(settings)
    yield from check_key(settings)
    urls = [url] if url else []
    if not _polls():
        findings, endpoints = check_endpoints(settings)
        yield from findings
        urls = urls or [one.url for one in endpoints]
    for address in urls:
        yield from check_address(address)


def _adopt_secret() -> None:
    """Adopt the receiver's secret, for each account, from the local run whose servers are used."""
    accounts = read_accounts(click.get_current_context().meta.get(CHOSEN, DEFAULT_DATA))
    for account, facts in accounts.items():
        variable = own_variable("STRIPE_WEBHOOK_SECRET", account)
        is_meant = bool(facts.get("redis_url")) and facts["redis_url"] == os.environ.get("REDIS_URL")
        if is_meant and not os.environ.get(variable):
            os.environ[variable] = facts["webhook_secret"]
