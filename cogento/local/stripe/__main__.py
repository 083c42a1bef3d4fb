"""The simulated Stripe as a process: `python -m cogento.local.stripe --webhook URL --secret whsec_… --rate 5`.

Prints one line of JSON when it is ready (`api_url`, `control_url`, `pid`); SIGTERM and Ctrl-C end it at once
and cleanly.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import click
import msgspec
import uvloop

from cogento.local.stripe.api import Api
from cogento.local.stripe.control import PREFIX, Control
from cogento.local.stripe.deliveries import DeliveryBackoff, Disorder, Endpoint
from cogento.local.stripe.errors import Faults
from cogento.local.stripe.events import Payloads
from cogento.local.stripe.http_server import Request, Response, serving
from cogento.local.stripe.shapes import DAHLIA
from cogento.local.stripe.simulation import Simulation, SimulationPlan

_NOWHERE = "http://127.0.0.1:9/"
_SHARE = click.FloatRange(0, 1)
_USUAL = Disorder()


@click.command()
@click.option("--webhook", "webhook_url", help="Where webhooks go; without it every event is lost.")
@click.option("--secret", envvar="STRIPE_WEBHOOK_SECRET", help="Signs webhooks; commas between several.")
@click.option("--thin-secret", envvar="STRIPE_THIN_WEBHOOK_SECRET", help="Signs thin events.")
@click.option(
    "--payloads",
    type=click.Choice([kind.value for kind in Payloads]),
    default=Payloads.SNAPSHOT.value,
    help="What webhooks carry: the object, only its name, or one webhook of each.",
)
@click.option("--rate", type=float, default=5.0, help="Events a second.")
@click.option("--seed", type=int, default=1, help="The same seed, the same history.")
@click.option("--customers", type=int, default=200, help="Live customers to grow to.")
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
@click.option("--connections", type=int, default=32, help="Connections to the receiver.")
@click.option("--api-version", default=DAHLIA, help="The endpoint's API version.")
@click.option("--api-key", default="sk_test_simulated", help="The key that the API takes.")
@click.option("--host", default="127.0.0.1", help="Where the API listens.")
@click.option("--port", type=int, default=0, help="The API's port; 0 takes a free one.")
@click.option("--ready-file", type=click.Path(path_type=Path), help="Gets the line of readiness too.")
def main(**options: Any) -> None:
    """Simulate a Stripe account: webhooks at a rate, and a REST API."""
    endpoint, plan = _endpoint(options), _plan(options)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_simulate(plan, endpoint, _Api(**{name: options[name] for name in _Api.__slots__})))


@dataclass(frozen=True, slots=True)
class _Api:
    host: str
    port: int
    api_key: str
    ready_file: Path | None


def _endpoint(options: dict[str, Any]) -> Endpoint:
    if options["webhook_url"] and not options["secret"]:
        raise click.UsageError("--webhook needs --secret (or STRIPE_WEBHOOK_SECRET) to sign with")
    if options["payloads"] != Payloads.SNAPSHOT and not options["thin_secret"]:
        raise click.UsageError("thin events need --thin-secret (or STRIPE_THIN_WEBHOOK_SECRET) to sign with")
    return Endpoint(
        url=options["webhook_url"] or _NOWHERE,
        secrets=tuple((options["secret"] or "").split(",")),
        thin_secrets=tuple((options["thin_secret"] or "").split(",")),
        connections=options["connections"],
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
            lost_share=options["lost"] if options["webhook_url"] else 1.0,
        ),
        backoff=DeliveryBackoff(first_seconds=options["retry_first"], cap_seconds=options["retry_cap"]),
    )


async def _simulate(plan: SimulationPlan, endpoint: Endpoint, where: _Api) -> None:
    simulation, faults = Simulation(plan, endpoint), Faults(Random(plan.seed + 2))
    record = simulation.deliveries
    api = Api(simulation.account, record, faults, api_key=where.api_key, now=lambda: int(time.time()))
    control = Control(simulation, faults, api.requests)

    async def answer(request: Request) -> Response:
        handler = control.answer if request.path.startswith(PREFIX) else api.answer
        return await handler(request)

    async with serving(answer, host=where.host, port=where.port) as url:
        running = asyncio.create_task(simulation.run())
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, running.cancel)

        ready = {"api_url": url, "control_url": f"{url}{PREFIX.rstrip('/')}", "pid": os.getpid()}
        line = msgspec.json.encode(ready).decode()
        if where.ready_file is not None:
            where.ready_file.write_text(f"{line}\n")
        click.echo(line)

        await asyncio.wait([running])
    if not running.cancelled():
        running.result()


if __name__ == "__main__":
    main()
