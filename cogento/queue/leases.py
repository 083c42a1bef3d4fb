"""Leases: a worker takes customers' events, for itself alone and for a limited time, and says what became of them.

Each command is one script per shard. Where a claim never reached the worker, its leases are given back before the next claim.
"""

from __future__ import annotations

import secrets
from collections import deque
from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

import structlog
from msgspec import structs

from cogento.events.names import LeaseToken
from cogento.queue import replies
from cogento.queue.claims import Claim, Settlement
from cogento.queue.durability import AckDurability
from cogento.queue.errors import MailboxUnavailable
from cogento.queue.layout import MAX_CHANGES
from cogento.queue.placement import run_where_placed
from cogento.queue.redis_commands import Call
from cogento.retries import LINGER_MS_PER_EVENT, MAX_LINGER_MS, PARKING, WAKEUP_WINDOW_MS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from cogento.events.names import CustomerId
    from cogento.queue.claims import CustomerBatch
    from cogento.queue.clock import RedisClock
    from cogento.queue.layout import Layout, Layouts
    from cogento.queue.redis_client import RedisClient
    from cogento.queue.redis_commands import Argument, Reply
    from cogento.queue.redis_server import RedisServer

log = structlog.get_logger()

MAX_CUSTOMER_EVENTS = 50
"""How many events of one customer are in one claim, so that a customer with many keeps no other waiting."""

CLAIMED_BYTES = 8 * 1024**2
"""About how many stored bytes a claim holds; in a worker's memory they take several times that."""

LEASE_REPLICAS_MS = 100
SWEPT_AT_ONCE = 1000
MAX_ORPHANED_LEASES = 100


