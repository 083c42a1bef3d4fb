"""A console behind passwords, with sessions and counted attempts in a real Redis."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from redis import Redis

from cogento.console.passwords import PasswordHash
from cogento.console.web.login import ConsoleRole
from tests.support.console_login import Browser, cheap_passwords, console_with_login
from tests.support.fake_console import FakeDeadLetters, kept

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flask import Flask

    from cogento.local.valkey import Valkey
    from tests.support.servers import RunningServer


@pytest.fixture(scope="session")
def passwords() -> dict[ConsoleRole, PasswordHash]:
    return cheap_passwords()


@pytest.fixture
def redis(redis_url: str) -> Iterator[Redis]:
    with Redis.from_url(redis_url) as client:
        yield client


@pytest.fixture(scope="session")
def console_letters() -> FakeDeadLetters:
    """What the console shows; `dead_letters` fills it for each test."""
    return FakeDeadLetters()


@pytest.fixture
def dead_letters(console_letters: FakeDeadLetters) -> FakeDeadLetters:
    """One letter, to which nothing was done."""
    console_letters.letters, console_letters.done = [kept()], []
    console_letters.operations.operations = []
    return console_letters


@pytest.fixture(scope="session")
def console(
    valkey_server: RunningServer[Valkey],
    passwords: dict[ConsoleRole, PasswordHash],
    console_letters: FakeDeadLetters,
) -> Iterator[Flask]:
    """One console for all tests: its state is in Redis, which each test finds empty."""
    with Redis.from_url(valkey_server.url) as client:
        yield console_with_login(client, passwords, dead_letters=console_letters)


@pytest.fixture
def browser(request: pytest.FixtureRequest, console: Flask) -> Browser:
    """A new browser at the same console, where nothing has happened yet."""
    request.getfixturevalue("redis")
    request.getfixturevalue("dead_letters")
    return console.test_client
