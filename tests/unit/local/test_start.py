from __future__ import annotations

import socket
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from local import start
from local.errors import InUseError

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def _nothing_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DATABASE_URL", raising=False)
    monkeypatch.delenv("STRIPE_API_KEY", raising=False)


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        yield taken.getsockname()[1]


def wishes(*, simulate: bool | None = None) -> start.Wishes:
    return start.Wishes(
        port=None, data=Path(".data"), simulate=simulate, rate=5, customers=200, payloads="snapshot", seed=1
    )


def test_a_simulated_stripe_comes_along(said: list[str]) -> None:
    assert start.plan_simulation(wishes(), said.append)


def test_without_a_simulated_stripe_when_that_is_asked_for(said: list[str]) -> None:
    assert start.plan_simulation(wishes(simulate=False), said.append) is None


@pytest.mark.parametrize("name", ["DATABASE_URL", "STRIPE_API_KEY"])
def test_made_up_customers_stay_out_of_what_may_be_real(
    said: list[str], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, "real")

    assert start.plan_simulation(wishes(), said.append) is None
    assert name in said[0]


def test_made_up_customers_go_anywhere_when_asked_for(
    said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", "real")

    assert start.plan_simulation(wishes(simulate=True), said.append)
    assert said == []


def test_a_port_that_was_asked_for_is_taken_or_refused(taken_port: int, said: list[str]) -> None:
    with pytest.raises(InUseError, match=f"port {taken_port}"):
        start.choose_receiver_port(taken_port, said.append)


def test_a_usual_port_that_is_taken_is_replaced_and_that_is_said(
    taken_port: int, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(start, "RECEIVER_PORT", taken_port)

    chosen = start.choose_receiver_port(None, said.append)

    assert chosen != taken_port
    assert said == [f"Port {taken_port} is taken; the receiver listens on {chosen}."]
