"""Every process of a deployment, started by the test itself: no supervisor restarts what a fault has ended.

Two servers, a receiver, several workers and the simulated Stripe. Valkey's power can be cut, or there is a cluster of them; and the
workers use a clock that can be made to jump. No process has a key to ask Stripe with, so that only webhooks bring events.
"""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

from cogento.local.accounts import account_names, plan_accounts
from cogento.local.data_folder import DataFolder
from cogento.local.ports import free_port
from cogento.local.services import SIMULATED_KEY, LocalSystem, Servers, StripeSimulation
from cogento.queue.durability import AckDurability
from cogento.store.migrate import migrate
from tests.support import servers
from tests.support.checker import Checker
from tests.support.clocks import ShiftedClock
from tests.support.cluster import cluster
from tests.support.power import start_watched_valkey
from tests.support.sender import Sender

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from cogento.local.services import Program
    from tests.support.sender import Verdict

# Not durable, because only processes die here and not the machine; but vacuumed, because runs may be long.
POSTGRES = {"fsync": "off", "full_page_writes": "off", "shared_buffers": "128MB"}
# All delays are short, so that a test need not wait for them once the faults are over.
SHARDS = 12
DISORDER = ("--window", "2", "--late", "0.02", "--late-by", "10", "--duplicates", "0.05", "--retry-cap", "5")


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How much of everything there is."""

    rate: float = 100
    customers: int = 200
    workers: int = 2
    lease_seconds: int = 5


class Stack:
    """A started deployment whose simulated Stripe lives by `seed`."""

    def __init__(self, home: Path, *, seed: int, size: Size) -> None:
        self.home = home
        self.lease_seconds = size.lease_seconds
        self.clock = ShiftedClock.make(home)
        self.postgres = servers.start_postgres(home, settings=POSTGRES)
        migrate(self.postgres.url)
        kept = self._start_redis()
        self.system, simulation = _system(self, kept, seed, size)
        self.checker = Checker(
            self.postgres.url,
            kept.redis_url,
            logs=home / "data" / "logs",
            secrets={self.system.accounts[0].webhook_secret, SIMULATED_KEY},
        )
        self.checker.install()
        self.receiver = servers.Running(self.system.receiver())
        self.workers = [servers.Running(self._worker(number)) for number in range(size.workers)]
        stripe = self.system.stripe(simulation)
        self.stripe = servers.Running(replace(stripe, argv=(*stripe.argv, *DISORDER)))
        self.sender = Sender(simulation.control_url(), kept.redis_url)

    @property
    def ours(self) -> list[servers.Running[Program]]:
        """The processes that must withstand every fault."""
        return [self.receiver, *self.workers]

    def check(self, *, attempts_allowed: int = 0) -> Verdict:
        """Judge what has become quiet."""
        return self.sender.verdict(self.checker, attempts_allowed=attempts_allowed)

    def end(self) -> None:
        """Kill everything."""
        for one in (self.stripe, *self.ours):
            one.kill()
        self._end_redis()
        self.postgres.kill()

    def _start_redis(self) -> Servers:
        self.valkey = start_watched_valkey(self.home)
        return Servers(
            database_url=self.postgres.url,
            redis_url=self.valkey.url,
            ack_durability=AckDurability.REDIS_FSYNC,
        )

    def _end_redis(self) -> None:
        self.valkey.kill()

    def _worker(self, number: int) -> Program:
        program = self.system.worker()
        environment = {
            **program.environment,
            **self.clock.environment,
            "LEASE_SECONDS": str(self.lease_seconds),
        }
        return replace(program, log=program.log.with_stem(f"worker-{number}"), environment=environment)


class ClusterStack(Stack):
    """The same on three masters with a replica each, and a Valkey beside them for the wake-ups."""

    def use_shards(self, shards: int) -> None:
        """Restart the workers, which want `shards` shards from now on; receivers keep running."""
        for worker in self.workers:
            worker.stop()
            description = worker.description
            environment = {**description.environment, "MAILBOX_SHARDS": str(shards)}
            worker.description = replace(description, environment=environment)
            worker.launch()

    def _start_redis(self) -> Servers:
        self._ending = ExitStack()
        self.cluster = self._ending.enter_context(cluster(masters=3, replicas_each=1))
        self.broker = servers.start_valkey(self.home)
        self._ending.callback(self.broker.kill)
        return Servers(
            database_url=self.postgres.url,
            redis_url=self.cluster.url,
            ack_durability=AckDurability.REDIS_REPLICATED,
            broker_url=self.broker.url,
            mailbox_shards=SHARDS,
        )

    def _end_redis(self) -> None:
        self._ending.close()


def _system(stack: Stack, kept: Servers, seed: int, size: Size) -> tuple[LocalSystem, StripeSimulation]:
    folder = DataFolder.open(stack.home / "data")
    simulation = StripeSimulation(
        port=free_port(), events_per_second=size.rate, customers=size.customers, seed=seed, may_be_asked=False
    )
    system = LocalSystem(
        folder=folder,
        servers=kept,
        accounts=plan_accounts(account_names(1), folder),
        receiver_port=free_port(),
        console_port=free_port(),
        simulation=simulation,
    )
    return system, simulation


S = TypeVar("S", bound=Stack)


@contextmanager
def running_stack(*, seed: int, size: Size) -> Iterator[Stack]:
    """A stack in a folder of its own that ends with the block; KEEP=1 keeps the folder."""
    yield from _run(Stack, seed=seed, size=size)


@contextmanager
def running_cluster_stack(*, seed: int, size: Size) -> Iterator[ClusterStack]:
    """The same with a cluster."""
    yield from _run(ClusterStack, seed=seed, size=size)


def _run(kind: type[S], *, seed: int, size: Size) -> Iterator[S]:
    home = servers.make_home()
    stack = kind(home, seed=seed, size=size)
    try:
        yield stack
    finally:
        stack.end()
        servers.leave_home(home)
