"""How long each page of the console takes over large tables, and by which plans Postgres answers it.

    .venv/bin/python -m bench.console
    .venv/bin/python -m bench.console --share 0.1 --plans

Fills 1,000,000 ledger rows of 35 days, 100,000 dead letters and 100,000 waiting customers once, and asks for every page
several times, through Flask's test client. A page may take LIMIT_MS; the exit code says whether each one kept to it.
"""

from __future__ import annotations

import argparse
import asyncio
import datetime as dt
import re
import statistics
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bench.ground import ground
from cogento import runtime
from cogento.console.web.access import LocalAccess
from cogento.console.web.server import Exposure, compose
from cogento.events.envelope import parse_envelope
from cogento.events.names import CustomerId
from cogento.queue.durability import AckDurability
from cogento.settings import ConsoleSettings, load
from cogento.store.connecting import connect, connect_plainly
from cogento.store.database import Database
from tests.support import builders
from tests.support.looped import LoopedMailboxes

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from flask.testing import FlaskClient

LIMIT_MS = 100
REPEATS = 5
PUT_TOGETHER = 200
NEWEST_LETTER = "SELECT max(id) FROM dead_letters WHERE status = 'open'"

FILL = """
INSERT INTO users (email, stripe_customer_id, name, stripe_created_at, stripe_updated_at, last_webhook_event_id,
    stripe_email, claimed_email)
SELECT
    'user' || n || '@example.com', 'cus_' || n, 'User ' || n, now() - INTERVAL '1 year', now() - INTERVAL '40 days',
    'evt_old_' || n, 'user' || n || '@example.com', 'user' || n || '@example.com'
FROM generate_series(1, {customers}) AS n;

INSERT INTO subscriptions (stripe_subscription_id, user_id, product_id, status, stripe_updated_at, last_webhook_event_id)
SELECT 'sub_' || substr(stripe_customer_id, 5), user_id, 'prod_1', 'active', now(), last_webhook_event_id
FROM users;

INSERT INTO webhook_events (event_id, event_created_at, event_type, customer_id, object_id, received_at, settled_at,
    outcome, source)
SELECT
    'evt_' || n,
    now() - n * INTERVAL '35 days' / {events},
    CASE n % 3 WHEN 0 THEN 'customer.updated' ELSE 'customer.subscription.updated' END,
    'cus_' || CASE WHEN n % 50 = 0 THEN 1 ELSE n % {customers} + 1 END,
    CASE n % 3 WHEN 0 THEN 'cus_' ELSE 'sub_' END || CASE WHEN n % 50 = 0 THEN 1 ELSE n % {customers} + 1 END,
    now() - n * INTERVAL '35 days' / {events},
    now() - n * INTERVAL '35 days' / {events},
    (ARRAY['applied', 'applied', 'unchanged', 'stale', 'superseded'])[n % 5 + 1],
    'webhook'
FROM generate_series(1, {events}) AS n;

INSERT INTO dead_letters (event_id, event_type, customer_id, object_id, event_created_at, received_at, died_at, attempts,
    reason, failure_class, failure_code, message, fingerprint, source, raw_body, raw_sha256, status, resolution,
    resolved_by, resolved_at, removal)
SELECT
    'evt_dead_' || n, 'customer.updated', 'cus_' || n % {customers} + 1, 'cus_' || n % {customers} + 1,
    now() - n * INTERVAL '30 days' / {letters}, now(), now() - n * INTERVAL '30 days' / {letters}, 5,
    CASE n % 3 WHEN 0 THEN 'bug' ELSE 'impossible_value' END, 'permanent', '23514', 'PostgreSQL rejected a value.',
    md5((n % 40)::TEXT), 'webhook', (SELECT convert_to(string_agg(md5(n::TEXT || k), ''), 'UTF8') FROM generate_series(1, 38) AS k), '\\x00',
    (ARRAY['open', 'open', 'open', 'resolved', 'discarded'])[n % 5 + 1], 'applied', 'retry',
    CASE WHEN n % 5 > 2 THEN now() END, n % 100 = 0
FROM generate_series(1, {letters}) AS n;

INSERT INTO dead_letter_actions (letter_id, action, who, why)
SELECT id, 'discard', 'ops-' || id % 7, 'test data' FROM dead_letters WHERE status = 'discarded';

INSERT INTO activity (who, action, about, why)
SELECT 'ops-' || n % 7, 'pause', 'cus_' || n, 'INC-' || n FROM generate_series(1, {letters} / 10) AS n;

INSERT INTO operations (kind, filter, newest_letter, total, state, who, why, runner, finished_at)
SELECT 'retry', '{{}}', 1, 1, 'done', 'ops-1', 'INC-7', 'x', now() FROM generate_series(1, 500);
"""