class LeaseCommands:
    """Leases customers of all shards behind one client; everything raises MailboxUnavailable."""

    def __init__(
        self,
        server: RedisClient,
        clock: RedisClock,
        layouts: Layouts,
        *,
        ack: AckDurability | None,
        replicas: int,
        name: str,
    ) -> None:
        self._server = server
        self._clock = clock
        self._layouts = layouts
        self._ack, self._replicas = ack, replicas
        self._name = name
        self._orphans = OrphanedLeases()
        self._away: frozenset[str] = frozenset()  # servers that the last claim went without

    async def claim(
        self,
        *,
        max_customers: int,
        max_events: int,
        lease_seconds: float,
        max_customer_events: int = MAX_CUSTOMER_EVENTS,
        awake_ms: int = WAKEUP_WINDOW_MS,
    ) -> Claim | None:
        """Lease the customers at the head of the line to the caller; None when no event is ready.

        A claim that returned events must be followed by another once it is settled (the wake-ups count on
        it). First, customers with expired leases, and sleeping ones whose time has come, are put back in line. No put asks for a
        wake-up within `awake_ms`: so long the caller may take to claim again.
        """
        now_ms, lease_ms = await self._clock.now_ms(), int(lease_seconds * 1000)
        token, expires_ms = LeaseToken(f"{self._name}/{secrets.token_hex(16)}"), now_ms + lease_ms
        batches: list[CustomerBatch] = []
        for _ in range(MAX_CHANGES):
            layout = await self._layouts.get()
            bounds = (max_customers, max_events, max_customer_events, awake_ms)
            batches = await self._claim_shards(layout, now_ms, token, expires_ms, bounds)
            if batches or self._layouts.known in {layout, None}:
                break
        self._orphans.forget_expired(now_ms)
        if not batches:
            return None
        return await self._readable(Claim(token, tuple(batches), expires_ms, lease_ms))

    async def renew(self, claim: Claim) -> bool:
        """Make the leases last as long again from now; False when not all are the caller's any more."""
        until_ms = await self._clock.now_ms() + claim.lease_ms
        return await self._for_customers("renew", claim, until_ms) == len(claim.batches)

    async def settle(self, claim: Claim, settlements: Sequence[Settlement]) -> frozenset[CustomerId]:
        """End the leases on these customers with what became of their events; atomic for each customer.

        Returns the customers whose lease had passed to another worker: nothing of theirs was changed. May be called several
        times with parts of a claim.
        """
        now_ms = await self._clock.now_ms()
        unknown = {batch.customer_id: batch.unknown for batch in claim.batches if batch.unknown}
        whole = [
            structs.replace(one, parked=(*one.parked, *unknown.get(one.customer_id, ()))) if unknown else one
            for one in settlements
        ]
        groups = _by_tag(claim, (one.customer_id for one in whole))
        head = (now_ms, claim.token, now_ms + int(PARKING.try_again_seconds * 1000))
        calls = [
            Call("settle", tag, (*head, *chain.from_iterable(_settlement(whole[i]) for i in places)))
            for tag, places in groups.items()
        ]
        answers = await self._server.run(*calls)
        lost = (
            whole[i].customer_id
            for places, codes in zip(groups.values(), answers, strict=True)
            for i, code in zip(places, codes, strict=True)
            if code == replies.SettleCode.LOST
        )
        return frozenset(lost)

    async def release(self, claim: Claim) -> None:
        """Give back, untouched, whatever of the claim is still the caller's."""
        await self._for_customers("release", claim)

    async def _claim_shards(
        self,
        layout: Layout,
        now_ms: int,
        token: LeaseToken,
        expires_ms: int,
        bounds: tuple[int, int, int, int],
    ) -> list[CustomerBatch]:
        """Claim from one shard after the other, until there is enough of customers or events."""
        max_customers, max_events, max_customer_events, awake_ms = bounds
        batches: list[CustomerBatch] = []
        away: dict[str, MailboxUnavailable] = {}  # by server; its other shards are then skipped
        answered = 0
        # A random shard comes first, so that none is always served last.
        first = secrets.randbelow(len(layout.tags))
        for tag in layout.tags[first:] + layout.tags[:first]:
            events = max_events - sum(len(batch.events) for batch in batches)
            if len(batches) >= max_customers or events <= 0:
                break
            if (lane := self._server.lane(tag)) in away:
                continue
            left = (max_customers - len(batches), events, max_customer_events, CLAIMED_BYTES)
            awake = (awake_ms, LINGER_MS_PER_EVENT, MAX_LINGER_MS)
            try:
                batches += await self._claim_shard(tag, layout, now_ms, token, (expires_ms, *left, *awake))
                answered += 1
            except MailboxUnavailable as error:
                away[lane] = error
        if away and not answered:
            raise next(iter(away.values()))
        self._note_away(away)
        return batches

    async def _claim_shard(
        self, tag: str, layout: Layout, now_ms: int, token: LeaseToken, terms: Sequence[Argument]
    ) -> list[CustomerBatch]:
        """Claim from one shard; nothing where it knows a newer layout, which the next claim goes by."""
        if orphans := self._orphans.tokens(tag):
            # In a request of its own: in one round trip, a script that the server does not know yet runs after those that it
            # does, and recovery, if it ran first, would count a crash.
            await self._server.run(Call("release_orphans", tag, (now_ms, *orphans)))
        try:
            *_, batches = await self._run_claim(
                Call("recover", tag, (now_ms, SWEPT_AT_ONCE)),
                Call("wake", tag, (now_ms, SWEPT_AT_ONCE)),
                Call("claim", tag, (now_ms, layout.text, token, *terms)),
            )
        except BaseException:  # also when cancelled
            self._orphans.add(tag, token, expires_ms=int(terms[0]))
            raise
        if self._layouts.learn_from(batches):
            return []
        return [replies.read_batch(batch, tag=tag, now_ms=now_ms) for batch in batches]

    async def _run_claim(self, *calls: Call) -> list[Reply]:
        """Run a claim; where replicas are part of the promise, give them a moment to get the lease as well.

        Otherwise a failover could lose the lease, and another worker would begin on the same customers. While no replica follows
        there is none to fail over to, and events are processed all the same.
        """
        if self._ack is not AckDurability.REDIS_REPLICATED:
            return await self._server.run(*calls)
        return await run_where_placed(self._server, calls, self._claim_on_replicas)

    async def _claim_on_replicas(self, server: RedisServer, calls: Sequence[Call]) -> list[Reply]:
        wait = ("WAIT", self._replicas, LEASE_REPLICAS_MS)
        async with server.connection() as connection:
            answers, _ = await connection.run_and_wait(*calls, wait=wait, wait_ms=LEASE_REPLICAS_MS)
        return answers

    def _note_away(self, away: Mapping[str, MailboxUnavailable]) -> None:
        """Log which servers a claim went without, once for each change."""
        if away.keys() != self._away:
            self._away = frozenset(away)
            log.warning("claimed_without", servers=sorted(away), reasons=sorted(map(str, away.values())))

    async def _readable(self, claim: Claim) -> Claim | None:
        """Park at once the batches in which a newer version wrote everything; None where no others are left."""
        unreadable = [Settlement(batch.customer_id) for batch in claim.batches if not batch.events]
        if not unreadable:
            return claim
        try:
            await self.settle(claim, unreadable)
        except BaseException:  # also when cancelled
            for tag in {batch.tag for batch in claim.batches}:
                self._orphans.add(tag, claim.token, expires_ms=claim.expires_ms)
            raise
        batches = tuple(batch for batch in claim.batches if batch.events)
        return replace(claim, batches=batches) if batches else None

    async def _for_customers(self, script: str, claim: Claim, *terms: Argument) -> int:
        """Run a script on all of a claim's customers and return the sum of its answers."""
        customers = [batch.customer_id for batch in claim.batches]
        head = (await self._clock.now_ms(), claim.token, *terms)
        calls = [
            Call(script, tag, (*head, *(customers[i] for i in places)))
            for tag, places in _by_tag(claim, customers).items()
        ]
        return sum(await self._server.run(*calls))


