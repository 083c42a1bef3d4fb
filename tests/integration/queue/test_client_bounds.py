"""A client has as many connections as there are callers at a time, and no more than it may."""

from __future__ import annotations

import asyncio

import redis

from cogento import runtime
from cogento.queue.redis_server import RedisServer

CALLERS = 40


def test_those_who_come_when_all_connections_are_at_work_wait_for_one(redis_url: str) -> None:
    async def ask_at_once() -> int:
        client = RedisServer.connect(redis_url, timeout_seconds=5, max_connections=3)
        answers = await asyncio.gather(*(client.ask("INCR", "callers") for _ in range(CALLERS)))
        with redis.Redis.from_url(redis_url) as observer:
            others = {one["id"] for one in observer.client_list() if one["cmd"] == "incr"}
        await client.close()
        assert sorted(answers) == list(range(1, CALLERS + 1))
        return len(others)

    assert runtime.run(ask_at_once()) == 3


def test_whoever_gives_up_waiting_holds_no_place(redis_url: str) -> None:
    async def give_up_and_ask() -> object:
        client = RedisServer.connect(redis_url, timeout_seconds=5, max_connections=1)
        async with client.connection():
            waiting = [asyncio.create_task(client.ask("PING")) for _ in range(5)]
            await asyncio.sleep(0)
            for one in waiting:
                one.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)
        answer = await client.ask("ECHO", "here")
        await client.close()
        return answer

    assert runtime.run(give_up_and_ask()) == b"here"
