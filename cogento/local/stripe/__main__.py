"""The simulated Stripe as a process: `python -m cogento.local.stripe --webhook URL --secret whsec_… --rate 5`.

Prints one line of JSON when it is ready (`api_url`, `control_url`, `pid`); SIGTERM and Ctrl-C end it at once
and cleanly. With `--accounts default,shop2` it simulates several accounts, whose secrets it reads from the same variables as receivers.
"""

from __future__ import annotations

import asyncio
import os
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec
import uvloop

from cogento.accounts import DEFAULT_ACCOUNT, own_variable, read_names
from cogento.local.stripe.accounts import (
    SimulatedAccount,
    account_key,
    account_webhook_url,
    at_one_address,
    run_all,
    share,
)
from cogento.local.stripe.deliveries import DeliveryBackoff, Disorder, Endpoint
from cogento.local.stripe.events import Payloads
from cogento.local.stripe.http_server import serving
from cogento.local.stripe.shapes import DAHLIA
from cogento.local.stripe.simulation import SimulationPlan

if TYPE_CHECKING:
    from collections.abc import Sequence

SECRET, THIN_SECRET = "STRIPE_WEBHOOK_SECRET", "STRIPE_THIN_WEBHOOK_SECRET"
_NOWHERE = "http://127.0.0.1:9/"
_SHARE = click.FloatRange(0, 1)
_USUAL = Disorder()


@click.command()
@click.option("--webhook", help="Where webhooks go; without it every event is lost.")
@click.option("--secret", envvar=SECRET, help="Signs webhooks; commas between several.")
@click.option("--thin-secret", envvar=THIN_SECRET, help="Signs thin events.")
@click.option(
    "--accounts",
    type=read_names,
    default=DEFAULT_ACCOUNT,
    help="The names of the accounts, comma-separated; one's webhooks go to its own path below --webhook.",
)
@click.option(
    "--payloads",
    type=click.Choice([kind.value for kind in Payloads]),
    default=Payloads.SNAPSHOT.value,
    help="What webhooks carry: the object, only its name, or one webhook of each.",
)
@click.option("--rate", type=float, default=5.0, help="Events a second, of all accounts.")
@click.option("--seed", type=int, default=1, help="The same seed, the same history.")
@click.option("--customers", type=int, default=200, help="Live customers to grow to, in each account.")
@click.option("--existing", type=int, default=0, help="Customers there from the start, without events.")
@click.option("--events", "most_events", type=int, help="Make no more than about so many events.")
@click.option("--window", type=float, default=_USUAL.window_seconds, help="Seconds to shuffle within.")
@click.option("--late", type=_SHARE, default=_USUAL.late_share, help="Share delivered late.")
@click.option("--late-by", type=float, default=_USUAL.late_seconds, help="How late at most, in seconds.")
@click.option("--duplicates", type=_SHARE, default=_USUAL.duplicate_share, help="Share delivered twice.")
@click.option("--lost", type=_SHARE, default=_USUAL.lost_share, help="Share never delivered.")
@click.option(
    "--retry-first", type=float, default=DeliveryBackoff().first_seconds, help="First retry, seconds."
)
@click.option("--retry-cap", type=float, default=DeliveryBackoff().cap_seconds, help="Longest wait, seconds.")
@click.option("--connections", type=int, default=32, help="Connections to the receiver, of all accounts.")
@click.option("--api-version", default=DAHLIA, help="The endpoint's API version.")
@click.option(
    "--api-key",
    default="sk_test_simulated",
    help="The key of the default account; that of another one ends with its name.",
)
@click.option("--host", default="127.0.0.1", help="Where the API listens.")
@click.option("--port", type=int, default=0, help="The API's port; 0 takes a free one.")
@click.option("--ready-file", type=click.Path(path_type=Path), help="Gets the line of readiness too.")
def main(**options: Any) -> None:
    """Simulate a Stripe account or several: webhooks at a rate, and a REST API."""
    names: Sequence[str] = options["accounts"]
    plan = _plan(options)
    plans = [share(plan, place=place, accounts=len(names)) for place in range(len(names))]
    accounts = [
        SimulatedAccount(name, plan, _endpoint(options, name), api_key=account_key(options["api_key"], name))
        for name, plan in zip(names, plans, strict=True)
    ]
    where = _Place(**{name: options[name] for name in _Place.__slots__})
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_simulate(accounts, where))


@dataclass(frozen=True, slots=True)
class _Place:
    host: str
    port: int
    ready_file: Path | None


def _endpoint(options: dict[str, Any], account: str) -> Endpoint:
    """Return where an account's webhooks go, or refuse an account that has nothing to sign them with."""
    secret, thin_secret = options["secret"], options["thin_secret"]
    if account != DEFAULT_ACCOUNT:
        secret, thin_secret = (os.environ.get(own_variable(name, account)) for name in (SECRET, THIN_SECRET))
    if options["webhook"] and not secret:
        raise click.UsageError(f"--webhook needs --secret (or {own_variable(SECRET, account)}) to sign with")
    if options["payloads"] != Payloads.SNAPSHOT and not thin_secret:
        raise click.UsageError(
            f"thin events need --thin-secret (or {own_variable(THIN_SECRET, account)}) to sign with"
        )
    return Endpoint(
        url=account_webhook_url(options["webhook"], account) if options["webhook"] else _NOWHERE,
        secrets=tuple((secret or "").split(",")),
        thin_secrets=tuple((thin_secret or "").split(",")),
        connections=max(1, options["connections"] // len(options["accounts"])),
    )


def _plan(options: dict[str, Any]) -> SimulationPlan:
    return SimulationPlan(
        seed=options["seed"],
        events_per_second=options["rate"],
        population=options["customers"],
        existing=options["existing"],
        most_events=options["most_events"],
        api_version=options["api_version"],
        payloads=Payloads(options["payloads"]),
        disorder=Disorder(
            window_seconds=options["window"],
            late_share=options["late"],
            late_seconds=options["late_by"],
            duplicate_share=options["duplicates"],
            lost_share=options["lost"] if options["webhook"] else 1.0,
        ),
        backoff=DeliveryBackoff(first_seconds=options["retry_first"], cap_seconds=options["retry_cap"]),
    )


async def _simulate(accounts: Sequence[SimulatedAccount], where: _Place) -> None:
    async with serving(at_one_address(accounts), host=where.host, port=where.port) as url:
        running = asyncio.create_task(run_all(accounts))
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, running.cancel)

        ready = {
            "api_url": url,
            "control_url": url + accounts[0].control.prefix.rstrip("/"),
            "pid": os.getpid(),
        }
        line = msgspec.json.encode(ready).decode()
        if where.ready_file is not None:
            where.ready_file.write_text(f"{line}\n")
        click.echo(line)

        await asyncio.wait([running])
    if not running.cancelled():
        running.result()


if __name__ == "__main__":
    main()
