"""Brings everything up in order: servers, tables, our processes, and last the simulated Stripe."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from console.failures import told
from local.cast import Cast, Simulation, Stores
from local.errors import InUseError
from local.ports import free_port, is_free
from local.postgres import Postgres
from local.stripe.payloads import Payloads
from local.valkey import Valkey
from mailboxes.durability import AckDurability
from mailboxes.mailboxes import Mailboxes
from schema.migrate import migrate

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from local.datafolder import DataFolder
    from local.supervisor import Supervisor

RECEIVER_PORT, CONSOLE_PORT = 8000, 8001
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
    wishes: Wishes, folder: DataFolder, *, supervisor: Supervisor, say: Callable[[str], None]
) -> Cast:
    """Start it all and return once everything answers; what was started is left to `supervisor.stop`."""
    receiver_port, simulation = choose_receiver_port(wishes.port, say), plan_simulation(wishes, say)
    stores = _start_servers(folder, supervisor)
    cast = Cast(
        folder=folder,
        stores=stores,
        webhook_secret=os.environ.get("STRIPE_WEBHOOK_SECRET") or folder.webhook_secret(),
        thin_webhook_secret=os.environ.get("STRIPE_THIN_WEBHOOK_SECRET") or folder.thin_webhook_secret(),
        receiver_port=receiver_port,
        console_port=_console_port(receiver_port),
        simulation=simulation,
    )
    _check(stores)
    supervisor.start([cast.receiver(), cast.worker(), cast.console()])
    supervisor.start([cast.stripe(simulation)] if simulation else [])
    return cast


def choose_receiver_port(asked: int | None, say: Callable[[str], None]) -> int:
    """Return the port that was asked for, or else the usual one, or else a free one."""
    if asked is None:
        return _usual_port_or_another(say)
    if not is_free(asked):
        raise InUseError(f"port {asked} can't be listened on: choose another with --port, or leave it to us")
    return asked


def plan_simulation(wishes: Wishes, say: Callable[[str], None]) -> Simulation | None:
    """Made-up customers belong in a made-up database: into another they go only when asked for."""
    real = [name for name in REAL_THINGS if os.environ.get(name)]
    if wishes.simulate is None and real:
        say(f"No simulated Stripe, because {real[0]} is set; --simulate starts it all the same.")
    if wishes.simulate is False or (wishes.simulate is None and real):
        return None
    return Simulation(
        port=free_port(),
        events_per_second=wishes.rate,
        customers=wishes.customers,
        payloads=Payloads(wishes.payloads),
        seed=wishes.seed,
        may_be_asked=wishes.ask,
    )


def _usual_port_or_another(say: Callable[[str], None]) -> int:
    if is_free(RECEIVER_PORT):
        return RECEIVER_PORT
    port = free_port()
    say(f"Port {RECEIVER_PORT} is taken; the receiver listens on {port}.")
    return port


def _console_port(receiver_port: int) -> int:
    return CONSOLE_PORT if receiver_port != CONSOLE_PORT and is_free(CONSOLE_PORT) else free_port()


def _start_servers(folder: DataFolder, supervisor: Supervisor) -> Stores:
    """Start what the environment names no other for; a 2xx means the most where we chose the server."""
    given = os.environ
    postgres = None if given.get("DATABASE_URL") else _postgres(folder)
    valkey = None if given.get("REDIS_URL") else _valkey(folder)
    supervisor.start([server for server in (postgres, valkey) if server])
    usual = AckDurability.REDIS_FSYNC if valkey else AckDurability.REDIS
    return Stores(
        database_url=postgres.url if postgres else given["DATABASE_URL"],
        redis_url=valkey.url if valkey else given["REDIS_URL"],
        ack_durability=given.get("ACK_DURABILITY") or usual,
    )


def _check(stores: Stores) -> None:
    """Bring the tables up to date, and see that Redis keeps what is promised of it: others' may not."""
    with told():
        migrate(stores.database_url)
        mailboxes = Mailboxes.connect(stores.redis_url, ack=AckDurability(stores.ack_durability))
        mailboxes.check()
        mailboxes.close()


def _postgres(folder: DataFolder) -> Postgres:
    return Postgres(home=folder.path / "postgres", port=free_port(), log=folder.log("postgres"))


def _valkey(folder: DataFolder) -> Valkey:
    return Valkey(home=folder.path / "valkey", port=free_port(), log=folder.log("valkey"))
