from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cogento.reconcile import refetch
from tests.support.policies import change
from tests.support.post import Post
from tests.support.simulated_stripe import SimulatedStripe, open_reconciliation

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.looped import LoopedReconciliation


@pytest.fixture
def post(redis_url: str, database_url: str) -> Iterator[Post]:
    """Mailboxes and tables, both empty."""
    office = Post.open(redis_url, database_url)
    yield office
    office.close()


@pytest.fixture
def stripe() -> Iterator[SimulatedStripe]:
    """An account without anybody."""
    simulated = SimulatedStripe()
    yield simulated
    simulated.close()


@pytest.fixture
def asking(stripe: SimulatedStripe, post: Post, redis_url: str) -> Iterator[LoopedReconciliation]:
    """A process that asks it."""
    process = open_reconciliation(stripe, post, redis_url)
    yield process
    process.close()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask at once, and again at once: the tests' events are long ago."""
    change(monkeypatch, refetch, "REFETCH", quiet_seconds=0, pause_seconds=0)
