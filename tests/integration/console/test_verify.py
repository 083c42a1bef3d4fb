"""`cogento verify` beside a simulated Stripe: what it prints, its exit code, and what `cogento explain` says afterwards."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import psycopg
import pytest

from cogento.local.stripe.errors import Fault, FaultKind
from cogento.reconcile import verify, verify_customer
from cogento.settings import EX_CONFIG
from tests.support.policies import change
from tests.support.simulated_stripe import SimulatedStripe
from tests.support.stripe_asking import KEY
from tests.support.stripe_histories import lived

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.integration.console.conftest import Run


@pytest.fixture
def stripe(run: Run, monkeypatch: pytest.MonkeyPatch) -> Iterator[SimulatedStripe]:
    """An account whose objects are all in the tables."""
    change(monkeypatch, verify, "VERIFY", settle_seconds=0.0)
    change(monkeypatch, verify_customer, "VERIFY", settle_seconds=0.0)
    simulated = SimulatedStripe(lived(steps=60, population=10))
    monkeypatch.setenv("STRIPE_API_KEY", KEY)
    monkeypatch.setenv("STRIPE_API_BASE", simulated.url)
    monkeypatch.setenv("STRIPE_REQUESTS_PER_SECOND", "1000")
    assert run("backfill").exit_code == 0
    simulated.now += 100
    yield simulated
    simulated.close()


@pytest.fixture
def planted(stripe: SimulatedStripe, database_url: str) -> str:
    """A customer whose row shows another name than Stripe's."""
    customer_id = next(one.id for one in stripe.account.customers.values() if not one.deleted)
    with psycopg.connect(database_url) as connection:
        connection.execute("UPDATE users SET name = 'Planted' WHERE stripe_customer_id = %s", [customer_id])
    return customer_id


def test_verify_of_equal_tables_ends_with_0(run: Run, stripe: SimulatedStripe) -> None:
    found = run("verify")

    listed = len(stripe.account.live_customers) + len(stripe.account.subscriptions)
    assert found.exit_code == 0
    assert f"compared   {listed} rows" in found.output


def test_somebody_who_was_forgotten_and_lives_in_stripe_comes_back_with_nothing(
    run: Run, stripe: SimulatedStripe, database_url: str
) -> None:
    with psycopg.connect(database_url) as connection:
        owner = (
            "SELECT stripe_customer_id FROM users JOIN subscriptions USING (user_id) WHERE status = 'active'"
        )
        owners = {id_ for (id_,) in connection.execute(owner)}
    person = next(id_ for id_ in stripe.account.live_customers if id_ in owners)
    assert run("forget", person, "--yes").exit_code == 0

    assert run("backfill", "--restart").exit_code == 0
    found = run("verify", "--repair")

    assert found.exit_code == 0, found.output
    with psycopg.connect(database_url) as connection:
        shown = "SELECT name, stripe_email, deleted_at IS NOT NULL FROM users WHERE stripe_customer_id = %s"
        row = connection.execute(shown, [person]).fetchone()
        of_them = (
            "SELECT DISTINCT s.metadata, s.unsure FROM subscriptions AS s JOIN users AS u USING (user_id)"
            " WHERE u.stripe_customer_id = %s"
        )
        subscriptions = connection.execute(of_them, [person]).fetchall()
    assert row == (None, None, True)
    assert subscriptions == [({}, False)]


def test_verify_ends_with_3_and_shows_what_differs_by_column(run: Run, planted: str) -> None:
    found = run("verify")

    assert found.exit_code == 3
    (line,) = (line for line in found.output.splitlines() if "Planted" in line)
    assert line.split()[:4] == ["users", "name", "1", planted]


def test_verify_tells_programs_what_differs(run: Run, planted: str) -> None:
    found = json.loads(run("verify", "--json").stdout)

    assert [(one["object_id"], one["column"], one["found"]) for one in found["drift"]] == [
        (planted, "name", "Planted")
    ]


def test_a_repair_ends_with_0_and_is_explained(run: Run, planted: str) -> None:
    repaired = run("verify", "--repair")
    again = run("verify")

    assert (repaired.exit_code, again.exit_code) == (0, 0)
    assert "repaired   1 row\n" in repaired.output
    assert (
        "`cogento verify --repair` wrote it, because the row differed from Stripe"
        in run("explain", planted).output
    )


def test_verify_that_could_not_tell_ends_with_4_and_a_mistyped_one_with_2(
    run: Run, stripe: SimulatedStripe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cogento.stripe.requests.next_delay", lambda *_, **__: 0)
    stripe.trouble(Fault(kind=FaultKind.SERVER_ERROR))

    assert run("verify").exit_code == 4
    assert run("verify", "--sample", "x").exit_code == 2


def test_verify_with_a_refused_key_ends_as_wrongly_configured(run: Run, stripe: SimulatedStripe) -> None:
    stripe.trouble(Fault(kind=FaultKind.UNAUTHORIZED))

    assert run("verify").exit_code == EX_CONFIG


def test_verify_of_a_customer_that_nobody_knows_ends_with_4(run: Run, stripe: SimulatedStripe) -> None:
    found = run("verify", "cus_none")
    assert (found.exit_code, stripe.requests > 0) == (4, True)
    assert found.output == "Stripe does not know cus_none, and no row is about it.\n"


@pytest.mark.parametrize("arguments", [("sub_1",), ("cus_1", "--sample", "3")])
def test_verify_wants_a_customer_or_a_sample(run: Run, arguments: tuple[str, ...]) -> None:
    assert run("verify", *arguments).exit_code == 2
