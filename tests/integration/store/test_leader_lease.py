"""Work that one process at a time may do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from cogento.store.store import Store

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterator

    from cogento.store.leader_locks import LeaderLease


@pytest.fixture
def sweeping(loop: asyncio.Runner, another_store: Store) -> Iterator[LeaderLease]:
    """The sweep's turn, taken by another worker."""
    turn = loop.run(another_store.try_leader_lease("sweep"))
    assert turn is not None
    yield turn
    loop.run(turn.end())


async def test_f58_of_two_processes_one_gets_the_turn(store: Store, sweeping: LeaderLease) -> None:
    assert await store.try_leader_lease("sweep") is None


async def test_another_work_is_another_turn(store: Store, sweeping: LeaderLease) -> None:
    turn = await store.try_leader_lease("verify")
    assert turn is not None
    await turn.end()


async def test_a_turn_that_ended_is_free(store: Store) -> None:
    first = await store.try_leader_lease("sweep")
    assert first is not None
    await first.end()
    second = await store.try_leader_lease("sweep")
    assert second is not None
    await second.end()


async def test_a_turn_refused_gives_its_connection_back(store: Store, sweeping: LeaderLease) -> None:
    refused = [await store.try_leader_lease("sweep") for _ in range(5)]
    assert refused == [None] * 5
    await store.ping_write()


async def test_f58_the_turn_of_a_process_that_died_is_free(
    store: Store, another_store: Store, sql: Any
) -> None:
    await store.try_leader_lease("sweep")
    await sql.execute(
        "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE application_name = 'test' AND datname = current_database()"
    )
    turn = await another_store.try_leader_lease("sweep")
    assert turn is not None
    await turn.end()
