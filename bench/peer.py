"""How many events a second we accept and apply, beside what people use today.

    .venv/bin/python -m bench.peer --events 20000 --rounds 3

The peer is @supabase/stripe-sync-engine behind Node's own server (bench/sync_engine): it writes inside the request, so
that what it accepts a second is what it applies. Both get the same signed stream from the same 32 connections, one
after the other, on the same Postgres. Ours is done when every object's row shows its last event. Needs node and
npm, and the network the first time.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import psycopg

from bench.ground import ground, running
from bench.rounds import medians
from bench.sending import flood, signed
from bench.serving import RECEIVER, served
from bench.stream import bodies
from bench.working import opened_mailboxes, worker
from cogento.local.ports import free_port, is_free
from tests.support.builders import SECRET
from tests.support.servers import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bench.ground import Ground

SOURCES = Path(__file__).with_name("sync_engine")
INSTALLED = Path(tempfile.gettempdir()) / "cogento-benchmark-peer"
READY_SECONDS = 60
APPLIED_SECONDS = 300
ROWS = """
SELECT stripe_customer_id, last_webhook_event_id FROM users
UNION ALL
SELECT stripe_subscription_id, last_webhook_event_id FROM subscriptions
"""


class _Object(msgspec.Struct):
    id: str


class _Data(msgspec.Struct):
    object: _Object


class _Event(msgspec.Struct):
    id: str
    data: _Data


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--customers", type=int, default=4_000)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    install()
    medians(lambda: one_round(arguments.events, arguments.customers), rounds=arguments.rounds)


def install() -> None:
    """Install the peer, once."""
    if not shutil.which("npm"):
        raise SystemExit("bench.peer needs node and npm: install them, or leave this benchmark out")
    INSTALLED.mkdir(exist_ok=True)
    for source in SOURCES.iterdir():
        shutil.copy(source, INSTALLED)
    if not (INSTALLED / "node_modules").exists():
        subprocess.run(("npm", "install", "--no-audit", "--no-fund", "--silent"), cwd=INSTALLED, check=True)


def one_round(events: int, customers: int) -> dict[str, float]:
    """Events per second of both, and ours over theirs."""
    stream = list(bodies(events, customers=customers))
    with ground() as servers:
        accepted, applied = ours(servers, stream)
        theirs = peers(servers, stream)
    return {
        "accepted_per_s": accepted,
        "applied_per_s": applied,
        "peer_per_s": theirs,
        "accepted_over_peer": accepted / theirs,
        "applied_over_peer": applied / theirs,
    }


def ours(servers: Ground, stream: Sequence[bytes]) -> tuple[float, float]:
    """Events a second that receiver and worker accept, and that they have applied when every row is right."""
    last = last_events(stream)
    with worker(servers), served(RECEIVER, servers) as server, connected(servers.postgres.url) as connection:
        await_worker(servers)
        requests = signed(stream)
        begun = time.perf_counter()
        sent = flood(server.port, requests)
        wait_until(
            lambda: dict(connection.execute(ROWS).fetchall()) == last,
            what="every row to show its object's last event",
            seconds=APPLIED_SECONDS,
        )
        return sent.per_second, len(stream) / (time.perf_counter() - begun)


def await_worker(servers: Ground) -> None:
    """Wait until a worker looks for mail: its start is not counted."""
    with opened_mailboxes(servers) as mailboxes:
        wait_until(lambda: bool(mailboxes.workers.seen()), what="a worker", seconds=READY_SECONDS)


def last_events(stream: Sequence[bytes]) -> dict[str, str]:
    """The last event's id of each object, by the object's."""
    events = (msgspec.json.decode(body, type=_Event) for body in stream)
    return {event.data.object.id: event.id for event in events}


def peers(servers: Ground, stream: Sequence[bytes]) -> float:
    """Events a second that the peer writes to a database of its own."""
    with connected(servers.postgres.description.url_of("postgres")) as connection:
        connection.execute("CREATE DATABASE peer")
    with peer(servers.postgres.description.url_of("peer")) as port:
        return flood(port, signed(stream)).per_second


@contextmanager
def connected(url: str) -> Iterator[psycopg.Connection[tuple[str, str]]]:
    """Connect for single statements."""
    with psycopg.connect(url, autocommit=True) as connection:
        yield connection


@contextmanager
def peer(database_url: str) -> Iterator[int]:
    """Run the peer, and tell its port."""
    port = free_port()
    environment = {"DATABASE_URL": database_url, "STRIPE_WEBHOOK_SECRET": SECRET, "PORT": str(port)}
    argv = ("node", "server.cjs")
    with running(argv, folder=INSTALLED, **environment):
        wait_until(lambda: not is_free(port), what="the peer to listen", seconds=READY_SECONDS)
        yield port


if __name__ == "__main__":
    main()
