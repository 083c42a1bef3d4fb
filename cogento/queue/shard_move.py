"""Moving mailboxes to other shards while events come and are processed, when a deployment wants another number of shards.

layout.py has the rules, and the four steps of each mailbox. One worker at a time does it, a slice after the other with a rest
after each, as in inspection.py; when it dies another continues. A change begins once every worker that is alive wants the same
number: so nothing changes yet while a deployment is under way, with workers of both settings.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass
from itertools import accumulate, chain
from typing import TYPE_CHECKING

import structlog

from cogento.events.names import CustomerId, EventId
from cogento.failpoints import failpoint
from cogento.queue import keys
from cogento.queue.enqueue import restoring_terms
from cogento.queue.mailbox_copies import BYTES_AT_ONCE, MailboxCopy, grouped, present
from cogento.queue.redis_commands import Call
from cogento.queue.replies import SECOND, read_number

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Sequence

    from cogento.queue.clock import RedisClock
    from cogento.queue.durable_scripts import DurableScripts
    from cogento.queue.layout import Layout, Layouts
    from cogento.queue.redis_client import RedisClient
    from cogento.queue.redis_commands import Argument, Reply
    from cogento.queue.worker_registry import WorkerRegistry

UNDER_WAY_MS = 10_000
RENEWAL_SECONDS = 1.0
"""After so long, whoever moves mailboxes says so again: one mailbox alone may take longer than UNDER_WAY_MS."""
KEYS_AT_ONCE = 1000
CUSTOMERS_AT_ONCE = 100
EVENTS_AT_ONCE = 500
MOST_LISTED = 100_000
"""How many entries of a shard's lists are read at one moment at most: Redis does nothing else then, for less than 0.1 s."""
REST = 1.0
"""The rest after each slice, as a multiple of its duration: others have at least half of Redis and of this process."""
LEAST_REST_SECONDS = 0.01
PASS_SECONDS = 0.5
"""The rest between two passes: a customer that a worker had is in line again by then, or soon."""
NEVER_MS = 253402300799000
"""When the lease of a customer that is being moved ends (lua/shard.lua)."""

log = structlog.get_logger()


class _OvertakenError(Exception):
    """Another process moves mailboxes by now, or may do so; or what the new layout was made from has changed."""


@dataclass(frozen=True, slots=True)
class ShardCount:
    """How many shards there are, `current` ones; while that changes, how many there were, and what has moved so far."""

    former: int
    current: int
    customers: int = 0
    events: int = 0

    @property
    def is_changing(self) -> bool:
        """Whether mailboxes are being moved."""
        return self.former != self.current


@dataclass(slots=True)
class _Pass:
    """How many customers one pass over all former shards found with another home, and how many of them it moved."""

    found: int = 0
    moved: int = 0


