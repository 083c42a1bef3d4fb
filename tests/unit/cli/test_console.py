from __future__ import annotations

import pytest
from argon2 import PasswordHasher
from argon2.profiles import CHEAPEST
from click.testing import CliRunner

from cogento.cli.main import main
from cogento.console.passwords import hash_password
from cogento.console.web.access import LocalAccess
from cogento.console.web.login import Role
from cogento.console.web.server import Exposure
from cogento.settings import EX_CONFIG


@pytest.fixture(autouse=True)
def configured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1/0")
    monkeypatch.setenv("DATABASE_URL", "postgresql://127.0.0.1:1/cogento")
    monkeypatch.delenv("CONSOLE_PASSWORD_HASH", raising=False)
    monkeypatch.delenv("CONSOLE_READ_ONLY_PASSWORD_HASH", raising=False)


def test_console_without_a_password_does_not_start() -> None:
    refused = CliRunner().invoke(main, ["console"])
    assert refused.exit_code == EX_CONFIG
    assert refused.stderr.splitlines() == [
        "cogento: CONSOLE_PASSWORD_HASH is not set: `cogento password` makes one, or give --local"
    ]


def test_console_with_a_password_in_clear_does_not_start_and_does_not_show_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CONSOLE_PASSWORD_HASH", "my secret password")
    refused = CliRunner().invoke(main, ["console"])
    assert refused.exit_code == EX_CONFIG
    assert "my secret password" not in refused.output


def test_viewers_must_not_have_the_operators_password(monkeypatch: pytest.MonkeyPatch) -> None:
    made = str(hash_password("correct horse battery"))
    monkeypatch.setenv("CONSOLE_PASSWORD_HASH", made)
    monkeypatch.setenv("CONSOLE_READ_ONLY_PASSWORD_HASH", made)
    refused = CliRunner().invoke(main, ["console"])
    assert refused.exit_code == EX_CONFIG
    assert "CONSOLE_READ_ONLY_PASSWORD_HASH is CONSOLE_PASSWORD_HASH" in refused.stderr


def test_console_without_a_password_listens_to_this_machine_alone() -> None:
    assert Exposure(port=8001, access=LocalAccess()).address == "127.0.0.1:8001"


def test_console_behind_a_password_listens_to_everyone() -> None:
    password = hash_password("correct horse battery", hasher=PasswordHasher.from_parameters(CHEAPEST))
    assert Exposure(port=8001, access={Role.OPERATOR: password}).address == "0.0.0.0:8001"


def test_password_is_asked_for_and_printed_as_the_line_to_set() -> None:
    typed = "correct horse battery\n" * 2
    made = CliRunner().invoke(main, ["password"], input=typed)
    assert made.stdout.startswith("CONSOLE_PASSWORD_HASH=argon2id:v=19:")
    assert "correct horse" not in made.output


def test_short_password_is_refused() -> None:
    refused = CliRunner().invoke(main, ["password"], input="short\n" * 2)
    assert refused.exit_code == 2
    assert "15 characters" in refused.stderr
