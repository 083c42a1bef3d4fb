"""Shards that change while everything else goes on, on fakeredis: everywhere, without a server."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cogento.queue import shard_move
from tests.support.fake_redis import FakeRedis
from tests.support.shard_machine import shard_machine_on

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module", autouse=True)
def _without_rests() -> Iterator[None]:
    """Nobody else needs Redis here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shard_move, "REST", 0)
        patch.setattr(shard_move, "LEAST_REST_SECONDS", 0)
        patch.setattr(shard_move, "PASS_SECONDS", 0)
        yield


TestShardMachine = shard_machine_on(FakeRedis(), examples=20, steps=30)
