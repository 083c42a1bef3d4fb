"""How much disk a row takes, including its share of all indexes.

    .venv/bin/python -m bench.disk

Users and subscriptions as a worker wrote them; the ledger's rows are made here, with ids that come in no order, as
Stripe's do: those of bench/stream.py count upwards and would fill an index's pages better.
"""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING

import psycopg

from bench.crew import Crew, at_work, await_fewer, number, opened_mailboxes
from bench.ground import ground
from bench.stream import bodies
from bench.working import fill
from tests.support.databases import LIBPQ_OPTIONS

if TYPE_CHECKING:
    from bench.ground import Ground

LEDGER_ROWS = 200_000
FILL_LEDGER = """
INSERT INTO webhook_events (
    event_id, event_created_at, event_type, customer_id, object_id, received_at, outcome, reason, source
)
SELECT
    'evt_' || left(id, 24), now(), 'customer.subscription.updated', 'cus_' || left(id, 14),
    'sub_' || left(id, 24), now(), 'applied', 'newer', 'webhook'
FROM (SELECT md5(n::TEXT) AS id FROM generate_series(1, %(rows)s) AS n) AS made
"""
ROW_BYTES = """
SELECT sum(pg_total_relation_size(oid)) / (SELECT count(*) FROM {table})
FROM pg_class
WHERE relname LIKE '{table}%' AND relkind = 'r' AND pg_relation_size(oid) > 0
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--customers", type=int, default=10_000)
    print(json.dumps(row_bytes(parser.parse_args().customers)))


def row_bytes(customers: int) -> dict[str, float]:
    """Bytes of a row, by table."""
    crew = Crew()
    with ground() as servers, opened_mailboxes(servers, crew) as mailboxes:
        fill(mailboxes, bodies(3 * customers, customers=customers))
        with at_work(servers, crew):
            await_fewer(mailboxes, 1)
        rows = {table: bytes_of(servers, table) for table in ("users", "subscriptions")}
        with psycopg.connect(servers.postgres.url, autocommit=True, options=LIBPQ_OPTIONS) as connection:
            connection.execute("TRUNCATE webhook_events")
            connection.execute(FILL_LEDGER, {"rows": LEDGER_ROWS})
        return {**rows, "ledger": bytes_of(servers, "webhook_events")}


def bytes_of(servers: Ground, table: str) -> float:
    """Bytes of one row; the empty days of the ledger do not count."""
    return number(servers.postgres.url, ROW_BYTES.format(table=table))


if __name__ == "__main__":
    main()
