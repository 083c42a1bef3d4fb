"""Running scripts on the servers that have their shards, also when these move. Knows no server, and nothing of durability."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from cogento.queue.errors import MailboxUnavailable, ShardMoved

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from cogento.queue.redis_client import RedisClient
    from cogento.queue.redis_commands import Call, Reply
    from cogento.queue.redis_server import RedisServer

    Attempt = Callable[[RedisServer, Sequence[Call]], Awaitable[Sequence[Reply]]]

MAX_MOVES = 3
"""How often a call follows its shard, which may move again meanwhile."""


async def run_where_placed(client: RedisClient, calls: Sequence[Call], attempt: Attempt) -> list[Reply]:
    """Run scripts by `attempt`, once for each server that has some of their shards, and return the replies in this order.

    A call that was not run because its shard has moved is run again where the shard is now. When one server fails, others may
    have run their calls all the same; the failure is raised once all have answered.
    """
    replies: list[Reply] = [None] * len(calls)
    left: Sequence[int] = range(len(calls))
    for _ in range(MAX_MOVES):
        placed = await client.place({calls[i].tag for i in left})
        await _run_placed(placed, [(i, calls[i]) for i in left], attempt, replies)
        left = [i for i in left if isinstance(replies[i], ShardMoved)]
        if not left:
            return replies
        await client.follow([replies[i] for i in left])
    raise MailboxUnavailable("Redis: a shard moved from master to master")


async def _run_placed(
    placed: Mapping[RedisServer, Sequence[str]],
    numbered: Sequence[tuple[int, Call]],
    attempt: Attempt,
    replies: list[Reply],
) -> None:
    """Run numbered calls and note their replies in these places."""

    async def run(server: RedisServer, mine: Sequence[tuple[int, Call]]) -> None:
        for (i, _), reply in zip(mine, await attempt(server, [call for _, call in mine]), strict=True):
            replies[i] = reply

    if len(placed) == 1:
        (server,) = placed
        await run(server, numbered)
        return
    runs = [run(server, [one for one in numbered if one[1].tag in tags]) for server, tags in placed.items()]
    for failure in await asyncio.gather(*runs, return_exceptions=True):
        if failure is not None:
            raise failure
