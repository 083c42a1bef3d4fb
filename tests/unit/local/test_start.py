from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cogento.local import start
from cogento.local.errors import InUseError, LocalError
from cogento.local.ports import Ports, free_port, is_free
from cogento.local.services import Program
from cogento.local.supervisor import Supervisor
from tests.support.local_system import SYSTEM

if TYPE_CHECKING:
    from collections.abc import Iterator


HOLDS_A_PORT = """
import sys
from cogento.local.ports import Ports
ports = Ports()
print(ports.reserve_any(), flush=True)
sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def _nothing_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DATABASE_URL", raising=False)
    monkeypatch.delenv("STRIPE_API_KEY", raising=False)


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def ports() -> Iterator[Ports]:
    with Ports() as held:
        yield held


@pytest.fixture
def other_ports() -> Iterator[Ports]:
    """Those of another run."""
    with Ports() as held:
        yield held


@pytest.fixture
def taken_port() -> Iterator[int]:
    """Somebody else listens on it."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        yield taken.getsockname()[1]


def options(*, simulate: bool | None = None, poll: int | None = None, accounts: int = 1) -> start.RunOptions:
    return start.RunOptions(
        port=None,
        data=Path(".data"),
        simulate=simulate,
        rate=5,
        customers=200,
        payloads="snapshot",
        seed=1,
        poll=poll,
        accounts=accounts,
    )


def test_a_simulated_stripe_comes_along(ports: Ports, said: list[str]) -> None:
    assert start.plan_simulation(options(), ports, said.append)


def test_without_a_simulated_stripe_when_that_is_asked_for(ports: Ports, said: list[str]) -> None:
    assert start.plan_simulation(options(simulate=False), ports, said.append) is None


@pytest.mark.parametrize("name", ["DATABASE_URL", "STRIPE_API_KEY"])
def test_made_up_customers_stay_out_of_what_may_be_real(
    ports: Ports, said: list[str], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, "real")

    assert start.plan_simulation(options(), ports, said.append) is None
    assert name in said[0]


