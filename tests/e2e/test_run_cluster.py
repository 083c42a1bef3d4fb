"""`cogento run --cluster`: mailboxes on a cluster, wake-ups behind Sentinel; rows keep arriving when masters of both are killed."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from typing import TYPE_CHECKING

import psycopg
import pytest

from cogento.local.services import ROOT
from tests.support import servers
from tests.support.local_run import COGENTO_RUN, NOTHING_GIVEN, LocalRun

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PATIENCE_SECONDS = 60


@pytest.fixture
def data() -> Iterator[Path]:
    home = servers.make_home()
    yield home / "data"
    shutil.rmtree(home)


def applied(run: LocalRun) -> int:
    with psycopg.connect(run.facts["database_url"]) as connection:
        (row,) = connection.execute("SELECT count(*) FROM cogento_internal.webhook_events").fetchall()
        return int(row[0])


def await_more(run: LocalRun, *, what: str) -> None:
    """Wait until more events have been applied than had been."""
    before = applied(run)
    servers.wait_until(lambda: applied(run) > before + 20, what=what, seconds=PATIENCE_SECONDS)


def errors_of(run: LocalRun) -> list[str]:
    logs = [run.data / "logs" / f"{name}.log" for name in ("receiver", "worker")]
    return [line for log in logs for line in log.read_text().splitlines() if '"level": "error"' in line]


def test_rows_go_on_arriving_when_a_master_of_the_mailboxes_and_that_of_the_wakeups_are_killed(
    data: Path,
) -> None:
    run = LocalRun(data, "--cluster", "--rate", "20").until_ready()
    try:
        assert run.facts["ack_durability"] == "redis_replicated"
        await_more(run, what="the first rows")
        os.kill(run.facts["pids"]["valkey-1"], signal.SIGKILL)
        await_more(run, what="rows without a master of the mailboxes")
        os.kill(run.facts["pids"]["broker"], signal.SIGKILL)
        await_more(run, what="rows without the master of the wake-ups")
        assert errors_of(run) == []
    finally:
        run.end()
    again = LocalRun(data, "--cluster").until_ready()
    try:
        await_more(again, what="rows of the next run, whose servers have other ports")
    finally:
        again.end()


def test_a_cluster_of_its_own_is_not_started_beside_a_redis_that_was_named(data: Path) -> None:
    ended = subprocess.run(
        [*COGENTO_RUN, "--cluster", "--data", str(data), "--no-simulate"],
        cwd=ROOT,
        env=os.environ | NOTHING_GIVEN | {"REDIS_URL": "redis://127.0.0.1:1/0"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 1
    assert "--cluster starts Valkeys of its own: unset REDIS_URL" in ended.stderr
