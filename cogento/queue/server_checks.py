"""Whether all servers that keep mailboxes guarantee what a 2xx promises: at a process's start, for its readiness, and for people.

A put checks for itself the one server that it goes to (durable_scripts.py).
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from cogento.queue import keys
from cogento.queue.checks import ServerFacts, weakest
from cogento.queue.errors import MailboxDenied, MailboxRefused, MailboxUnavailable, ShardMoved
from cogento.queue.redis_commands import Call

if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterable

    from cogento.queue.durable_scripts import DurableScripts
    from cogento.queue.layout import Layouts
    from cogento.queue.redis_client import RedisClient
    from cogento.queue.redis_server import RedisServer


class ServerChecks:
    """Asks each server over a connection to it; several are asked at once."""

    def __init__(self, client: RedisClient, scripts: DurableScripts, layouts: Layouts) -> None:
        self._client = client
        self._scripts = scripts
        self._layouts = layouts

    async def check(self) -> ServerFacts:
        """Ask what each server guarantees, and return the facts that stand for all of them.

        Raises MailboxRefused, which says what to do, if one gives too little, and MailboxUnavailable if one does not answer.
        """
        answers = await _gather(self._check_server(server) for server in await self._client.servers())
        failures = [one for one in answers if isinstance(one, Exception)]
        if failures:
            raise next((one for one in failures if isinstance(one, MailboxRefused)), failures[0])
        return weakest([one for one in answers if isinstance(one, ServerFacts)])

    async def check_at_start(self) -> ServerFacts:
        """Check the servers as a process starts, and that its user may run our commands on our keys.

        Raises MailboxRefused where it fails until somebody changes something, and MailboxUnavailable where it may pass.
        """
        try:
            facts = await self.check()
            tags = (await self._layouts.refresh()).tags
            # A script, a write and Celery's keys: rights are given by command and by key.
            await self._client.run(*(Call("status", tag, (0,)) for tag in tags))
            for tag in tags:
                await self._client.ask("DEL", keys.probe_key(tag))
            await self._client.ask("EXISTS", keys.wakeups_key())
        except (MailboxDenied, ShardMoved) as denied:
            raise MailboxRefused(str(denied)) from denied
        return facts

    async def ping_write(self) -> ServerFacts:
        """Write something, and return what the servers give: one that is full or read-only still answers a PING.

        Raises MailboxUnavailable also where the ack level is not given, or events may be evicted; this is asked each time, as
        for a put. Of several servers it is enough that one takes events; puts to the others are refused one by one.
        """
        placed = await self._client.place((await self._layouts.get()).tags)
        answers = await _gather(self._probe(server, tags) for server, tags in placed.items())
        facts = [one for one in answers if isinstance(one, ServerFacts)]
        if facts:
            return weakest(facts)
        failure = next(one for one in answers if isinstance(one, Exception))
        if isinstance(failure, MailboxRefused):
            raise MailboxUnavailable(str(failure)) from failure
        raise failure

    async def _probe(self, server: RedisServer, tags: Iterable[str]) -> ServerFacts:
        for tag in tags:
            await server.ask("SET", keys.probe_key(tag), 1, "EX", 10)
        return await self._check_server(server)

    async def _check_server(self, server: RedisServer) -> ServerFacts:
        async with server.connection() as connection:
            try:
                return await self._scripts.check(connection)
            except MailboxRefused as refused:
                if not server.name:
                    raise
                raise MailboxRefused(f"{server.name}: {refused}") from refused


async def _gather(questions: Iterable[Awaitable[ServerFacts]]) -> list[ServerFacts | Exception]:
    """Return the answers, or in place of one the MailboxUnavailable or MailboxRefused that was raised."""
    answers: list[Any] = await asyncio.gather(*questions, return_exceptions=True)
    for one in answers:
        if isinstance(one, BaseException) and not isinstance(one, MailboxRefused | MailboxUnavailable):
            raise one
    return answers
