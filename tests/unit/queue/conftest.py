"""Mailboxes on fakeredis, which runs the real Lua; the keys are checked after every test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.fake_redis import FakeRedis
from tests.support.looped import LoopedMailboxes
from tests.support.mailbox_builders import ManualClock
from tests.support.mailbox_invariants import broken_invariants

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def client() -> Iterator[FakeRedis]:
    client = FakeRedis()
    yield client
    assert broken_invariants(client) == []


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def mailboxes(client: FakeRedis, clock: ManualClock) -> LoopedMailboxes:
    return LoopedMailboxes.on(client, clock=clock)
