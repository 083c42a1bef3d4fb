"""Looking through all mailboxes for what Redis has lost, and putting it right without anybody's help.

A key may be deleted or overwritten, and a script that fails half way leaves what it has done. A mailbox without a state, and a
stored event that is in no mailbox, are then put in line again; ids whose event is gone leave their mailbox and are logged;
gauges are recounted. One process at a time looks, a slice at a time with a rest after each, so that Redis serves others
meanwhile: measured in docs/operations.md.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import defaultdict
from dataclasses import asdict, dataclass, field
from functools import partial
from mmap import mmap
from typing import TYPE_CHECKING

import structlog

from cogento.events.names import CustomerId, EventId
from cogento.queue import codec, keys, replies
from cogento.queue.enqueue import restoring_terms
from cogento.queue.errors import JunkFound
from cogento.queue.redis_commands import Call
from cogento.retries import INTERVALS

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping

    from cogento.queue.clock import RedisClock
    from cogento.queue.layout import Layouts
    from cogento.queue.redis_client import RedisClient
    from cogento.queue.redis_commands import Argument, Reply
    from cogento.queue.redis_server import RedisServer

UNDER_WAY_MS = 30_000
KEYS_AT_ONCE = 1000
CUSTOMERS_AT_ONCE = 200
EVENTS_AT_ONCE = 500
ENTRIES_AT_ONCE = 300
REST = 1.0  # after each slice, as a multiple of its duration: others have at least half of Redis and of this process
FILTER_BITS = 2**26
NAMED = 5
LISTS = ("ready", "sleeping", "paused", "since", "parked")
GAUGES = ("waiting", "parked", "bytes")
MOVES = ("accepted", "settled", "removed", "waiting", "parked")
LARGEST_BYTES = 2**20

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Findings:
    """What a round put right: mailboxes given their state, events put back, entries of lists that stood for nothing."""

    repaired: int
    restored: int
    stale: int


NOTHING = Findings(0, 0, 0)


@dataclass(slots=True)
class _Shard:
    """What a round has seen of one shard."""

    before: dict[str, int]
    found: dict[str, int] = field(default_factory=lambda: dict.fromkeys(GAUGES, 0))
    repaired: int = 0
    restored: int = 0
    stale: int = 0


class Inspection:
    """Inspects all shards of one server; everything raises MailboxUnavailable."""

    def __init__(
        self,
        server: RedisClient,
        clock: RedisClock,
        layouts: Layouts,
        *,
        lease_seconds: float,
    ) -> None:
        self._server = server
        self._clock = clock
        self._layouts = layouts
        self._lease_ms = int(lease_seconds * 1000)
        self._suspects: set[tuple[str, str]] = set()  # gauges that the last round found to be wrong

    async def run(self) -> Findings | None:
        """Go through everything once and say what was put right; None where a round was made lately, or is under way."""
        inspected = keys.inspected_key(self._layouts.first_tag)
        if not await self._server.ask("SET", inspected, 1, "NX", "PX", UNDER_WAY_MS):
            return None
        begun = time.monotonic()
        left = 0.0
        round_ = _Round(
            self._server,
            self._clock,
            self._layouts,
            lease_ms=self._lease_ms,
            pause=self._pause,
            suspects=self._suspects,
        )
        try:
            findings = await round_.go()
            left = INTERVALS.inspection_seconds - (time.monotonic() - begun)
        finally:  # also when this round was cut short: the next one begins at once
            if left > 0:
                await self._server.ask("PEXPIRE", inspected, int(left * 1000))
            else:
                await self._server.ask("DEL", inspected)
        return findings

    async def _pause(self, begun: float) -> None:
        """Rest after a slice, and renew the key that says that a round is under way."""
        await self._server.ask("PEXPIRE", keys.inspected_key(self._layouts.first_tag), UNDER_WAY_MS)
        await asyncio.sleep(REST * (time.monotonic() - begun))


class _Round:
    """One way through everything: all mailboxes first, then the events that were seen in none of them."""

    def __init__(
        self,
        server: RedisClient,
        clock: RedisClock,
        layouts: Layouts,
        *,
        lease_ms: int,
        pause: Callable[[float], Awaitable[None]],
        suspects: set[tuple[str, str]],
    ) -> None:
        self._server = server
        self._clock = clock
        self._layouts = layouts
        self._lease_ms = lease_ms
        self._pause = pause
        self._suspects = suspects
        self._begun_ms = 0
        self._seen = _Filter()
        self._shards: dict[str, _Shard] = {}

    async def go(self) -> Findings:
        self._begun_ms = await self._clock.now_ms()
        tags = (await self._layouts.refresh()).counted_tags  # the gauges of retired shards are added up, too
        for tag in tags:
            await self._server.set_aside(tag, await self._clock.now_ms())
            self._shards[tag] = _Shard(await self._stats(tag))
        await self._through_keys("mail", partial(self._repair, "mail"))
        await self._through_keys("held", partial(self._repair, "held"))
        await self._through_lists()
        after = {tag: await self._stats(tag) for tag in tags}
        await self._through_keys("event", self._restore)
        for tag, shard in self._shards.items():
            await self._recount(tag, shard, after[tag])
            await self._log_lost(tag)
        return self._findings()

    async def _through_keys(self, family: str, inspect: Callable[[str, list[str]], Awaitable[None]]) -> None:
        """Call `inspect` with every key of a family that exists throughout; some may come twice."""
        for server in await self._server.servers():
            await self._through_keys_of(server, family, inspect)

    async def _through_keys_of(
        self, server: RedisServer, family: str, inspect: Callable[[str, list[str]], Awaitable[None]]
    ) -> None:
        cursor = 0
        while True:
            begun = time.monotonic()
            match = f"{{cogento:*}}:{family}:*"
            cursor, found = await server.ask("SCAN", cursor, "MATCH", match, "COUNT", KEYS_AT_ONCE)
            ids: defaultdict[str, list[str]] = defaultdict(list)
            for key in found:
                tag, _, id_ = key.decode(errors="replace").partition(f":{family}:")
                ids[tag].append(id_)
            for tag in ids.keys() & self._shards.keys():
                await inspect(tag, ids[tag])
            if not int(cursor):
                return
            await self._pause(begun)

    async def _repair(self, family: str, tag: str, customers: list[str]) -> None:
        shard = self._shards[tag]
        while customers:
            begun = time.monotonic()
            terms: tuple[Argument, ...] = (
                self._lease_ms,
                EVENTS_AT_ONCE,
                family,
                *customers[:CUSTOMERS_AT_ONCE],
            )
            looked, waiting, parked, size, repaired, ids = await self._run("inspect", tag, *terms)
            for gauge, number in zip(GAUGES, (waiting, parked, size), strict=True):
                shard.found[gauge] += number
            shard.repaired += repaired
            self._seen.add(tag, ids)
            customers = customers[looked:]
            if customers:
                await self._pause(begun)

    async def _through_lists(self) -> None:
        for tag, shard in self._shards.items():
            for name in LISTS:
                cursor = b"0"
                while True:
                    begun = time.monotonic()
                    cursor, gone = await self._run("remove_stale", tag, name, cursor, ENTRIES_AT_ONCE)
                    shard.stale += gone
                    if cursor == b"0":
                        break
                    await self._pause(begun)

    async def _restore(self, tag: str, ids: list[str]) -> None:
        """Put events that were seen in no mailbox, and existed when the round began, into the mailboxes that they name."""
        unseen = [id_ for id_ in ids if not self._seen.may_have(tag, id_.encode())]
        if not unseen:
            return
        values = await self._server.ask("MGET", *(keys.event_key(tag, EventId(id_)) for id_ in unseen))
        layout = await self._layouts.get()
        restorable: defaultdict[str, list[Argument]] = defaultdict(list)
        for id_, value in zip(unseen, values, strict=True):
            header = None if value is None else codec.decode_header(value)
            if header is not None and header.received_ms >= self._begun_ms:
                continue
            restoring = None if value is None else restoring_terms(value)
            if restoring is not None and restoring[0] == id_:
                takes_in = layout.takes_in(tag, CustomerId(str(restoring[1])))
                restorable[takes_in] += restoring
            elif value is not None and header is not None:
                log.error("stored_event_unreadable", event_id=id_)
        for takes_in, terms in restorable.items():
            codes = await self._run("restore", tag, layout.text, takes_in, *terms)
            if not self._layouts.learn_from(codes):
                self._shards[tag].restored += sum(codes)
        if None in values:
            # Settled meanwhile, or of another type.
            empty = [id_ for id_, value in zip(unseen, values, strict=True) if value is None]
            await self._server.set_aside(tag, await self._clock.now_ms(), empty)

    async def _recount(self, tag: str, shard: _Shard, after: Mapping[str, int]) -> None:
        """Set gauges that were wrong in the last round, too, by more than came and went while we counted.

        Counting takes time, and SCAN may show a key twice: one wrong count proves nothing.
        """
        moved = sum(abs(after[name] - shard.before[name]) for name in MOVES)
        wrong: list[Argument] = []
        for gauge in GAUGES:
            off = shard.found[gauge] - after[gauge]
            is_off = abs(off) > moved * (LARGEST_BYTES if gauge == "bytes" else 1)
            if is_off and (tag, gauge) in self._suspects:
                wrong += (gauge, shard.found[gauge], after[gauge])
            if is_off and (tag, gauge) not in self._suspects:
                self._suspects.add((tag, gauge))
            else:
                self._suspects.discard((tag, gauge))
        if wrong:
            log.warning("gauges_recounted", gauges=wrong[::3], shard=tag)
            await self._run("recount", tag, *wrong)

    async def _log_lost(self, tag: str) -> None:
        lost = await self._server.ask("HGETALL", keys.lost_key(tag))
        if lost:
            named = sorted(id_.decode(errors="replace") for id_ in lost)
            log.error("events_lost", events=len(lost), event_ids=named[:NAMED])
            await self._server.ask("HDEL", keys.lost_key(tag), *lost)

    def _findings(self) -> Findings:
        shards = self._shards.values()
        findings = Findings(
            repaired=sum(shard.repaired for shard in shards),
            restored=sum(shard.restored for shard in shards),
            stale=sum(shard.stale for shard in shards),
        )
        if findings != NOTHING:
            log.warning("mailboxes_repaired", **asdict(findings))
        return findings

    async def _stats(self, tag: str) -> dict[str, int]:
        names = dict.fromkeys((*GAUGES, *MOVES))
        values = await self._server.ask("HMGET", keys.stats_key(tag), *names)
        return {name: replies.read_number(value) for name, value in zip(names, values, strict=True)}

    async def _run(self, script: str, tag: str, *terms: Argument) -> Reply:
        """Run a script on one shard, and once more where junk was in the way."""
        call = Call(script, tag, (await self._clock.now_ms(), *terms))
        try:
            (reply,) = await self._server.run(call)
        except JunkFound:
            (reply,) = await self._server.run(call)
        return reply


class _Filter:
    """Which ids were seen, in little memory: of a hundred that were not, a few pass for seen, different ones in each round."""

    def __init__(self) -> None:
        # A mapping of its own: only pages that are written to take memory, and all are returned after the round. So large a
        # block from malloc would raise the threshold up to which it keeps freed memory.
        self._bits = mmap(-1, FILTER_BITS // 8)
        self._salt = secrets.token_bytes(8)

    def add(self, tag: str, ids: Iterable[bytes]) -> None:
        for id_ in ids:
            place = self._place(tag, id_)
            self._bits[place >> 3] |= 1 << (place & 7)

    def may_have(self, tag: str, id_: bytes) -> bool:
        place = self._place(tag, id_)
        return bool(self._bits[place >> 3] & 1 << (place & 7))

    def _place(self, tag: str, id_: bytes) -> int:
        return hash((self._salt, tag, id_)) % FILTER_BITS
