"""Starts everything in order: servers, tables, our processes, and last the simulated Stripe."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cogento import runtime
from cogento.accounts import DEFAULT_ACCOUNT, default_schema
from cogento.console.errors import friendly_errors
from cogento.database_schema import internal_schema, split_schema, with_schema
from cogento.local.accounts import account_names, plan_accounts
from cogento.local.cluster_servers import SHARDS, start_cluster
from cogento.local.errors import InUseError, LocalError
from cogento.local.fill import AccountFill
from cogento.local.postgres import Postgres
from cogento.local.services import LocalSystem, Servers, StripeSimulation
from cogento.local.stripe.events import Payloads
from cogento.local.valkey import Valkey
from cogento.queue.durability import AckDurability
from cogento.queue.mailboxes import Mailboxes
from cogento.settings import (
    ChangesSettings,
    ConsoleSettings,
    ReceiverSettings,
    ReconcileSettings,
    WorkerSettings,
    load,
)
from cogento.store.migrate import migrate

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from cogento.local.data_folder import DataFolder
    from cogento.local.ports import Ports
    from cogento.local.supervisor import Supervisor

RECEIVER_PORT, CONSOLE_PORT = 8000, 8001
CHOSEN = {"port": "8000", "log_level": "INFO", "cogento_account": None}
"""Settings of the processes here, whatever the environment says."""
STAND_INS: dict[str, str | None] = {
    "database_url": "postgresql://",
    "redis_url": "redis://",
    "stripe_webhook_secret": f"whsec_{'0' * 32}",
}
"""Placeholders for settings that are found or made later, so that the others can be checked before."""
REAL_THINGS = ("DATABASE_URL", "STRIPE_API_KEY")
SEVERAL = "--accounts simulates several accounts"
POLL_SECONDS = 3
"""How often a real account's events are polled by default."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """The options of `cogento run`; None leaves the choice to it."""

    port: int | None
    data: Path
    simulate: bool | None
    rate: float
    customers: int
    payloads: str = Payloads.SNAPSHOT
    seed: int | None
    ask: bool = True
    poll: int | None = None
    cluster: bool = False
    accounts: int = 1


def start_everything(
    options: RunOptions,
    folder: DataFolder,
    *,
    supervisor: Supervisor,
    ports: Ports,
    say: Callable[[str], None],
) -> LocalSystem:
    """Start it all and return once everything answers; what was started is left to `supervisor.stop`."""
    receiver_port = choose_receiver_port(options.port, ports, say)
    console_port = choose_console_port(ports)
    simulation = plan_simulation(options, ports, say)
    settings = check_settings(simulation)
    refuse_shared_tables(options.accounts, settings.database_schema)
    poll_seconds = plan_polls(options, simulation, settings)
    changes = load(ChangesSettings).changes
    if options.cluster and os.environ.get("REDIS_URL"):
        raise LocalError("--cluster starts Valkeys of its own: unset REDIS_URL, or leave the option out")
    servers = _start_servers(options, folder, supervisor, settings, ports)
    system = LocalSystem(
        folder=folder,
        servers=servers,
        accounts=plan_accounts(account_names(options.accounts), folder),
        receiver_port=receiver_port,
        console_port=console_port,
        simulation=simulation,
        poll_seconds=poll_seconds,
        fill=plan_fill(simulation, servers),
    )

    # Migrates the tables, and checks that Redis keeps the promise: a server that the environment names may not.
    with friendly_errors():
        for account in system.account_names:
            migrate(servers.tables_of(account), changes=changes)
        demand = AckDurability(servers.ack_durability) if servers.ack_durability else None
        mailboxes = Mailboxes.connect(servers.redis_url, shards=servers.mailbox_shards or 1, ack=demand)
        try:
            runtime.run(mailboxes.check_at_start())
        finally:
            runtime.run(mailboxes.close())
    if system.fill:
        system.fill.prepare()

    supervisor.start([system.receiver(), system.worker(), system.console()])
    supervisor.start([system.stripe(simulation)] if simulation else [])
    return system


def choose_receiver_port(asked: int | None, ports: Ports, say: Callable[[str], None]) -> int:
    """Reserve the port that was asked for, or else the usual one, or else a free one."""
    if ports.reserve(asked or RECEIVER_PORT):
        return asked or RECEIVER_PORT
    if asked is not None:
        raise InUseError(f"port {asked} can't be listened on: choose another with --port, or leave it to us")
    port = ports.reserve_any()
    say(f"Port {RECEIVER_PORT} is taken; the receiver listens on {port}.")
    return port


def choose_console_port(ports: Ports) -> int:
    """Reserve the usual port, or else a free one."""
    return CONSOLE_PORT if ports.reserve(CONSOLE_PORT) else ports.reserve_any()


