"""Starts and stops what is compared: this project as it is deployed, and each engine behind a server of its own.

All of them write to databases of one Postgres, and take webhooks at a port of this machine.
"""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import psycopg

from bench.compared.engines import INSTALLED, OPENAPI, SUPABASE, Engine
from bench.compared.engines import STRIPE as STRIPES_OWN
from bench.compared.results import NEW, OLD, OURS
from bench.ground import Ground, running
from bench.memory import resident_mb
from bench.serving import RECEIVER, console, served
from bench.working import opened_mailboxes, worker
from cogento.local.ports import free_port, is_free
from cogento.local.services import SIMULATED_KEY
from tests.support.builders import SECRET
from tests.support.servers import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from contextlib import AbstractContextManager

    from tests.support.looped import LoopedMailboxes

ENGINE_OF: Mapping[str, Engine] = {OLD: SUPABASE, NEW: STRIPES_OWN}
NAMES = (OURS, *ENGINE_OF)
READY_SECONDS, SETTLE_SECONDS, DOUBT_SECONDS = 90, 600, 120
UNSURE = "SELECT exists(SELECT FROM users WHERE unsure UNION ALL SELECT FROM subscriptions WHERE unsure)"


class Setup(Protocol):
    """One of the three, running."""

    @property
    def port(self) -> int:
        """Where it takes webhooks."""

    def settle(self) -> None:
        """Wait until everything that it answered 2xx is in its tables."""

    def resident_mb(self) -> Mapping[str, float]:
        """MB of resident memory of each of its processes, Postgres left out."""


def running_setup(
    name: str, servers: Ground, database_url: str, *, stripe_url: str | None = None
) -> AbstractContextManager[Setup]:
    """Start one of the three on a database that it has migrated; with `stripe_url` it has a key and asks that Stripe as much as it can."""
    if name == OURS:
        return running_ours(servers, database_url, stripe_url=stripe_url)
    return running_engine(ENGINE_OF[name], database_url, stripe_url=stripe_url)


@dataclass(frozen=True, slots=True)
class _Ours:
    port: int
    database_url: str
    asks: bool
    pids: dict[str, int]
    servers: Ground
    mailboxes: LoopedMailboxes

    def settle(self) -> None:
        wait_until(self._is_settled, what="empty mailboxes", seconds=SETTLE_SECONDS)
        if self.asks:
            wait_until(self._is_sure, what="Stripe's answers to what was in doubt", seconds=DOUBT_SECONDS)
            wait_until(self._is_settled, what="empty mailboxes", seconds=SETTLE_SECONDS)

    def resident_mb(self) -> Mapping[str, float]:
        """The console is no part of it by default: it is started, measured and stopped."""
        with console(self.servers, self.database_url) as pages:
            return {
                name: resident_mb(pid)
                for name, pid in (self.pids | {"console (optional)": pages.process.pid}).items()
            }

    def _is_settled(self) -> bool:
        return self.mailboxes.status().waiting == 0  # events parked for their customer do not count

    def _is_sure(self) -> bool:
        with psycopg.connect(self.database_url, autocommit=True) as connection:
            return connection.execute(UNSURE).fetchone() == (False,)


@contextmanager
def running_ours(servers: Ground, database_url: str, *, stripe_url: str | None = None) -> Iterator[Setup]:
    """Start a receiver and a worker, as `Procfile` does, and wait until the worker looks for events."""
    asking = {"STRIPE_API_KEY": SIMULATED_KEY, "STRIPE_API_BASE": stripe_url} if stripe_url else {}
    with ExitStack() as stack:
        working = stack.enter_context(worker(servers, DATABASE_URL=database_url, **asking))
        server = stack.enter_context(served(RECEIVER, servers))
        mailboxes = stack.enter_context(opened_mailboxes(servers))
        wait_until(lambda: bool(mailboxes.workers.seen()), what="a worker", seconds=READY_SECONDS)
        pids = {"receiver": server.process.pid, "worker": working.pid, "Valkey": servers.valkey.pid}
        yield _Ours(server.port, database_url, bool(stripe_url), pids, servers, mailboxes)


@dataclass(frozen=True, slots=True)
class _Running:
    port: int
    pid: int

    def settle(self) -> None:
        """Return at once: an engine answers only when its rows are written."""

    def resident_mb(self) -> Mapping[str, float]:
        return {"Node.js": resident_mb(self.pid)}


@contextmanager
def running_engine(engine: Engine, database_url: str, *, stripe_url: str | None = None) -> Iterator[Setup]:
    """Start an engine, which migrates its tables first."""
    port = free_port()
    environment = {
        "DATABASE_URL": database_url,
        "STRIPE_WEBHOOK_SECRET": SECRET,
        "STRIPE_API_KEY": SIMULATED_KEY,
        "PORT": str(port),
        "STRIPE_API_BASE": stripe_url or "",
        "ASK": "1" if stripe_url else "",
    }
    if OPENAPI.exists():
        environment["OPENAPI"] = str(OPENAPI)
    with running(("node", engine.program), folder=INSTALLED, **environment) as process:
        wait_until(
            lambda: not is_free(port) or process.exit_code() is not None,
            what=f"{engine.package} to listen",
            seconds=READY_SECONDS,
        )
        if process.exit_code() is not None:
            said = "\n".join(process.last_log_lines())
            raise SystemExit(
                f"{engine.package} ended; where GitHub cannot be reached it needs --openapi:\n{said}"
            )
        yield _Running(port, process.pid)
