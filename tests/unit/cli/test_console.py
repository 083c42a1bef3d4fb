from __future__ import annotations

import socket

import pytest
from argon2 import PasswordHasher
from argon2.profiles import CHEAPEST
from click.testing import CliRunner

from cogento.cli.main import main
from cogento.console.passwords import hash_password
from cogento.console.web.access import LocalAccess, ProxyAccess
from cogento.console.web.composition import Exposure
from cogento.console.web.login import ConsoleRole
from cogento.console.web.proxies import Proxies
from cogento.networks import read_addresses
from cogento.settings import EX_CONFIG, ConsoleSettings, load


@pytest.fixture(autouse=True)
def configured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1/0")
    monkeypatch.setenv("DATABASE_URL", "postgresql://127.0.0.1:1/cogento")
    monkeypatch.delenv("CONSOLE_PASSWORD_HASH", raising=False)
    monkeypatch.delenv("CONSOLE_READ_ONLY_PASSWORD_HASH", raising=False)


def test_b88_console_without_a_password_does_not_start() -> None:
    refused = CliRunner().invoke(main, ["console"])
    assert refused.exit_code == EX_CONFIG
    assert refused.stderr.splitlines() == [
        "cogento: CONSOLE_PASSWORD_HASH is not set: `cogento password` makes one, or give --local"
    ]


def test_b88_console_with_a_password_in_clear_does_not_start_and_does_not_show_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CONSOLE_PASSWORD_HASH", "my secret password")
    refused = CliRunner().invoke(main, ["console"])
    assert refused.exit_code == EX_CONFIG
    assert "my secret password" not in refused.output


def test_b88_viewers_must_not_have_the_operators_password(monkeypatch: pytest.MonkeyPatch) -> None:
    made = str(hash_password("correct horse battery"))
    monkeypatch.setenv("CONSOLE_PASSWORD_HASH", made)
    monkeypatch.setenv("CONSOLE_READ_ONLY_PASSWORD_HASH", made)
    refused = CliRunner().invoke(main, ["console"])
    assert refused.exit_code == EX_CONFIG
    assert "CONSOLE_READ_ONLY_PASSWORD_HASH is CONSOLE_PASSWORD_HASH" in refused.stderr


PROXY = {"CONSOLE_TRUSTED_HEADER": "X-Forwarded-User", "CONSOLE_TRUSTED_PROXY": "10.0.0.5"}
A_HASH = PasswordHasher.from_parameters(CHEAPEST).hash("correct horse battery")


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        pytest.param({"CONSOLE_TRUSTED_PROXY": ""}, "CONSOLE_TRUSTED_PROXY", id="no-proxy"),
        pytest.param({"CONSOLE_TRUSTED_HEADER": ""}, "CONSOLE_TRUSTED_HEADER", id="no-header"),
        pytest.param({"CONSOLE_TRUSTED_PROXY": "0.0.0.0/0"}, "single addresses", id="everybody"),
        pytest.param({"CONSOLE_TRUSTED_PROXY": "0.0.0.0"}, "single addresses", id="no-address"),
        pytest.param({"CONSOLE_TRUSTED_PROXY": "10.0.0.0/24"}, "single addresses", id="a-network"),
        pytest.param({"CONSOLE_TRUSTED_PROXY": "private"}, "single addresses", id="private"),
        pytest.param({"CONSOLE_TRUSTED_PROXY": "proxy"}, "single addresses", id="a-name"),
        pytest.param({"CONSOLE_TRUSTED_HEADER": "X_Forwarded_User"}, "only the proxy sets", id="underscores"),
        pytest.param({"CONSOLE_TRUSTED_HEADER": "X-Forwarded-For"}, "only the proxy sets", id="an-address"),
        pytest.param({"CONSOLE_TRUSTED_HEADER": "User-Agent"}, "only the proxy sets", id="a-browser-s"),
        pytest.param({"CONSOLE_TRUSTED_HEADER": "cookie"}, "only the proxy sets", id="a-cookie"),
        pytest.param({"CONSOLE_TRUSTED_HEADER": "X-User: ada"}, "only the proxy sets", id="no-header-name"),
        pytest.param({"CONSOLE_PASSWORD_HASH": A_HASH}, "one way in", id="a-password-besides"),
        pytest.param(
            {"CONSOLE_READ_ONLY_PASSWORD_HASH": A_HASH}, "one way in", id="a-viewers-password-besides"
        ),
    ],
)
def test_b88_trusted_header_that_cannot_be_safe_is_refused_at_start(
    monkeypatch: pytest.MonkeyPatch, given: dict[str, str], complaint: str
) -> None:
    for name, value in (PROXY | given).items():
        monkeypatch.setenv(name, value)
    refused = CliRunner().invoke(main, ["console"])
    assert refused.exit_code == EX_CONFIG
    assert len(refused.stderr.splitlines()) == 1
    assert complaint in refused.stderr
    assert A_HASH not in refused.output