def test_made_up_customers_go_anywhere_when_asked_for(
    ports: Ports, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", "real")

    assert start.plan_simulation(options(simulate=True), ports, said.append)
    assert said == []


@pytest.mark.parametrize(
    ("asked", "set_to", "polled"), [(None, None, 3), (None, "20", 20), (5, "20", 5), (0, "20", None)]
)
def test_a_real_account_is_polled_unless_that_is_not_wanted(
    monkeypatch: pytest.MonkeyPatch, asked: int | None, set_to: str | None, polled: int | None
) -> None:
    monkeypatch.setenv("STRIPE_API_KEY", "rk_test_1")
    monkeypatch.setenv("STRIPE_POLL_SECONDS", set_to or "")

    assert start.plan_polls(options(poll=asked), None, start.check_settings(None)) == polled


@pytest.mark.parametrize(("asked", "polled"), [(None, None), (2, 2)])
def test_the_simulated_stripe_is_polled_when_asked_for_and_never_as_often_as_a_real_one_was(
    monkeypatch: pytest.MonkeyPatch, ports: Ports, said: list[str], asked: int | None, polled: int | None
) -> None:
    monkeypatch.setenv("STRIPE_API_KEY", "rk_test_1")
    monkeypatch.setenv("STRIPE_POLL_SECONDS", "20")
    simulation = start.plan_simulation(options(simulate=True), ports, said.append)

    assert start.plan_polls(options(poll=asked), simulation, start.check_settings(simulation)) == polled


def test_polls_without_a_key_are_refused() -> None:
    with pytest.raises(LocalError, match="set STRIPE_API_KEY"):
        start.plan_polls(options(poll=3), None, start.check_settings(None))


def test_a_port_that_was_asked_for_is_taken_or_refused(
    ports: Ports, taken_port: int, said: list[str]
) -> None:
    with pytest.raises(InUseError, match=f"port {taken_port}"):
        start.choose_receiver_port(taken_port, ports, said.append)


def test_a_usual_port_that_is_taken_is_replaced_and_that_is_said(
    ports: Ports, taken_port: int, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(start, "RECEIVER_PORT", taken_port)

    chosen = start.choose_receiver_port(None, ports, said.append)

    assert chosen != taken_port
    assert said == [f"Port {taken_port} is taken; the receiver listens on {chosen}."]


def test_a12_two_runs_that_choose_in_the_same_moment_choose_different_ports(
    ports: Ports, other_ports: Ports, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(start, "RECEIVER_PORT", free_port())
    monkeypatch.setattr(start, "CONSOLE_PORT", free_port())

    chosen = [
        port
        for run in (ports, other_ports)
        for port in (
            start.choose_receiver_port(None, run, said.append),
            start.choose_console_port(run),
            run.reserve_any(),
        )
    ]

    assert len(set(chosen)) == len(chosen)
    assert all(map(is_free, chosen))


def test_a12_a_port_that_another_process_chose_is_not_chosen(ports: Ports) -> None:
    other = subprocess.Popen(
        [sys.executable, "-c", HOLDS_A_PORT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert other.stdout is not None
    port = int(other.stdout.readline())

    while_it_runs = ports.reserve(port)
    other.communicate()

    assert (while_it_runs, ports.reserve(port)) == (False, True)


def test_a12_a_port_that_was_asked_for_and_is_another_runs_is_refused(
    ports: Ports, other_ports: Ports, said: list[str]
) -> None:
    port = other_ports.reserve_any()
    with pytest.raises(InUseError, match=f"port {port}"):
        start.choose_receiver_port(port, ports, said.append)


def test_a12_the_ports_of_a_run_that_ended_are_free(ports: Ports) -> None:
    with Ports() as ended:
        port = ended.reserve_any()
    assert ports.reserve(port)


def test_a12_what_cannot_have_its_port_says_so_before_every_start(
    taken_port: int, said: list[str], tmp_path: Path
) -> None:
    program = Program(name="console", argv=("true",), log=tmp_path / "log", port=taken_port)
    supervisor = Supervisor(said.append)

    with pytest.raises(InUseError, match=f"port {taken_port} is taken by another program"):
        supervisor.start([program])
    supervisor.restart_ended()
    supervisor.stop()

    assert said == [f"console can't start: port {taken_port} is taken by another program"]


def test_several_accounts_are_refused_before_anything_is_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STRIPE_ACCOUNTS", "eu,us")
    with pytest.raises(LocalError, match=r"unset STRIPE_ACCOUNTS\. --accounts 3 simulates three"):
        start.check_settings(None)


@pytest.mark.parametrize("schema", ["stripe_shop2", "stripe_shop3_internal"])
def test_several_accounts_are_refused_one_schema_before_anything_is_started(schema: str) -> None:
    with pytest.raises(
        LocalError, match=rf"DATABASE_SCHEMA={schema} is where the tables of shop\d are: name another"
    ):
        start.refuse_shared_tables(3, schema)


@pytest.mark.parametrize(("accounts", "schema"), [(1, "stripe_shop2"), (2, "stripe_shop3"), (3, "public")])
def test_a_schema_that_no_other_account_of_the_run_has_is_taken(accounts: int, schema: str) -> None:
    start.refuse_shared_tables(accounts, schema)


def test_several_accounts_are_those_of_one_simulated_stripe(ports: Ports, said: list[str]) -> None:
    simulation = start.plan_simulation(options(accounts=3), ports, said.append)

    assert simulation
    assert simulation.accounts == ("default", "shop2", "shop3")


def test_several_accounts_without_a_simulated_stripe_are_refused(ports: Ports, said: list[str]) -> None:
    with pytest.raises(LocalError, match="leave out --no-simulate, or --accounts"):
        start.plan_simulation(options(simulate=False, accounts=2), ports, said.append)


@pytest.mark.parametrize("name", ["DATABASE_URL", "STRIPE_API_KEY"])
def test_several_made_up_accounts_go_into_what_may_be_real_only_when_asked_for(
    ports: Ports, said: list[str], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, "real")

    with pytest.raises(LocalError, match=f"{name} is set: unset it, or give --simulate as well"):
        start.plan_simulation(options(accounts=2), ports, said.append)
    assert start.plan_simulation(options(simulate=True, accounts=2), ports, said.append)


def test_account_that_commands_are_about_is_nothing_to_a_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COGENTO_ACCOUNT", "shop2")

    monkeypatch.setenv("STRIPE_API_KEY", "rk_test_1")

    assert start.check_settings(None).account == "default"
    assert start.plan_fill(None, SYSTEM.servers)
