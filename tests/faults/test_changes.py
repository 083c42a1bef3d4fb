"""A reader who replays the changes has the tables' last state, however the workers that wrote it died."""

from __future__ import annotations

import signal
import threading
from typing import TYPE_CHECKING, Any, Self

import psycopg
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.support.databases import Administration
    from tests.support.running_worker import RunningWorker
    from tests.support.worker_trial import WorkerTrial

ROWS = "SELECT user_id, stripe_customer_id, email, name, metadata FROM users"


@pytest.fixture
def database_url(administration: Administration, announcing_template: str) -> Iterator[str]:
    """The URL of a fresh database that keeps changes."""
    yield from administration.lend(template=announcing_template)


class Replica:
    """A copy of the customers that follows the changes alone: each customer is read again when a change names it."""

    def __init__(self, database_url: str) -> None:
        self.rows: dict[Any, tuple[Any, ...]] = {}
        self._database_url = database_url
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._follow)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join()

    def _follow(self) -> None:
        with psycopg.connect(self._database_url, autocommit=True) as connection:
            (seen,) = connection.execute("SELECT newest_change()").fetchone() or (0,)
            is_last = False
            while not is_last:
                is_last = self._is_over.is_set()
                query = "SELECT change_id, user_id FROM changes_after(%s, 3)"
                while changes := connection.execute(query, [seen]).fetchall():
                    seen = changes[-1][0]
                    whose = [user_id for _, user_id in changes]
                    found = connection.execute(f"{ROWS} WHERE user_id = ANY(%s)", [whose])
                    self.rows |= {row[0]: row for row in found}


def test_f65_a_replay_of_the_changes_misses_nothing_of_workers_that_were_killed(
    trial: WorkerTrial,
    start_worker: Callable[..., RunningWorker],
    start_worker_here: Callable[..., object],
    database_url: str,
) -> None:
    with Replica(database_url) as replica:
        instants = ("after_commit@2=kill", "before_commit@2=kill", "in_tx@1=kill")
        doomed = [start_worker(FAILPOINTS=instant, BATCH_EVENTS="4") for instant in instants]
        trial.put(customers=20, events=3)
        deaths = [worker.await_death() for worker in doomed]
        start_worker_here()
        trial.await_quiet()

    assert deaths == [-signal.SIGKILL] * 3
    assert trial.named() == trial.names
    with psycopg.connect(database_url) as connection:
        assert sorted(replica.rows.values()) == sorted(connection.execute(ROWS).fetchall())
    assert trial.problems() == ()