def _by_tag(claim: Claim, customers: Iterable[CustomerId]) -> dict[str, list[int]]:
    """Return which of these were claimed from each shard, as positions."""
    tags = {batch.customer_id: batch.tag for batch in claim.batches}
    groups: dict[str, list[int]] = {}
    for i, customer_id in enumerate(customers):
        groups.setdefault(tags[customer_id], []).append(i)
    return groups


def _settlement(one: Settlement) -> list[Argument]:
    """Return one customer's part of the arguments of settle.lua."""
    failed = [field for event in one.failed for field in (event.event_id, replies.format_attempts(event))]
    return [
        one.customer_id,
        one.postponed_until_ms or 0,
        int(one.released),
        len(one.done),
        *one.done,
        len(one.parked),
        *one.parked,
        len(one.failed),
        *failed,
    ]


class _OrphanedLease(NamedTuple):
    tag: str
    token: LeaseToken
    expires_ms: int


class OrphanedLeases:
    """The tokens of claims that never reached the worker: given back before every claim, until their leases are over.

    A server that carried out such a claim, or is stuck and will later, leases its customers to nobody. Leases that expire count
    as crashes, and four of these would make an innocent event a dead letter.
    """

    def __init__(self) -> None:
        self._leases: deque[_OrphanedLease] = deque(maxlen=MAX_ORPHANED_LEASES)

    def add(self, tag: str, token: LeaseToken, *, expires_ms: int) -> None:
        """Remember a token for one shard; other shards may have answered the same claim."""
        self._leases.append(_OrphanedLease(tag, token, expires_ms))

    def tokens(self, tag: str) -> list[LeaseToken]:
        """Return all that are remembered of a shard."""
        return [lease.token for lease in self._leases if lease.tag == tag]

    def forget_expired(self, now_ms: int) -> None:
        """Forget those whose leases are over; call it when the servers have answered."""
        kept = [lease for lease in self._leases if lease.expires_ms >= now_ms]
        self._leases = deque(kept, maxlen=MAX_ORPHANED_LEASES)
