"""`cogento run`: everything on this machine, from the servers to a simulated Stripe, until asked to stop."""

from __future__ import annotations

import math
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cogento.local.cast import SIMULATED_KEY
from cogento.local.datafolder import DataFolder, Facts
from cogento.local.errors import LocalError
from cogento.local.interruption import Interruption
from cogento.local.notice import describe
from cogento.local.ports import Ports
from cogento.local.pulse import Pulse
from cogento.local.screen import occupy_standard_streams, standard_screen
from cogento.local.start import Wishes, start_everything
from cogento.local.stripe.payloads import Payloads
from cogento.local.supervisor import Supervisor

if TYPE_CHECKING:
    from cogento.local.cast import Cast
    from cogento.local.screen import Screen

MOST_EVENTS_A_SECOND = 100_000
TEND_SECONDS = 0.2
LIVE_SECONDS, PLAIN_SECONDS = 1.0, 5.0


def _a_number(_context: click.Context, _option: click.Parameter, rate: float) -> float:
    """Refuse NaN, which no comparison keeps out of a range."""
    if math.isnan(rate):
        raise click.BadParameter("it is no number")
    return rate


@click.command()
@click.option("--port", type=click.IntRange(1, 65_535), help="The receiver's port; else 8000, or a free one.")
@click.option(
    "--data", type=click.Path(path_type=Path), default=".data", show_default=True, help="Where data is kept."
)
@click.option(
    "--simulate/--no-simulate",
    default=None,
    help="Start a simulated Stripe, or not; else unless DATABASE_URL or STRIPE_API_KEY is set.",
)
@click.option(
    "--rate",
    type=click.FloatRange(min=0, max=MOST_EVENTS_A_SECOND),
    callback=_a_number,
    default=5.0,
    show_default=True,
    help="Simulated events a second.",
)
@click.option(
    "--customers",
    type=click.IntRange(min=1),
    default=200,
    show_default=True,
    help="Simulated customers to grow to.",
)
@click.option(
    "--payloads",
    type=click.Choice([kind.value for kind in Payloads]),
    default=Payloads.SNAPSHOT.value,
    show_default=True,
    help="What simulated webhooks carry: the object, only its name, or one webhook of each.",
)
@click.option(
    "--ask/--no-ask",
    default=True,
    help="Let workers ask the simulated Stripe when in doubt and for lost events, or not.",
)
@click.option("--seed", type=int, help="Which life is simulated: the same seed, the same life.")
def run(**wishes: Any) -> None:
    """Start everything on this machine and watch rows arrive; Ctrl-C stops it.

    PostgreSQL and Valkey come along, unless DATABASE_URL or REDIS_URL name others.
    """
    occupy_standard_streams()
    screen = standard_screen()
    try:
        _run(Wishes(**wishes), screen)
    except LocalError as error:
        raise click.ClickException(str(error)) from error


def _run(wishes: Wishes, screen: Screen) -> None:
    folder = DataFolder.occupy(wishes.data)
    supervisor = Supervisor(screen.say)
    with Ports() as ports, Interruption(supervisor.hurry) as interruption:
        try:
            cast = start_everything(wishes, folder, supervisor=supervisor, ports=ports, say=screen.say)
            _look_after(cast, supervisor, screen)
        except KeyboardInterrupt:
            screen.leave_line()
            screen.say("Stopping …")
        finally:
            interruption.finishing()
            folder.forget_run()
            supervisor.stop()
    screen.say("Stopped.")


def _look_after(cast: Cast, supervisor: Supervisor, screen: Screen) -> None:
    """Publish what runs, keep it running, and show its pulse, until interrupted."""
    _publish(cast, supervisor)
    screen.say_all(describe(cast, os.environ))
    every_seconds = LIVE_SECONDS if screen.is_live else PLAIN_SECONDS
    pulse = Pulse(cast.stores.database_url, cast.stores.redis_url, every_seconds=every_seconds)
    show_at = 0.0
    while True:
        if supervisor.tend():
            _publish(cast, supervisor)
        if time.monotonic() >= show_at and pulse.line:
            screen.show(pulse.line)
            show_at = time.monotonic() + every_seconds
        time.sleep(TEND_SECONDS)


def _publish(cast: Cast, supervisor: Supervisor) -> None:
    cast.folder.publish_run(
        Facts(
            receiver_url=cast.receiver_url,
            console_url=cast.console_url,
            database_url=cast.stores.database_url,
            redis_url=cast.stores.redis_url,
            ack_durability=cast.stores.ack_durability,
            webhook_secret=cast.webhook_secret.split(",")[0],
            thin_webhook_secret=cast.thin_webhook_secret.split(",")[0],
            stripe_api_url=cast.simulation.api_url if cast.simulation else None,
            stripe_api_key=SIMULATED_KEY if cast.simulation else None,
            stripe_control_url=cast.simulation.control_url if cast.simulation else None,
            pid=os.getpid(),
            pids=supervisor.pids,
        )
    )