class ShardMove:
    """Changes the number of shards; everything raises MailboxUnavailable, and the next run continues."""

    def __init__(
        self,
        client: RedisClient,
        clock: RedisClock,
        layouts: Layouts,
        scripts: DurableScripts,
        workers: WorkerRegistry,
        *,
        wanted_count: int,
    ) -> None:
        self._client = client
        self._clock = clock
        self._layouts = layouts
        self._scripts = scripts
        self._workers = workers
        self._wanted_count = wanted_count
        self._token = secrets.token_hex(8)
        self._renewed: float | None = None  # when we last said that we move mailboxes; None where we do not

    async def run(self) -> bool:
        """Begin or continue a change; False where there is none, or another worker is at it.

        Ends the change where it can: a customer that a worker has meanwhile is moved by the next run.
        """
        before = await self._layouts.refresh()
        if not before.is_changing and not await self._is_wanted(before):
            await self._finish_former(before)
            return False
        moving = keys.moving_key(self._layouts.first_tag)
        if not await self._client.ask("SET", moving, self._token, "NX", "PX", UNDER_WAY_MS):
            return False
        self._renewed = time.monotonic()
        try:
            await self._change(before)
        except _OvertakenError:
            return False
        finally:
            self._renewed = None
            await self._may_move_for(0)
        return True

    async def count(self) -> ShardCount:
        """Return how many shards there are, and how far a change has come."""
        layout = await self._layouts.refresh()
        moved = await self._client.ask(
            "HMGET", keys.moved_key(self._layouts.first_tag), "customers", "events"
        )
        return ShardCount(layout.former.count, layout.current.count, *map(read_number, moved))

    async def _finish_former(self, layout: Layout) -> None:
        """Tell former shards that they are no longer in use, and end every move: Redis may have lost either fact."""
        with suppress(_OvertakenError):
            await self._durably(layout, "here", {tag: [[]] for tag in layout.counted_tags})
            await self._end_arrivals(layout)

    async def _is_wanted(self, layout: Layout) -> bool:
        """Tell whether all workers want our number of shards, and it differs from the present one."""
        if self._wanted_count == layout.current.count:
            return False
        seen = await self._workers.seen()
        return {worker.shards for worker in seen if worker.is_alive} == {self._wanted_count}

    async def _change(self, before: Layout) -> None:
        layout = before.begun_again() if before.is_changing else before.changed_to(self._wanted_count)
        await self._write(before, layout, await self._copy_halt(layout))
        if not before.is_changing:
            log.info("shards_change_begun", before=layout.former.count, after=layout.current.count)
            await self._client.ask("DEL", keys.moved_key(self._layouts.first_tag))
        failpoint("move_begun")
        # From here on no shard accepts a command that goes by an older layout.
        await self._durably(layout, "here", {tag: [[]] for tag in layout.tags})
        await self._copy_halt(layout)
        while (pass_ := await self._move_all(layout)).found:
            if not pass_.moved:
                return  # workers have the customers, or events come too fast: the next run tries again
            await self._rest(time.monotonic(), seconds=PASS_SECONDS)
        await self._client.ask("DEL", keys.moved_key(self._layouts.first_tag))
        await self._write(layout, layout.settled())
        log.info("shards_changed", before=layout.former.count, after=layout.current.count)

    async def _write(self, before: Layout, after: Layout, *halt: bytes) -> None:
        """Write the layout down, unless the first shard has another pause of everything by now than the one given.

        So the new shards have it before anybody uses them; where it has changed, or memory is full, the next run tries again.
        """
        terms: list[Argument] = [await self._clock.now_ms(), before.text, after.text, *halt]
        (text,) = await self._scripts.run(self._client, [Call("relayout", self._layouts.first_tag, terms)])
        if text is None or text != after.text.encode():
            raise _OvertakenError
        self._layouts.learn(text)

    async def _copy_halt(self, layout: Layout) -> bytes:
        """Copy the pause of everything, or its absence, to the new shards; again if it has changed meanwhile.

        Returns the first shard's, empty for none.
        """
        while True:
            first, halt = await self._halt(layout)
            for tag in layout.tags[layout.former.count :]:
                key = keys.halted_key(tag)
                await (self._client.ask("DEL", key) if halt is None else self._client.ask("SET", key, halt))
            if await self._halt(layout) == (first, halt):
                return first or b""

    async def _halt(self, layout: Layout) -> tuple[bytes | None, bytes | None]:
        """Return the pause of everything that the first shard has, and the one that any former shard has."""
        values = [await self._client.ask("GET", keys.halted_key(tag)) for tag in layout.former.tags]
        return values[0], next((value for value in values if value is not None), None)

    async def _move_all(self, layout: Layout) -> _Pass:
        """Move every customer that has another home and is not leased; where none is left, stored events without a mailbox.

        Scans find also those whom Redis has lost from its lists, and may miss one that is parked when the first looks for waiting
        events, and waits when the second looks for parked ones. The lists, read at one moment, have that one, and
        where they are too long for that the last scan finds its events, which stay where they are.
        """
        await self._end_arrivals(layout)
        pass_ = _Pass()
        for family in ("mail", "held"):
            async for tag, ids in self._through_keys(layout, family):
                await self._move_leaving(layout, tag, ids, pass_)
        for tag in layout.former.tags:
            for key in (keys.pauses_key(tag), keys.owners_key(tag)):
                async for ids in self._through_fields(key):
                    await self._move_leaving(layout, tag, ids, pass_)
        if not pass_.found:
            await self._move_listed(layout, pass_)
        if not pass_.found:
            await self._bring_home(layout, pass_)
        return pass_

    async def _move_listed(self, layout: Layout, pass_: _Pass) -> None:
        """Move every customer that the lists of its former shard have, unless they are too long to be read."""
        for tag in layout.former.tags:
            ((_, listed),) = await self._durably(layout, "remaining", {tag: [[MOST_LISTED]]})
            customers = dict.fromkeys(CustomerId(id_.decode()) for id_ in listed)
            leaving = [id_ for id_ in customers if layout.current.tag_of(id_) != tag]
            for first in range(0, len(leaving), CUSTOMERS_AT_ONCE):
                some = leaving[first : first + CUSTOMERS_AT_ONCE]
                (answers,) = await self._durably(layout, "here", {tag: [[*some]]})
                here = [id_ for id_, is_here in zip(some, answers, strict=True) if is_here]
                await self._move_leaving(layout, tag, here, pass_)

    async def _end_arrivals(self, layout: Layout) -> None:
        """Take step 4 for customers for whom an earlier process has taken step 3."""
        for tag in layout.current.tags:
            found = await self._client.ask("ZRANGEBYSCORE", keys.leases_key(tag), NEVER_MS, "+inf")
            arriving = [CustomerId(id_.decode()) for id_ in found]
            for customer_id in arriving:
                *formers, home = layout.homes(customer_id)
                if home != tag:
                    continue
                presences = await self._durably(
                    layout, "here", {former: [[customer_id]] for former in formers}
                )
                if not any(is_there for (is_there,) in presences):
                    await self._durably(layout, "arrived", {tag: [[customer_id]]})

    async def _move_leaving(self, layout: Layout, tag: str, ids: Iterable[str], pass_: _Pass) -> None:
        """Move those that have another home by now."""
        leaving = [id_ for id_ in map(CustomerId, ids) if layout.current.tag_of(id_) != tag]
        pass_.found += len(leaving)
        for first in range(0, len(leaving), CUSTOMERS_AT_ONCE):
            left = leaving[first : first + CUSTOMERS_AT_ONCE]
            while left:
                begun = time.monotonic()
                looked, moved = await self._move(layout, tag, left)
                left = left[looked:]
                pass_.moved += moved
                await self._rest(begun)

    async def _move(self, layout: Layout, tag: str, customers: Sequence[CustomerId]) -> tuple[int, int]:
        """Move these customers; return how many were looked at, and how many moved.

        One with events that came meanwhile moves in the next pass.
        """
        limits = (EVENTS_AT_ONCE, BYTES_AT_ONCE)
        ((looked, shown),) = await self._durably(layout, "leave", {tag: [[*limits, *customers]]})
        copies = [await self._read_copy(tag, one) for one in shown]
        failpoint("after_leave")
        for terms in grouped(layout, copies):
            await self._durably(layout, "arrive", terms)
        failpoint("after_arrive")
        gone = list[MailboxCopy]()
        if copies:
            (codes,) = await self._durably(
                layout, "left", {tag: [[*chain.from_iterable(map(MailboxCopy.whole, copies))]]}
            )
            gone = [copy for copy, code in zip(copies, codes, strict=True) if code]
        failpoint("after_left")
        arrived: defaultdict[str, list[Argument]] = defaultdict(list)
        for copy in gone:
            arrived[layout.current.tag_of(copy.customer_id)].append(copy.customer_id)
        await self._durably(layout, "arrived", {home: [ids] for home, ids in arrived.items()})
        await self._count(gone)
        return int(looked), len(gone)

    async def _may_move_for(self, ms: int) -> bool:
        """Let us move mailboxes alone for so long; False where another process may do so."""
        terms = (await self._clock.now_ms(), self._token, ms)
        (is_ours,) = await self._client.run(Call("moving", self._layouts.first_tag, terms))
        return bool(is_ours)

    async def _renew(self) -> None:
        """Say again that we move mailboxes, if that was long ago; raises _OvertakenError where another process may by now."""
        now = time.monotonic()
        if self._renewed is None or now < self._renewed + RENEWAL_SECONDS:
            return
        if not await self._may_move_for(UNDER_WAY_MS):
            raise _OvertakenError
        self._renewed = now

    async def _read_copy(self, tag: str, shown: Reply) -> MailboxCopy:
        """Return the copy of a mailbox that leave.lua showed, with the events' values, which it left out."""
        customer, *head, waiting, parked = shown
        for events in (waiting, parked):
            left_out = [at for at in range(3, len(events), 4) if events[at] is None]
            ids = [EventId(events[at - 3].decode()) for at in left_out]
            for at, value in zip(left_out, await self._values(tag, ids), strict=True):
                events[at] = value
        as_bytes = tuple(one if isinstance(one, bytes) else str(one).encode() for one in head)
        return MailboxCopy(CustomerId(customer.decode()), as_bytes, present(waiting), present(parked))

    async def _values(self, tag: str, ids: Sequence[EventId]) -> list[bytes | None]:
        """Return stored events, None for one that is gone; they are read in parts of BYTES_AT_ONCE or a little more."""
        values: list[bytes | None] = []
        while len(values) < len(ids):
            await self._renew()
            some = ids[len(values) : len(values) + EVENTS_AT_ONCE]
            terms: list[Argument] = [await self._clock.now_ms(), BYTES_AT_ONCE, *some]
            (part,) = await self._client.run(Call("events", tag, terms))
            bytes_before = accumulate((len(value or b"") for value in part), initial=0)
            values += [
                value for value, before in zip(part, bytes_before, strict=False) if before < BYTES_AT_ONCE
            ]
        return values

    async def _bring_home(self, layout: Layout, pass_: _Pass) -> None:
        """Move stored events that are in no mailbox, because theirs was lost before it could move, and customers still missed."""
        async for tag, ids in self._through_keys(layout, "event"):
            values = await self._client.ask("MGET", *(keys.event_key(tag, EventId(id_)) for id_ in ids))
            for id_, value in zip(ids, values, strict=True):
                terms = None if value is None else restoring_terms(value)
                if terms is None or value is None:
                    continue
                customer_id, created = CustomerId(str(terms[1])), int(terms[2])
                home = layout.current.tag_of(customer_id)
                if home == tag:
                    continue
                ((is_here,),) = await self._durably(layout, "here", {tag: [[customer_id]]})
                if is_here:  # the event moves with its mailbox, or once that has moved
                    await self._move_leaving(layout, tag, [customer_id], pass_)
                    continue
                event = [id_.encode(), b"%d" % (created * SECOND), b"", value]
                copy = MailboxCopy(customer_id, (b"0", b"", b"0", b"0"), event, [])
                await self._durably(layout, "arrive", {home: list(copy.arrivals())})
                await self._durably(layout, "arrived", {home: [[customer_id]]})
                await self._client.ask("DEL", keys.event_key(tag, EventId(id_)))

    async def _through_keys(self, layout: Layout, family: str) -> AsyncIterator[tuple[str, list[str]]]:
        """Yield the ids of a family's keys in former shards, some at a time; certain are those that exist throughout."""
        former = frozenset(layout.former.tags)
        pattern = layout.former.tags[0] if len(former) == 1 else "{cogento:*}"
        for server in await self._client.servers():
            cursor = 0
            while True:
                await self._renew()
                scan = ("SCAN", cursor, "MATCH", f"{pattern}:{family}:*", "COUNT", KEYS_AT_ONCE)
                cursor, found = await server.ask(*scan)
                ids: defaultdict[str, list[str]] = defaultdict(list)
                for key in found:
                    tag, _, id_ = key.decode(errors="replace").partition(f":{family}:")
                    ids[tag].append(id_)
                for tag in ids.keys() & former:
                    yield tag, ids[tag]
                if not int(cursor):
                    break

    async def _through_fields(self, key: str) -> AsyncIterator[list[str]]:
        cursor = None
        while cursor != 0:
            await self._renew()
            cursor, found = await self._client.ask("HSCAN", key, cursor or 0, "COUNT", KEYS_AT_ONCE)
            yield [field.decode(errors="replace") for field in found]

    async def _durably(
        self, layout: Layout, script: str, terms: dict[str, list[list[Argument]]]
    ) -> list[Reply]:
        """Run a script on shards, durable as promised, and return the replies; raises _OvertakenError where another process has begun."""
        await self._renew()
        head = (await self._clock.now_ms(), layout.text)
        calls = [Call(script, tag, (*head, *one)) for tag, several in terms.items() for one in several]
        replies = await self._scripts.run(self._client, calls) if calls else []
        if any(self._layouts.learn_from(reply) for reply in replies):
            raise _OvertakenError
        return replies

    async def _count(self, gone: Sequence[MailboxCopy]) -> None:
        moved = keys.moved_key(self._layouts.first_tag)
        await self._client.ask("HINCRBY", moved, "customers", len(gone))
        await self._client.ask("HINCRBY", moved, "events", sum(len(copy.ids) for copy in gone))

    async def _rest(self, begun: float, *, seconds: float = LEAST_REST_SECONDS) -> None:
        """Rest after a slice."""
        await asyncio.sleep(max(seconds, REST * (time.monotonic() - begun)))
