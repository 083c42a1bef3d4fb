"""A listener that reads nothing fills the server's queue of announcements: no event spends an attempt on it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from cogento.console.check import check_postgres
from cogento.console.findings import Grade
from cogento.events.outcomes import Outcome
from cogento.store.migrate import migrate
from tests.support import servers
from tests.support.announcing import kept_changes
from tests.support.store_deliveries import new_customer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from cogento.store.store import Store

PAGES = 64
FILL = f"SELECT pg_notify('somebody', repeat('x', 7900) || page) FROM generate_series(1, {PAGES - 4}) AS page"
MORE_THAN_FITS = 200


@pytest.fixture
def database_url(servers_home: Path) -> Iterator[str]:
    """A server with the smallest queue that there is, and changes that are announced."""
    home = servers_home / "small-queue"
    home.mkdir(exist_ok=True)
    server = servers.start_postgres(
        home, settings={**servers.QUICK_POSTGRES, "max_notify_queue_pages": str(PAGES)}
    )
    migrate(server.url, changes=True)
    yield server.url
    server.stop()


async def test_f66_a_queue_that_nobody_empties_stops_no_worker_and_no_change_is_missing(
    store: Store, sql: Any, tables: psycopg.Connection, database_url: str
) -> None:
    with psycopg.connect(database_url) as deaf:
        deaf.execute("LISTEN cogento_changes")
        deaf.commit()
        deaf.execute("SELECT 1")  # and stays in this transaction
        tables.execute(FILL)
        before = await sql.fetchval("SELECT pg_notification_queue_usage()")

        result = await store.apply(
            [new_customer(number, event=str(number)) for number in range(MORE_THAN_FITS)]
        )

        after = await sql.fetchval("SELECT pg_notification_queue_usage()")
    assert {one.outcome for one in result.results.values()} == {Outcome.APPLIED}
    assert len(await kept_changes(sql, "change_id")) == MORE_THAN_FITS
    assert 0.9 < before == after


def test_f66_a_queue_that_nobody_empties_is_told_of(tables: psycopg.Connection, database_url: str) -> None:
    with psycopg.connect(database_url) as deaf:
        deaf.execute("LISTEN cogento_changes")
        deaf.commit()
        deaf.execute("SELECT 1")
        tables.execute(FILL)
        told = [one for one in check_postgres(database_url) if one.subject == "changes"]
    assert [one.grade for one in told] == [Grade.WARNING]
    assert "queue of announcements is 9" in told[0].text