PAGES = (
    "/console",
    "/console/waiting",
    "/console/waiting?state=queued",
    "/console/letters",
    "/console/letters?status=all",
    "/console/letters?status=discarded",
    "/console/letters?fingerprint={fingerprint}",
    "/console/letters?status=all&fingerprint={fingerprint}&below={middle}",
    "/console/letters?customer=cus_5",
    "/console/letters?reason=bug&newer=12h",
    "/console/letters?text=evt_dead_77",
    "/console/letters?removals=1",
    "/console/letters/retry",
    "/console/letters/retry?fingerprint={fingerprint}",
    "/console/letters/{letter}",
    "/console/operations",
    "/console/operations/7",
    "/console/customers/cus_5",
    "/console/customers/cus_1",
    "/console/customers/cus_1?object=sub_1&changes=1",
    "/console/customers/cus_1?below=evt_{events_half}",
    "/console/customers/cus_5?event=evt_4",
    "/console/explain?id=user5@example.com",
    "/console/activity",
    "/console/activity?who=ops-3",
    "/console/activity?about=cus_77",
    "/console/system",
)


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much there is."""

    events: int
    letters: int
    customers: int
    waiting: int


@dataclass(frozen=True, slots=True)
class Asked:
    """A statement that a page sent, with its parameters."""

    statement: str
    parameters: tuple[object, ...]
    milliseconds: float

    @property
    def purpose(self) -> str:
        """What the statement's first line says."""
        return self.statement.lstrip("- \n").split("\n")[0]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--share", type=float, default=1, help="of the full sizes")
    parser.add_argument("--plans", action="store_true", help="print every plan whole")
    arguments = parser.parse_args()
    share = arguments.share
    sizes = Sizes(*(int(size * share) for size in (1_000_000, 100_000, 100_000, 100_000)))
    with ground() as servers:
        database_url, redis_url = servers.postgres.url, servers.valkey.url
        begun = time.monotonic()
        asyncio.run(fill(database_url, sizes))
        put(redis_url, sizes.waiting)
        print(f"filled in {time.monotonic() - begun:.0f} s: {sizes}")
        settings = load(ConsoleSettings, database_url=database_url, redis_url=redis_url)
        client = compose(settings, Exposure(8001, LocalAccess())).test_client()
        named = asyncio.run(names(database_url, sizes))
        over = [
            address
            for page in PAGES
            if measure(client, address := page.format(**named), database_url, plans=arguments.plans)
            > LIMIT_MS
        ]
    print(f"over {LIMIT_MS} ms: {', '.join(over) or 'none'}")
    return 1 if over else 0


async def fill(database_url: str, sizes: Sizes) -> None:
    """Fill the tables, the ledger's days first."""
    connection = await connect_plainly(database_url, application_name="bench")
    days = await connection.fetch(
        "SELECT (now() - n * INTERVAL '1 day')::DATE FROM generate_series(0, 36) AS n"
    )
    for (day,) in days:
        await connection.execute(
            f"CREATE TABLE IF NOT EXISTS webhook_events_{day:%Y%m%d} PARTITION OF webhook_events FOR VALUES "
            f"FROM ('{day} 00:00+00') TO ('{day + dt.timedelta(1)} 00:00+00')"
        )
    counts = {"events": sizes.events, "letters": sizes.letters, "customers": sizes.customers}
    for statement in FILL.format(**counts).split(";\n\n"):
        await connection.execute(statement)
    await connection.execute("VACUUM ANALYZE")
    await connection.close()


