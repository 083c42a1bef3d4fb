"""The power cut is tested itself: it takes what was not synced, and nothing else."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest
import redis

from tests.support import servers
from tests.support.power import cut_power, start_watched_valkey

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MANY = 500


@pytest.fixture
def home() -> Iterator[Path]:
    """A folder that the server's account may enter."""
    home = servers.make_home()
    yield home
    shutil.rmtree(home)


def keys_after_a_power_cut(home: Path, *, appendfsync: str) -> int:
    server = start_watched_valkey(home, settings={"appendfsync": appendfsync})
    with redis.Redis.from_url(server.url) as client:
        client.set("before", 1)
        client.mset({f"key-{n}": n for n in range(MANY)})
        cut_power(server)
        server.start()
        found = client.dbsize()
    server.stop()
    return int(found)


def test_what_was_synced_survives_a_power_cut(home: Path) -> None:
    assert keys_after_a_power_cut(home, appendfsync="always") == MANY + 1


def test_what_was_never_synced_is_gone_after_a_power_cut(home: Path) -> None:
    assert keys_after_a_power_cut(home, appendfsync="no") == 0
