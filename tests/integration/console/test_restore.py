"""A backup is restored and is hours old: what happened since comes back from Stripe, by the commands of docs/deploying.md."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import psycopg
import pytest

from cogento.local.binaries import postgres_binaries
from cogento.local.stripe.activity import AccountActivity
from cogento.reconcile import verify
from tests.support.policies import change
from tests.support.servers import chosen
from tests.support.simulated_stripe import SimulatedStripe
from tests.support.stripe_asking import KEY
from tests.support.stripe_histories import START, lived

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.integration.console.conftest import Run

LATER = START + 1000


@pytest.fixture
def stripe(run: Run, monkeypatch: pytest.MonkeyPatch) -> Iterator[SimulatedStripe]:
    """An account whose objects are all in the tables."""
    change(monkeypatch, verify, "VERIFY", settle_seconds=0.0)
    simulated = SimulatedStripe(lived(steps=60, population=10))
    monkeypatch.setenv("STRIPE_API_KEY", KEY)
    monkeypatch.setenv("STRIPE_API_BASE", simulated.url)
    monkeypatch.setenv("STRIPE_REQUESTS_PER_SECOND", "1000")
    assert run("backfill").exit_code == 0
    yield simulated
    simulated.close()


def run_program(name: str, *arguments: str) -> None:
    subprocess.run([postgres_binaries(chosen("TEST_POSTGRES_BIN")) / name, *arguments], check=True)


def users(database_url: str) -> dict[str, str]:
    with psycopg.connect(database_url) as connection:
        return dict(connection.execute("SELECT stripe_customer_id, user_id::text FROM users").fetchall())


def roles(database_url: str) -> list[tuple[str, str]]:
    with psycopg.connect(database_url) as connection:
        return connection.execute("SELECT user_id::text, role FROM user_roles").fetchall()


def test_what_a_backup_lacks_comes_back_from_stripe_and_what_only_we_have_is_in_it(
    run: Run, stripe: SimulatedStripe, database_url: str, empty_database_url: str, tmp_path: Path
) -> None:
    backup = str(tmp_path / "backup")
    assert run("roles", "grant", _somebody(database_url), "admin", "--reason", "drill").exit_code == 0
    saved_users, saved_roles = users(database_url), roles(database_url)
    run_program("pg_dump", "--format=custom", "--no-owner", f"--file={backup}", database_url)
    activity = AccountActivity(stripe.account, population=15)
    for step in range(60):
        activity.step(LATER + step // 15)
    stripe.now = LATER + 100

    run_program("pg_restore", "--no-owner", "--exit-on-error", f"--dbname={empty_database_url}", backup)
    os.environ["DATABASE_URL"] = empty_database_url
    assert run("migrate").exit_code == 0
    assert users(empty_database_url) == saved_users
    assert run("verify").exit_code == 3
    assert run("backfill", "--restart").exit_code == 0
    repaired = run("verify", "--repair")

    assert repaired.exit_code == 0, repaired.output
    assert run("verify").exit_code == 0
    now = users(empty_database_url)
    assert now.keys() > saved_users.keys()
    assert now.items() >= saved_users.items()
    assert roles(empty_database_url) == saved_roles


def _somebody(database_url: str) -> str:
    """The address of a customer who signs in with it."""
    with psycopg.connect(database_url) as connection:
        oldest = "SELECT min(email) FROM users WHERE email NOT LIKE '%@placeholder.invalid'"
        ((email,),) = connection.execute(oldest).fetchall()
    return str(email)
