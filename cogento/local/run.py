"""`cogento run`: everything on this machine, from the servers to a simulated Stripe, until asked to stop."""

from __future__ import annotations

import math
import os
import signal
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import click

from cogento.console.connections import silent_logs
from cogento.database_schema import split_schema
from cogento.local.data_folder import AccountInfo, DataFolder, RunInfo
from cogento.local.errors import LocalError
from cogento.local.ports import Ports
from cogento.local.services import SIMULATED_KEY
from cogento.local.start import RunOptions, start_everything
from cogento.local.stripe.accounts import account_key
from cogento.local.stripe.events import Payloads
from cogento.local.supervisor import Supervisor
from cogento.local.terminal import StatusLine, Terminal, describe_run, occupy_standard_streams
from cogento.settings.processes import MAX_POLL_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cogento.local.accounts import LocalAccount
    from cogento.local.services import LocalSystem

MAX_EVENTS_A_SECOND = 100_000
CHECK_SECONDS = 0.2
"""How often to check whether a process has ended."""
TERMINAL_STATUS_SECONDS, LOG_STATUS_SECONDS = 1.0, 5.0
SHUTDOWN_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def _a_number(_context: click.Context, _option: click.Parameter, rate: float) -> float:
    """Refuse NaN, which no comparison keeps out of a range."""
    if math.isnan(rate):
        raise click.BadParameter("it is not a number")
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
    type=click.FloatRange(min=0, max=MAX_EVENTS_A_SECOND),
    callback=_a_number,
    default=5.0,
    show_default=True,
    help="Simulated events a second, of all accounts together.",
)
@click.option(
    "--customers",
    type=click.IntRange(min=1),
    default=200,
    show_default=True,
    help="Simulated customers to grow to, in each account.",
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
@click.option(
    "--poll",
    type=click.IntRange(min=0, max=MAX_POLL_SECONDS),
    metavar="SECONDS",
    help="Read Stripe's list of events every this many seconds, so that no webhook is needed; 0: never. With STRIPE_API_KEY the default is 3.",
)
@click.option(
    "--cluster/--one-redis",
    default=False,
    help="Keep mailboxes on a cluster of three Valkeys with a replica each, wake-ups on one that Sentinels watch; or on one Valkey.",
)
@click.option(
    "--accounts",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Simulate this many Stripe accounts, which one receiver, worker and console serve: default, shop2, shop3 and so on.",
)
@click.option("--seed", type=int, help="Seed of the simulation: the same seed, the same history.")
def run(**options: Any) -> None:
    """Start everything on this machine and watch rows arrive; Ctrl-C stops it.

    PostgreSQL and Valkey come along, unless DATABASE_URL or REDIS_URL name others. With STRIPE_API_KEY the tables are filled from
    that account and stay up to date, without a public address; else a simulated Stripe is started.
    """
    occupy_standard_streams()
    terminal = Terminal(sys.stdout)
    try:
        with silent_logs():
            _run(RunOptions(**options), terminal)
    except LocalError as error:
        raise click.ClickException(str(error)) from error


def _run(options: RunOptions, terminal: Terminal) -> None:
    folder = DataFolder.open(options.data)
    supervisor = Supervisor(terminal.say)
    with Ports() as ports, ShutdownSignals(supervisor.kill_all) as signals:
        try:
            system = start_everything(options, folder, supervisor=supervisor, ports=ports, say=terminal.say)
            _write_run_file(system, supervisor.pids)
            terminal.say(describe_run(system, os.environ))
            if system.fill:
                system.fill.start()
            _supervise(system, supervisor, terminal)
        except KeyboardInterrupt:
            terminal.end_status()
            terminal.say("Stopping …")
        finally:
            signals.stopping()
            folder.remove_run_file()
            supervisor.stop()
    terminal.say("Stopped.")


def _supervise(system: LocalSystem, supervisor: Supervisor, terminal: Terminal) -> None:
    """Keep it running and show its status, until interrupted."""
    every_seconds = TERMINAL_STATUS_SECONDS if terminal.is_live else LOG_STATUS_SECONDS
    status = StatusLine(system.servers, system.account_names, every_seconds=every_seconds)
    show_at = 0.0
    while True:
        if supervisor.restart_ended():
            _write_run_file(system, supervisor.pids)
        for line in system.fill.lines() if system.fill else ():
            terminal.say(line)
        if time.monotonic() >= show_at and status.text:
            filling = f"{system.fill.text} · " if system.fill and system.fill.text else ""
            terminal.show_status(filling + status.text)
            show_at = time.monotonic() + every_seconds
        time.sleep(CHECK_SECONDS)


def _write_run_file(system: LocalSystem, pids: Mapping[str, int]) -> None:
    simulation, placement = system.simulation, system.servers.placement()
    accounts = {account.name: _account_info(system, account) for account in system.accounts}
    first = next(iter(accounts.values()))
    system.folder.write_run_file(
        RunInfo(
            **asdict(first),
            database_url=split_schema(system.servers.database_url)[0],
            redis_url=system.servers.redis_url,
            ack_durability=system.servers.ack_durability,
            broker_url=placement.get("BROKER_URL"),
            mailbox_shards=placement.get("MAILBOX_SHARDS"),
            stripe_api_url=simulation.api_url if simulation else None,
            accounts=accounts if len(accounts) > 1 else {},
            pid=os.getpid(),
            pids=pids,
        )
    )


def _account_info(system: LocalSystem, account: LocalAccount) -> AccountInfo:
    name, simulation = account.name, system.simulation
    return AccountInfo(
        receiver_url=system.receiver_url(name),
        console_url=system.console_url(name),
        database_schema=split_schema(system.servers.tables_of(name))[1],
        webhook_secret=account.webhook_secret.split(",")[0],
        thin_webhook_secret=account.thin_webhook_secret.split(",")[0],
        stripe_api_key=account_key(SIMULATED_KEY, name) if simulation else None,
        stripe_control_url=simulation.control_url(name) if simulation else None,
    )


class ShutdownSignals:
    """A context in which the first Ctrl-C, SIGTERM or closed terminal raises KeyboardInterrupt in the main thread.

    Later ones call `kill_all`, and so does the first one once `stopping` was called.
    """

    def __init__(self, kill_all: Callable[[], None]) -> None:
        self._kill_all = kill_all
        self._is_stopping = False

    def __enter__(self) -> Self:
        for number in SHUTDOWN_SIGNALS:
            if (number, signal.getsignal(number)) != (signal.SIGHUP, signal.SIG_IGN):  # nohup
                signal.signal(number, self._on_signal)
        return self

    def __exit__(self, *_: object) -> None:
        for number in SHUTDOWN_SIGNALS:
            signal.signal(number, signal.SIG_IGN)  # the process is ending anyway

    def stopping(self) -> None:
        """Say that stopping has begun."""
        self._is_stopping = True

    def _on_signal(self, _number: int, _frame: object) -> None:
        if self._is_stopping:
            self._kill_all()
            return
        self._is_stopping = True
        raise KeyboardInterrupt
