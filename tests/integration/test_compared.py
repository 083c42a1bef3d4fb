"""The harness of docs/compared.md with real processes: what it measures for this project, and that it finds a wrong row.

The engines need npm, so that `python -m bench.compared --quick` alone shows theirs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest

from bench.compared import life, speed
from bench.compared.databases import databases
from bench.compared.results import OURS
from bench.stream import bodies

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.compared.databases import Databases

THERE = 20
"""Customers, and as many subscriptions, that nobody at Stripe knows."""


@pytest.fixture(scope="module")
def made() -> Iterator[Databases]:
    with databases(existing=THERE) as made:
        yield made


def test_a_stream_is_applied_to_tables_that_were_filled_before(made: Databases) -> None:
    run = speed.one_run(made, OURS, list(bodies(100, customers=20)))

    assert run["wrong_rows"] == 0
    assert run["accepted_per_s"] > 0
    assert set(run["mb"]) == {"receiver", "worker", "Valkey", "console (optional)"}
    assert min(run["mb"].values()) > 1


def test_each_run_has_a_database_of_its_own(made: Databases) -> None:
    with made.one_for(OURS) as one, made.one_for(OURS) as other:
        with psycopg.connect(one, autocommit=True) as connection:
            connection.execute("DELETE FROM subscriptions")
        counts = [number_of_subscriptions(url) for url in (one, other)]

    assert counts == [0, THERE]


def test_rows_that_are_missing_or_show_another_change_are_counted(made: Databases) -> None:
    with made.one_for(OURS) as url:
        wanted = {"cus_old1": "1", "cus_old2": "other", "cus_nobody": "1"}
        assert speed.outdated(OURS, url, wanted) == 2


def test_after_a_short_life_only_rows_that_were_there_before_are_wrong(made: Databases) -> None:
    lived = life.lived(made, OURS, life.Life(events=60, seed=3), asks=False)

    assert (lived["wrong"], lived["never_accepted"], lived["requests"]) == (2 * THERE, 0, 0)
    assert all("cus_old" in one and "row 'one' instead of 'none'" in one for one in lived["examples"])
    assert lived["events"] >= 60
    assert lived["rows"] > 0


def number_of_subscriptions(database_url: str) -> int:
    """Count them."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        row = connection.execute("SELECT count(*) FROM subscriptions").fetchone()
    assert row
    return int(row[0])
