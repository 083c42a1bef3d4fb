"""Beginning, ending and listing pauses of one customer or of all, over all shards; what a pause says is in pauses.py.

Knows Redis through redis_client.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cogento.events.names import CustomerId
from cogento.queue import keys, replies
from cogento.queue.errors import MailboxUnavailable
from cogento.queue.layout import HOME, MAX_CHANGES
from cogento.queue.pauses import format_reason, read_pause
from cogento.queue.redis_commands import Call
from cogento.queue.status import Paused

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cogento.queue.clock import RedisClock
    from cogento.queue.layout import Layout, Layouts
    from cogento.queue.pauses import Pause
    from cogento.queue.redis_client import RedisClient
    from cogento.queue.redis_commands import Argument

PAUSES_AT_ONCE = 1000
EVERYTHING = ""
"""What scripts are given instead of a customer when they are to be about all."""


class PauseCommands:
    """The pauses of one account's mailboxes.

    Everything raises MailboxUnavailable when Redis refuses or does not answer in time; asking again is then safe.
    """

    def __init__(self, server: RedisClient, clock: RedisClock, layouts: Layouts) -> None:
        self._server = server
        self._clock = clock
        self._layouts = layouts

    async def pause(self, customer_id: CustomerId | None, *, who: str, why: str) -> bool:
        """Pause one customer, or all, until resumed; False if a pause was there already, which stays as it was."""
        return await self._change("pause", customer_id, format_reason(who=who, why=why))

    async def resume(self, customer_id: CustomerId | None) -> bool:
        """End a pause; False if there was none."""
        return await self._change("resume", customer_id)

    async def paused(self) -> Paused:
        """Return what is paused; read in parts, for there may be very many, and Redis does nothing else while it lists them."""
        customers: set[bytes] = set()
        for tag in (await self._layouts.refresh()).tags:
            cursor = None
            while cursor != 0:
                scan = ("HSCAN", keys.pauses_key(tag), cursor or 0, "COUNT", PAUSES_AT_ONCE)
                cursor, part = await self._server.ask(*scan)
                customers.update(part)
        return Paused(
            await self.of_everything(), tuple(sorted(CustomerId(id_.decode()) for id_ in customers))
        )

    async def of_everything(self) -> Pause | None:
        """Return who paused everything, since when and why; None when nobody did."""
        tags = (await self._layouts.refresh()).tags
        values = [await self._server.ask("GET", keys.halted_key(tag)) for tag in tags]
        return next((pause for value in values if (pause := read_pause(value))), None)

    async def _change(self, script: str, customer_id: CustomerId | None, *terms: Argument) -> bool:
        """Begin or end a pause in the shards where it belongs, and again where the shards have changed meanwhile."""
        await self._layouts.refresh()
        for _ in range(MAX_CHANGES):
            layout = await self._layouts.for_writing()
            answers = await self._change_in(layout, script, customer_id, terms)
            if answers is not None:
                return 1 in answers
        raise MailboxUnavailable("Redis: the shards change too often")

    async def _change_in(
        self, layout: Layout, script: str, customer_id: CustomerId | None, terms: Sequence[Argument]
    ) -> list[int] | None:
        """Return the answers of the shards that were asked; None when one says that the shards have changed."""
        answers: list[int] = []
        for tag in layout.tags if customer_id is None else layout.homes(customer_id):
            takes_in = HOME if customer_id is None else layout.takes_in(tag, customer_id)
            head = (await self._clock.now_ms(), customer_id or EVERYTHING, layout.text, takes_in)
            (reply,) = await self._server.run(Call(script, tag, (*head, *terms)))
            if self._layouts.learn_from(reply):
                return None
            answers.append(reply)
            if customer_id is not None and reply != replies.NOT_HELD_HERE:
                break
        return answers