def test_operators_are_named_only_beside_a_trusted_header(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONSOLE_PASSWORD_HASH", A_HASH)
    monkeypatch.setenv("CONSOLE_OPERATORS", "ada")
    refused = CliRunner().invoke(main, ["console"])
    assert refused.exit_code == EX_CONFIG
    assert "CONSOLE_OPERATORS" in refused.stderr


@pytest.mark.parametrize("given", [",", " ", " , "])
def test_operators_of_whom_none_is_named_are_refused_at_start(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], given: str
) -> None:
    for name, value in {**PROXY, "CONSOLE_OPERATORS": given}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit):
        load(ConsoleSettings)
    assert "CONSOLE_OPERATORS is not usable: it names nobody" in capsys.readouterr().err


@pytest.mark.parametrize("given", ["0.0.0.0/0", "heroku", "10.0.0.5/8"])
def test_b88_trusted_proxies_that_are_everybody_are_refused_at_start(
    monkeypatch: pytest.MonkeyPatch, given: str
) -> None:
    monkeypatch.setenv("CONSOLE_PASSWORD_HASH", A_HASH)
    monkeypatch.setenv("TRUSTED_PROXIES", given)
    refused = CliRunner().invoke(main, ["console"])
    assert refused.exit_code == EX_CONFIG
    assert refused.stderr.startswith("cogento: TRUSTED_PROXIES is not usable")


@pytest.mark.parametrize(("proxies", "host"), [("127.0.0.1", "127.0.0.1"), ("10.0.0.5,127.0.0.1", "::")])
def test_console_for_a_proxy_on_this_machine_listens_to_this_machine_alone(proxies: str, host: str) -> None:
    access = ProxyAccess("X-Forwarded-User", Proxies(read_addresses(proxies)))
    assert Exposure(port=8001, access=access).host == host


def test_console_without_a_password_listens_to_this_machine_alone() -> None:
    assert Exposure(port=8001, access=LocalAccess()).host == "127.0.0.1"


def test_console_behind_a_password_listens_to_everyone() -> None:
    password = hash_password("correct horse battery", hasher=PasswordHasher.from_parameters(CHEAPEST))
    assert Exposure(port=8001, access={ConsoleRole.OPERATOR: password}).host == "::"


def test_a_port_that_another_program_has_is_said_at_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        refused = CliRunner().invoke(main, ["console", "--local", "--port", str(port)])
    assert refused.exit_code == 1
    assert refused.stderr == (
        f"Error: cannot listen on port {port}: Address already in use. --port or PORT says another.\n"
    )


def test_password_is_asked_for_and_printed_as_the_line_to_set() -> None:
    typed = "correct horse battery\n" * 2
    made = CliRunner().invoke(main, ["password"], input=typed)
    assert made.stdout.startswith("CONSOLE_PASSWORD_HASH=argon2id:v=19:")
    assert "correct horse" not in made.output


def test_short_password_is_refused() -> None:
    refused = CliRunner().invoke(main, ["password"], input="short\n" * 2)
    assert refused.exit_code == 2
    assert "15 characters" in refused.stderr
