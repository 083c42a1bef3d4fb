"""Databases of one Postgres server: one for each run, copied from one that each of the three migrated, and that was filled once."""

from __future__ import annotations

import itertools
import json
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import psycopg
import redis
from psycopg import sql

from bench import growth
from bench.compared.results import OLD, OURS
from bench.compared.setups import ENGINE_OF, running_engine
from bench.ground import Ground, ground
from bench.stream import START, bodies
from cogento.store.migrate import migrate

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

NUMBER = "0" * 14
"""The number in the ids of the stream's first customer, and of its subscription and item."""
OBJECTS = """
SELECT replace(%(object)s, %(number)s, 'old' || n)::JSONB
FROM generate_series(1, %(rows)s) AS n
"""
IN_COLUMNS = """
INSERT INTO stripe.{table}
SELECT written.*
FROM ({objects}) AS made (object)
CROSS JOIN LATERAL jsonb_populate_record(
    NULL::stripe.{table},
    made.object || jsonb_build_object('deleted', false, 'updated_at', now(), 'last_synced_at', to_timestamp(%(at)s))
) AS written
"""
"""For @supabase/stripe-sync-engine: a column for each value."""
IN_ONE = """
INSERT INTO stripe.{table} (_raw_data, _last_synced_at, _account_id)
SELECT made.object, to_timestamp(%(at)s), 'acct_benchmark'
FROM ({objects}) AS made (object)
"""
"""For @stripe/sync-engine: the object as JSON, from which Postgres generates the columns."""
INDEX = "CREATE INDEX of_our_own ON stripe.subscription_items (subscription)"
"""An index that both engines lack for the query that they make at each event of a subscription."""


@dataclass(slots=True)
class Databases:
    """Makes databases, with `existing` customers with a subscription each in them; `indexed`: with INDEX."""

    servers: Ground
    existing: int = 0
    indexed: bool = False
    _numbers: Iterator[int] = field(default_factory=itertools.count)
    _made: set[str] = field(default_factory=set)

    @contextmanager
    def one_for(self, name: str) -> Iterator[str]:
        """A database for one run of one of the three, and an empty Redis; the database's URL."""
        if name not in self._made:
            self._make(name)
        database = f"{name}_{next(self._numbers)}"
        with redis.Redis.from_url(self.servers.valkey.url) as client:
            client.flushall()
        self._administer("CREATE DATABASE {} TEMPLATE {}", database, _original(name))
        try:
            yield self._url(database)
        finally:
            self._administer("DROP DATABASE {} WITH (FORCE)", database)

    def _make(self, name: str) -> None:
        """Make the database that the others are copied from."""
        self._administer("CREATE DATABASE {}", _original(name))
        url = self._url(_original(name))
        if name == OURS:
            migrate(url)
        else:
            with running_engine(ENGINE_OF[name], url):
                pass  # it listens once it has migrated
        if self.existing:
            fill(name, url, self.existing)
        if self.indexed:
            with psycopg.connect(url, autocommit=True) as connection:
                connection.execute(INDEX)
        self._made.add(name)

    def _administer(self, statement: str, *databases: str) -> None:
        with psycopg.connect(self._url("postgres"), autocommit=True) as connection:
            connection.execute(sql.SQL(statement).format(*map(sql.Identifier, databases)))

    def _url(self, database: str) -> str:
        return self.servers.postgres.description.url_of(database)


def _original(name: str) -> str:
    return f"original_{name}"


@contextmanager
def databases(*, existing: int = 0, indexed: bool = False) -> Iterator[Databases]:
    """Databases of a server that is gone in the end."""
    with ground() as servers:
        yield Databases(servers, existing, indexed)


def fill(name: str, database_url: str, customers: int) -> None:
    """Write the past of an account: so many customers, each with a subscription of one item."""
    if name == OURS:
        growth.grow(database_url, users=customers)
        return
    statement = IN_COLUMNS if name == OLD else IN_ONE
    with psycopg.connect(database_url, autocommit=True) as connection:
        for table, one in _rows_of_one_customer().items():
            query = sql.SQL(statement).format(table=sql.Identifier(table), objects=sql.SQL(OBJECTS))
            values = {"object": json.dumps(one), "number": NUMBER, "rows": customers, "at": START}
            connection.execute(query, values)
        connection.execute("VACUUM ANALYZE")


def _rows_of_one_customer() -> Mapping[str, Any]:
    """What the engines' tables have of one, by table."""
    customer, subscription = (json.loads(body)["data"]["object"] for body in bodies(2, customers=1))
    item = subscription["items"]["data"][0]
    return {
        "customers": customer,
        "subscriptions": subscription,
        "subscription_items": {**item, "price": item["price"]["id"]},
    }
