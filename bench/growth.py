"""Does a worker stay as fast as its backlog and the tables grow?

    .venv/bin/python -m bench.growth             # the full sizes: takes about a quarter of an hour
    .venv/bin/python -m bench.growth --share 0.1 # a tenth of them

First the next events are settled out of ever larger backlogs, up to a million events of 500,000 customers; then one
stream is drained into empty tables and into ever larger ones, up to a million users and five million rows of ledger.
"""

from __future__ import annotations

import argparse
import time
from typing import TYPE_CHECKING

import psycopg
import redis

from bench.ground import ground
from bench.rounds import medians
from bench.stream import START, bodies
from bench.working import fill, opened_mailboxes, pace
from tests.support.databases import LIBPQ_OPTIONS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.working import Pace

MEASURED = 8_000
SMALL_BACKLOG = 10_000
LEDGER_ROWS_A_USER, LEDGER_DAYS = 5, 30

FILL_USERS = """
INSERT INTO users (
    email, stripe_customer_id, stripe_email, name, metadata, stripe_created_at, stripe_updated_at,
    last_webhook_event_id
)
SELECT
    'old' || n || '@example.com', 'cus_old' || n, 'old' || n || '@example.com', 'Old ' || n,
    jsonb_build_object('membership_type', 'Adult', 'revision', n::TEXT),
    to_timestamp(%(start)s), to_timestamp(%(start)s), 'evt_old' || n
FROM generate_series(1, %(users)s) AS n
"""
FILL_SUBSCRIPTIONS = """
INSERT INTO subscriptions (
    stripe_subscription_id, user_id, product_id, status, metadata, stripe_created_at, stripe_updated_at,
    last_webhook_event_id
)
SELECT
    'sub_old' || stripe_customer_id, user_id, 'prod_1', 'active',
    jsonb_build_object('subscription_type', 'Premium'),
    to_timestamp(%(start)s), to_timestamp(%(start)s), 'evt_sub' || stripe_customer_id
FROM users
"""
FILL_LEDGER = """
INSERT INTO webhook_events (
    event_id, event_created_at, event_type, customer_id, object_id, received_at, outcome, reason, source
)
SELECT
    'evt_led' || n, now() - n %% %(days)s * INTERVAL '1 day', 'customer.updated', 'cus_old' || n %% %(users)s,
    'cus_old' || n %% %(users)s, now(), 'applied', 'newer', 'webhook'
FROM generate_series(1, %(events)s) AS n
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--share", type=float, default=1.0, help="share of the full sizes")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    medians(lambda: one_round(arguments.share), rounds=arguments.rounds)


def one_round(share: float) -> dict[str, float]:
    """Paces by size, and for backlogs and tables the ratio of the pace at the largest size to that at the smallest."""
    waiting = {size: backlog(size).per_second for size in backlogs(share)}
    kept = {users: tables(users).per_second for users in table_sizes(share)}
    return {
        **{f"backlog_{size}_per_s": pace for size, pace in waiting.items()},
        "backlog_ratio": waiting[max(waiting)] / waiting[min(waiting)],
        **{f"users_{users}_per_s": pace for users, pace in kept.items()},
        "tables_ratio": kept[max(kept)] / kept[min(kept)],
    }


def backlogs(share: float) -> Sequence[int]:
    """Return sizes of backlogs, from the smallest that suffices for the measurement."""
    return [
        SMALL_BACKLOG,
        *(int(size * share) for size in (100_000, 1_000_000) if size * share > SMALL_BACKLOG),
    ]


def table_sizes(share: float) -> Sequence[int]:
    """Return the numbers of existing users, each with a subscription and five rows of the ledger."""
    return [0, int(100_000 * share), int(1_000_000 * share)]


def backlog(events: int) -> Pace:
    """Return the pace at which the next events of a backlog of `events` are settled; two events for each customer."""
    with ground() as servers, opened_mailboxes(servers) as mailboxes:
        fill(mailboxes, bodies(events, customers=events // 2))
        await_calm(servers.valkey.url)
        return pace(servers, mailboxes, events=MEASURED)


def await_calm(redis_url: str) -> None:
    """Wait until Valkey no longer rewrites its append-only file, as it does whenever the file has doubled: filling is not measured."""
    with redis.Redis.from_url(redis_url) as client:
        while client.info("persistence")["aof_rewrite_in_progress"]:
            time.sleep(0.1)


def tables(users: int) -> Pace:
    """The pace at which one stream is drained into tables that hold so many users already."""
    with ground() as servers, opened_mailboxes(servers) as mailboxes:
        grow(servers.postgres.url, users=users)
        fill(mailboxes, bodies(SMALL_BACKLOG, customers=SMALL_BACKLOG // 5))
        return pace(servers, mailboxes, events=MEASURED)


def grow(database_url: str, *, users: int) -> None:
    """Fill the tables with the past of an account, and update the planner's statistics."""
    sizes = {"users": users, "events": LEDGER_ROWS_A_USER * users, "days": LEDGER_DAYS, "start": START}
    with psycopg.connect(database_url, autocommit=True, options=LIBPQ_OPTIONS) as connection:
        connection.execute(FILL_USERS, sizes)
        connection.execute(FILL_SUBSCRIPTIONS, sizes)
        connection.execute(FILL_LEDGER, sizes)
        connection.execute("VACUUM ANALYZE")


if __name__ == "__main__":
    main()
