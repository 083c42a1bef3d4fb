"""Several accounts on one Redis and one PostgreSQL, and what a test asks of each."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import psycopg

from cogento.database_schema import internal_schema, with_schema
from cogento.events.envelope import parse_envelope
from cogento.queue.durability import AckDurability
from cogento.settings import WorkerSettings
from cogento.store.migrate import migrate
from tests.support import builders
from tests.support.looped import LoopedMailboxes
from tests.support.servers import PATIENT_SECONDS

if TYPE_CHECKING:
    from collections.abc import Sequence

NAMES = ("default", "eu", "us", "asia")
SCHEMAS = {"default": "public", **{name: f"stripe_{name}" for name in NAMES[1:]}}


def make_tables(database_url: str) -> None:
    """Make the tables of each account except `default`, in a database that has the default account's."""
    for name in NAMES[1:]:
        migrate(with_schema(database_url, SCHEMAS[name]))


class Accounts:
    """Mailboxes and tables of some accounts on one server each, and what a test asks of them; the tables are there."""

    def __init__(
        self,
        redis_url: str,
        database_url: str,
        names: Sequence[str] = NAMES,
        *,
        ack: AckDurability = AckDurability.REDIS,
        shards: int = 1,
    ) -> None:
        self.redis_url, self.database_url, self.names = redis_url, database_url, names
        self.api_keys: dict[str, str] = {}
        self._first = LoopedMailboxes.connect(
            redis_url, ack=ack, shards=shards, timeout_seconds=PATIENT_SECONDS
        )
        self.mailboxes = {name: self._first.of_account(name) for name in names}

    def settings(self, *, names: Sequence[str] | None = None, **given: object) -> list[WorkerSettings]:
        """Return a worker's settings for each account, or for those that are named; without account names for a deployment that has none."""
        named = self.names if names is None else names
        known = {
            "redis_url": self.redis_url,
            "database_url": self.database_url,
            "lease_seconds": 2,
            "stripe_accounts": ",".join(named),
            **given,
        }
        return [
            WorkerSettings.model_validate(
                {
                    **known,
                    "cogento_account": name if named else None,
                    "database_schema": SCHEMAS[name],
                    "stripe_api_key": self.api_keys.get(name),
                }
            )
            for name in named or ("default",)
        ]

    def environment(self) -> dict[str, str]:
        """Return the same settings as environment variables."""
        return {"STRIPE_ACCOUNTS": ",".join(self.names)}

    def put(
        self, account: str, customer_id: str = "cus_1", *, email: str | None = None, **fields: Any
    ) -> str:
        """Put one customer's event into an account's mailboxes."""
        named = builders.customer(customer_id, email=email or f"{customer_id}@{account}.example")
        id_ = f"evt_{account}_{customer_id}"
        return self._put(account, builders.event_body("customer.created", named, **{"id_": id_, **fields}))

    def put_malformed(self, account: str) -> str:
        """Put an event that no worker can apply."""
        odd = builders.customer("cus_1", phone=["no string"])
        return self._put(account, builders.event_body("customer.created", odd))

    def _put(self, account: str, body: bytes) -> str:
        envelope = parse_envelope(body, now=int(time.time()))
        self.mailboxes[account].put([envelope])
        return envelope.event_id

    def rows(self, account: str, query: str) -> list[tuple[Any, ...]]:
        """Read an account's tables."""
        schema = SCHEMAS[account]
        path = f"{schema},{internal_schema(schema)}"
        with psycopg.connect(self.database_url, options=f"-csearch_path={path}") as connection:
            return connection.execute(query.encode()).fetchall()

    def emails(self, account: str) -> set[str]:
        return {email for (email,) in self.rows(account, "SELECT email FROM users")}

    def are_done(self, *accounts: str) -> bool:
        """Whether nothing waits."""
        return all(self.mailboxes[name].status().waiting == 0 for name in accounts or self.names)

    def close(self) -> None:
        self._first.close()
