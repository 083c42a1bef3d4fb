"""`cogento sweep` beside a simulated Stripe."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from cogento import runtime
from cogento.local.stripe.errors import Fault, FaultKind
from cogento.settings import EX_CONFIG
from tests.support.simulated_stripe import SimulatedStripe
from tests.support.stripe_asking import KEY
from tests.support.stripe_histories import lived

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cogento.store.store import Store
    from tests.integration.console.conftest import Run


@pytest.fixture
def stripe(monkeypatch: pytest.MonkeyPatch) -> Iterator[SimulatedStripe]:
    """An account with a life behind it, that this process's settings name."""
    simulated = SimulatedStripe(lived(steps=60, population=10))
    monkeypatch.setenv("STRIPE_API_KEY", KEY)
    monkeypatch.setenv("STRIPE_API_BASE", simulated.url)
    yield simulated
    simulated.close()


def test_sweep_tells_what_it_found(run: Run, stripe: SimulatedStripe) -> None:
    found = run("sweep")

    assert found.exit_code == 0
    assert f"missing  {len(stripe.account.events)} events, now queued" in found.output


def test_sweep_tells_programs_what_it_found(run: Run, stripe: SimulatedStripe) -> None:
    swept = json.loads(run("sweep", "--json").stdout)

    assert (swept["missing"], swept["at"]) == (len(stripe.account.events), stripe.now)


def test_f58_a_second_sweep_ends_as_done(run: Run, stripe: SimulatedStripe, store: Store) -> None:
    turn = runtime.run(store.try_leader_lease("sweep"))
    assert turn is not None

    second = run("sweep")
    runtime.run(turn.end())

    assert (second.exit_code, second.output) == (0, "Another sweep is under way.\n")
    assert stripe.requests == 0


def test_sweep_without_a_key_says_what_to_set(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STRIPE_API_KEY", raising=False)

    refused = run("sweep")

    assert refused.exit_code == EX_CONFIG
    assert "set STRIPE_API_KEY" in refused.output


def test_sweep_with_a_refused_key_says_so(run: Run, stripe: SimulatedStripe) -> None:
    stripe.trouble(Fault(kind=FaultKind.UNAUTHORIZED))

    refused = run("sweep")

    assert refused.exit_code == EX_CONFIG
    assert "Stripe refuses STRIPE_API_KEY" in refused.output


def test_sweep_while_stripe_is_in_trouble_says_to_come_back(
    run: Run, stripe: SimulatedStripe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cogento.stripe.requests.next_delay", lambda *_, **__: 0)
    stripe.trouble(Fault(kind=FaultKind.SERVER_ERROR))

    failed = run("sweep")

    assert failed.exit_code == 1
    assert "Stripe answered 500. Try again later" in failed.output
