"""A console behind passwords, with sessions and counted tries in a real Redis."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from redis import Redis

from cogento.console.passwords import PasswordHash
from cogento.console.web.login import Role
from tests.support.console_login import Browser, cheap_passwords, console_with_login
from tests.support.fake_console import FakeDeadLetters, kept

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def passwords() -> dict[Role, PasswordHash]:
    return cheap_passwords()


@pytest.fixture
def redis(redis_url: str) -> Iterator[Redis]:
    with Redis.from_url(redis_url) as client:
        yield client


@pytest.fixture
def dead_letters() -> FakeDeadLetters:
    """One letter."""
    return FakeDeadLetters([kept()])


@pytest.fixture
def browser(passwords: dict[Role, PasswordHash], redis: Redis, dead_letters: FakeDeadLetters) -> Browser:
    """A new browser at the same console."""
    return console_with_login(redis, passwords, dead_letters=dead_letters).test_client