def plan_simulation(options: RunOptions, ports: Ports, say: Callable[[str], None]) -> StripeSimulation | None:
    """Plan the simulation; None where DATABASE_URL or STRIPE_API_KEY is set and --simulate is not given."""
    real = [name for name in REAL_THINGS if os.environ.get(name)]
    if options.accounts > 1 and options.simulate is False:
        raise LocalError(f"{SEVERAL}: leave out --no-simulate, or --accounts")
    if options.accounts > 1 and options.simulate is None and real:
        raise LocalError(f"{SEVERAL}, and {real[0]} is set: unset it, or give --simulate as well")
    if options.simulate is None and real:
        say(f"No simulated Stripe, because {real[0]} is set; --simulate starts it all the same.")
    if options.simulate is False or (options.simulate is None and real):
        return None
    return StripeSimulation(
        port=ports.reserve_any(),
        events_per_second=options.rate,
        customers=options.customers,
        payloads=Payloads(options.payloads),
        seed=options.seed,
        may_be_asked=options.ask,
        accounts=account_names(options.accounts),
    )


def refuse_shared_tables(accounts: int, schema: str) -> None:
    """Refuse a schema for the default account's tables, or for the machinery beside them, that another account has."""
    for name in account_names(accounts)[1:]:
        other = default_schema(name)
        if {schema, internal_schema(schema)} & {other, internal_schema(other)}:
            raise LocalError(
                f"DATABASE_SCHEMA={schema} is where the tables of {name} are: name another schema for those of "
                f"{DEFAULT_ACCOUNT}, or unset it"
            )


def plan_polls(
    options: RunOptions, simulation: StripeSimulation | None, settings: WorkerSettings
) -> int | None:
    """Return how often Stripe's list of events is read; a real account's always is, for its webhooks do not reach this machine."""
    if options.poll is None:
        is_real = simulation is None and settings.stripe_api_key is not None
        return settings.stripe_poll_seconds or (POLL_SECONDS if is_real else None)
    if options.poll and settings.stripe_api_key is None:
        raise LocalError("--poll asks Stripe, which takes a key: set STRIPE_API_KEY")
    return options.poll or None


def plan_fill(simulation: StripeSimulation | None, servers: Servers) -> AccountFill | None:
    """Return what fills the tables from a real account; None with a simulated one, which begins without customers."""
    key = os.environ.get("STRIPE_API_KEY")
    if simulation is not None or not key:
        return None
    settings = load(
        ReconcileSettings,
        database_url=split_schema(servers.database_url)[0],  # the environment names the schema
        redis_url=servers.redis_url,
        ack_durability=servers.ack_durability or None,
        cogento_account=None,
        **{name.lower(): value for name, value in servers.placement().items()},
    )
    return AccountFill(settings, key)


def check_settings(simulation: StripeSimulation | None) -> WorkerSettings:
    """Refuse, before anything is started, settings that our processes would refuse."""
    if os.environ.get("STRIPE_ACCOUNTS"):
        raise LocalError(
            "`cogento run` names its accounts itself: unset STRIPE_ACCOUNTS. --accounts 3 simulates three (docs/accounts.md)"
        )
    known = {name: value for name, value in STAND_INS.items() if not os.environ.get(name.upper())}
    known |= (
        {name.lower(): value or None for name, value in simulation.settings().items()} if simulation else {}
    )
    load(ReceiverSettings, **known, **CHOSEN)
    load(ConsoleSettings, **known, **CHOSEN)
    return load(WorkerSettings, **known, **CHOSEN)


def _start_servers(
    options: RunOptions, folder: DataFolder, supervisor: Supervisor, settings: WorkerSettings, ports: Ports
) -> Servers:
    """Start the servers that the environment does not name; with a server of our own a 2xx gives the strongest level."""
    postgres = valkey = None
    if not os.environ.get("DATABASE_URL"):
        path, log = folder.path / "postgres", folder.log("postgres")
        postgres = Postgres(folder=path, port=ports.reserve_any(), log=log)
    if not os.environ.get("REDIS_URL") and not options.cluster:
        path, log = folder.path / "valkey", folder.log("valkey")
        valkey = Valkey(folder=path, port=ports.reserve_any(), log=log)
    supervisor.start([server for server in (postgres, valkey) if server])
    database_url = with_schema(
        postgres.url if postgres else settings.database_url.get_secret_value(), settings.database_schema
    )
    demand = os.environ.get("ACK_DURABILITY")
    if options.cluster:
        redis_url, broker_url = start_cluster(folder, supervisor, ports)
        return Servers(
            database_url=database_url,
            redis_url=redis_url,
            ack_durability=demand or AckDurability.REDIS_REPLICATED,
            broker_url=broker_url,
            mailbox_shards=SHARDS,
        )
    usual = AckDurability.REDIS_FSYNC if valkey else ""  # another's server may give any level
    return Servers(
        database_url=database_url,
        redis_url=valkey.url if valkey else settings.redis_url.get_secret_value(),
        ack_durability=demand or usual,
    )