def put(redis_url: str, waiting: int) -> None:
    """Put one event of each of so many customers; half of a thousand of them are paused."""
    mailboxes = LoopedMailboxes.connect(redis_url, ack=AckDurability.REDIS)
    now = mailboxes.now_ms() // 1000
    for first in range(0, waiting, PUT_TOGETHER):
        bodies = [
            builders.event_body("customer.updated", builders.customer(f"cus_{number}"), id_=f"evt_w_{number}")
            for number in range(first, first + PUT_TOGETHER)
        ]
        mailboxes.put([parse_envelope(body, now=now) for body in bodies])
    for number in range(0, 1000, 2):
        mailboxes.pause(CustomerId(f"cus_{number}"), who="ops-1", why="INC-7")
    mailboxes.close()


async def names(database_url: str, sizes: Sizes) -> dict[str, object]:
    """Choose what the addresses name."""
    connection = await connect_plainly(database_url, application_name="bench")
    letter = await connection.fetchval(NEWEST_LETTER)
    fingerprint = await connection.fetchval("SELECT fingerprint FROM dead_letters WHERE id = $1", letter)
    await connection.close()
    return {
        "letter": letter,
        "fingerprint": fingerprint,
        "middle": sizes.letters // 2,
        "events_half": sizes.events // 100 * 50,
    }


def measure(client: FlaskClient, address: str, database_url: str, *, plans: bool) -> float:
    """Ask for a page several times; prints and returns the median in milliseconds."""
    asked: list[Asked] = []
    with recorded(asked):
        status = client.get(address).status_code
    took, cpu_begun = [], time.thread_time()
    for _ in range(REPEATS):
        begun = time.perf_counter()
        client.get(address)
        took.append((time.perf_counter() - begun) * 1000)
    cpu = (time.thread_time() - cpu_begun) * 1000 / REPEATS
    median = statistics.median(took)
    print(
        f"{median:6.1f} ms (at most {max(took):.1f}, {cpu:.1f} of it the page's own CPU)  {status}  {address}",
        flush=True,
    )
    for one in {one.statement: one for one in asked}.values():
        lines = runtime.run(explain(database_url, one))
        print(f"       {one.milliseconds:7.1f} ms  {one.purpose}")
        for line in lines if plans else summary(lines):
            print(f"                   {line}")
    return median


@contextmanager
def recorded(asked: list[Asked]) -> Iterator[None]:
    """Note what is read from Postgres meanwhile, the poller's reading included."""
    kept = {name: getattr(Database, name) for name in ("fetch", "search")}

    def noting(read: Callable[..., Awaitable[list[Any]]]) -> Callable[..., Awaitable[list[Any]]]:
        async def note(database: Database, statement: str, *parameters: object) -> list[Any]:
            begun = time.perf_counter()
            rows = await read(database, statement, *parameters)
            asked.append(Asked(statement, parameters, (time.perf_counter() - begun) * 1000))
            return rows

        return note

    try:
        for name, read in kept.items():
            setattr(Database, name, noting(read))
        yield
    finally:
        for name, read in kept.items():
            setattr(Database, name, read)


async def explain(database_url: str, asked: Asked) -> list[str]:
    """Say how a statement is answered, with the settings of the console's own connections."""
    connection = await connect(database_url, application_name="bench")
    plan = f"EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF) {asked.statement}"
    lines = [row[0] for row in await connection.fetch(plan, *asked.parameters)]
    await connection.close()
    return lines


def summary(lines: list[str]) -> list[str]:
    """Name each way in which rows were read, once for all the ledger's days."""
    scans = [re.search(r"(?:Index|Bitmap Heap|Seq|Parallel).*?Scan.* on \w+", line) for line in lines]
    named = [re.sub(r"_?(p?)\d{8}\w*", "", scan[0]) for scan in scans if scan]
    return list(dict.fromkeys(named))


if __name__ == "__main__":
    raise SystemExit(main())
