"""Brings everything up in order: servers, tables, our processes, and last the simulated Stripe."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cogento.console.errors import friendly_errors
from cogento.local.cast import Cast, Simulation, Stores
from cogento.local.errors import InUseError
from cogento.local.postgres import Postgres
from cogento.local.stripe.payloads import Payloads
from cogento.local.valkey import Valkey
from cogento.queue.durability import AckDurability
from cogento.queue.mailboxes import Mailboxes
from cogento.settings import ConsoleSettings, ReceiverSettings, WorkerSettings, load
from cogento.store.migrate import migrate

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from cogento.local.datafolder import DataFolder
    from cogento.local.ports import Ports
    from cogento.local.supervisor import Supervisor

RECEIVER_PORT, CONSOLE_PORT = 8000, 8001
CHOSEN = {"port": "8000", "log_level": "INFO"}
"""What the processes are given here whatever the environment says."""
STAND_INS: dict[str, str | None] = {
    "database_url": "postgresql://",
    "redis_url": "redis://",
    "stripe_webhook_secret": f"whsec_{'0' * 32}",
}
"""What is there in place of settings that are found or made later."""
REAL_THINGS = ("DATABASE_URL", "STRIPE_API_KEY")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What was asked for on the command line; None leaves it to us."""

    port: int | None
    data: Path
    simulate: bool | None
    rate: float
    customers: int
    payloads: str = Payloads.SNAPSHOT
    seed: int | None
    ask: bool = True


def start_everything(
    wishes: Wishes,
    folder: DataFolder,
    *,
    supervisor: Supervisor,
    ports: Ports,
    say: Callable[[str], None],
) -> Cast:
    """Start it all and return once everything answers; what was started is left to `supervisor.stop`."""
    receiver_port = choose_receiver_port(wishes.port, ports, say)
    console_port = choose_console_port(ports)
    simulation = plan_simulation(wishes, ports, say)
    settings = judge_settings(simulation)
    stores = _start_servers(folder, supervisor, settings, ports)
    cast = Cast(
        folder=folder,
        stores=stores,
        webhook_secret=os.environ.get("STRIPE_WEBHOOK_SECRET") or folder.webhook_secret(),
        thin_webhook_secret=os.environ.get("STRIPE_THIN_WEBHOOK_SECRET") or folder.thin_webhook_secret(),
        receiver_port=receiver_port,
        console_port=console_port,
        simulation=simulation,
    )
    _check(stores)
    supervisor.start([cast.receiver(), cast.worker(), cast.console()])
    supervisor.start([cast.stripe(simulation)] if simulation else [])
    return cast


def choose_receiver_port(asked: int | None, ports: Ports, say: Callable[[str], None]) -> int:
    """Take the port that was asked for, or else the usual one, or else a free one."""
    if asked is None:
        return _usual_port_or_another(ports, say)
    if not ports.take(asked):
        raise InUseError(f"port {asked} can't be listened on: choose another with --port, or leave it to us")
    return asked


def choose_console_port(ports: Ports) -> int:
    """Take the usual port, or else a free one."""
    return CONSOLE_PORT if ports.take(CONSOLE_PORT) else ports.take_any()


def plan_simulation(wishes: Wishes, ports: Ports, say: Callable[[str], None]) -> Simulation | None:
    """Made-up customers belong in a made-up database: into another they go only when asked for."""
    real = [name for name in REAL_THINGS if os.environ.get(name)]
    if wishes.simulate is None and real:
        say(f"No simulated Stripe, because {real[0]} is set; --simulate starts it all the same.")
    if wishes.simulate is False or (wishes.simulate is None and real):
        return None
    return Simulation(
        port=ports.take_any(),
        events_per_second=wishes.rate,
        customers=wishes.customers,
        payloads=Payloads(wishes.payloads),
        seed=wishes.seed,
        may_be_asked=wishes.ask,
    )


def _usual_port_or_another(ports: Ports, say: Callable[[str], None]) -> int:
    if ports.take(RECEIVER_PORT):
        return RECEIVER_PORT
    port = ports.take_any()
    say(f"Port {RECEIVER_PORT} is taken; the receiver listens on {port}.")
    return port


def judge_settings(simulation: Simulation | None) -> WorkerSettings:
    """Refuse, before anything is started, what our processes would refuse of the environment that they are given."""
    known = {name: value for name, value in STAND_INS.items() if not os.environ.get(name.upper())}
    known |= (
        {name.lower(): value or None for name, value in simulation.account().items()} if simulation else {}
    )
    load(ReceiverSettings, **known, **CHOSEN)
    load(ConsoleSettings, **known, **CHOSEN)
    return load(WorkerSettings, **known, **CHOSEN)


def _start_servers(
    folder: DataFolder, supervisor: Supervisor, settings: WorkerSettings, ports: Ports
) -> Stores:
    """Start what the environment names no other for; a 2xx means the most where we chose the server."""
    given = os.environ
    postgres = None if given.get("DATABASE_URL") else _postgres(folder, ports)
    valkey = None if given.get("REDIS_URL") else _valkey(folder, ports)
    supervisor.start([server for server in (postgres, valkey) if server])
    usual = AckDurability.REDIS_FSYNC if valkey else ""  # of another's server we take what it gives
    return Stores(
        database_url=postgres.url if postgres else settings.database_url.get_secret_value(),
        redis_url=valkey.url if valkey else settings.redis_url.get_secret_value(),
        ack_durability=given.get("ACK_DURABILITY") or usual,
    )


def _check(stores: Stores) -> None:
    """Bring the tables up to date, and see that Redis keeps what is promised of it: others' may not."""
    with friendly_errors():
        migrate(stores.database_url)
        demand = AckDurability(stores.ack_durability) if stores.ack_durability else None
        mailboxes = Mailboxes.connect(stores.redis_url, ack=demand)
        mailboxes.check()
        mailboxes.close()


def _postgres(folder: DataFolder, ports: Ports) -> Postgres:
    return Postgres(home=folder.path / "postgres", port=ports.take_any(), log=folder.log("postgres"))


def _valkey(folder: DataFolder, ports: Ports) -> Valkey:
    return Valkey(home=folder.path / "valkey", port=ports.take_any(), log=folder.log("valkey"))
