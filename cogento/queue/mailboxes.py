"""The mailboxes: one per customer, its events in order, worked on by one worker at a time.

Python's side of the commands in lua/: what goes in and what comes out, over all shards. Knows Redis
through redis_client.py; nothing of Postgres, HTTP or Celery.
"""

from __future__ import annotations

import secrets
from collections import deque
from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

import structlog
from msgspec import structs

from cogento.events.names import CustomerId, EventId, LeaseToken
from cogento.events.outcomes import Source
from cogento.queue import codec, keys, replies
from cogento.queue.alerts import SentAlerts
from cogento.queue.circuit import Circuit, Dependency
from cogento.queue.claims import (
    Claim,
    Limits,
    Settlement,
)
from cogento.queue.clock import RedisClock
from cogento.queue.durability import AckDurability
from cogento.queue.durable_scripts import TIMEOUT_SECONDS
from cogento.queue.enqueue import EnqueueCommands
from cogento.queue.errors import MailboxUnavailable
from cogento.queue.fence import FenceNotes
from cogento.queue.figures import TablesKeeper
from cogento.queue.inspection import Inspection
from cogento.queue.minutes import MinutesKeeper
from cogento.queue.pauses import format_reason, read_pause
from cogento.queue.placement import run_where_placed
from cogento.queue.rate_limiter import RateLimiter
from cogento.queue.redis_client import connect
from cogento.queue.redis_commands import Call
from cogento.queue.redis_server import MAX_CONNECTIONS
from cogento.queue.search import EventSearch
from cogento.queue.server_checks import ServerChecks
from cogento.queue.status import Paused
from cogento.queue.waiting import MAX_CUSTOMERS, WaitingState, read_waiting
from cogento.queue.worker_registry import WorkerRegistry
from cogento.retries import LINGER_MS_PER_EVENT, MAX_LINGER_MS, PARKING, WAKEUP_WINDOW_MS

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from cogento.events.envelope import Envelope
    from cogento.queue.checks import ServerFacts
    from cogento.queue.circuit import OpenCircuit
    from cogento.queue.claims import CustomerBatch, Put
    from cogento.queue.codec import Stored
    from cogento.queue.pauses import Pause
    from cogento.queue.redis_client import RedisClient
    from cogento.queue.redis_commands import Argument, Reply
    from cogento.queue.redis_server import RedisServer
    from cogento.queue.status import MailboxStatus, MailboxView, Removed
    from cogento.queue.waiting import WaitingPage

log = structlog.get_logger()

MAX_CUSTOMER_EVENTS = 50
"""Of one customer in one claim, so that a customer with many keeps no other waiting."""

CLAIMED_BYTES = 8 * 1024**2
"""About how much a claim holds as stored; a worker's memory holds several times that."""

LEASE_REPLICAS_MS = 100
SWEPT_AT_ONCE = 1000
MAX_ORPHANED_LEASES = 100
LISTED_EVENTS = 100
PAUSES_AT_ONCE = 1000
EVERYTHING = ""


class Mailboxes:
    """All customers' mailboxes; for any number of tasks of one event loop.

    Everything raises MailboxUnavailable when Redis does not do as asked in time, and may then be asked again.
    """

    def __init__(
        self,
        server: RedisClient,
        *,
        clock: RedisClock | None = None,
        shards: int = 1,
        ack: AckDurability | None = None,
        replicas: int = 1,
        limits: Limits | None = None,
        name: str = "",
    ) -> None:
        self._server = server
        self._ack, self._replicas = ack, replicas
        self._enqueue = EnqueueCommands(
            server, shards=shards, ack=ack, replicas=replicas, limits=limits or Limits()
        )
        self._clock = clock or RedisClock(server)
        self._tags = keys.tags(shards)
        self._checks = ServerChecks(server, self._enqueue.scripts, self._tags)
        self._name = name
        self.workers = WorkerRegistry(server, self._clock, self._tags[0])
        self.fence_notes = FenceNotes(server, self._clock, self._tags[0])
        self.tables = TablesKeeper(server, self._clock, self._tags[0])
        self.minutes = MinutesKeeper(server, self._tags[0])
        self.sent_alerts = SentAlerts(server, self._tags[0])
        self.search = EventSearch(server, self._clock, self._tags)
        self._orphans = OrphanedLeases()
        self._away: frozenset[str] = frozenset()  # servers that the last claim went without

    @classmethod
    def connect(
        cls,
        url: str,
        *,
        shards: int = 1,
        ack: AckDurability | None,
        replicas: int = 1,
        limits: Limits | None = None,
        name: str = "",
        timeout_seconds: float = TIMEOUT_SECONDS,
        max_connections: int = MAX_CONNECTIONS,
    ) -> Mailboxes:
        """Make the mailboxes of a Redis URL; nothing is sent before it is needed.

        `name` is the process's, and tells people who has claimed a mailbox. `replicas` counts with `redis_replicated`.
        """
        client = connect(url, timeout_seconds=timeout_seconds, max_connections=max_connections)
        return cls(client, shards=shards, ack=ack, replicas=replicas, limits=limits, name=name)

    async def check(self) -> ServerFacts:
        """Ask what each server really gives; see ServerChecks.check."""
        return await self._checks.check()

    async def greet(self) -> ServerFacts:
        """Check all servers as a process starts; see ServerChecks.greet."""
        return await self._checks.greet()

    async def ping_write(self) -> ServerFacts:
        """Write something, and return what the servers give; see ServerChecks.ping_write."""
        return await self._checks.ping_write()

    async def now_ms(self) -> int:
        """Return the time by Redis's clock, which every process shares."""
        return await self._clock.now_ms()

    def circuit(self, dependency: Dependency) -> Circuit:
        """Return the circuit that all workers share for a dependency."""
        return Circuit(self._server, self._clock, tag=self._tags[0], dependency=dependency)

    def rate_limiter(self, *, requests_per_second: float) -> RateLimiter:
        """Return the pace at which all processes ask Stripe."""
        return RateLimiter(self._server, requests_per_second=requests_per_second, clock=self._clock)

    def inspection(self, *, lease_seconds: float) -> Inspection:
        """Return what looks through everything for what Redis has lost; see Inspection."""
        return Inspection(self._server, self._clock, self._tags, lease_seconds=lease_seconds)

    async def open_circuits(self) -> tuple[OpenCircuit, ...]:
        """Return the dependencies that workers wait for, or come back to."""
        circuits = [await self.circuit(dependency).read() for dependency in Dependency]
        return tuple(circuit for circuit in circuits if circuit)

    async def put(self, envelopes: Sequence[Envelope], *, source: Source = Source.WEBHOOK) -> list[Put]:
        """Put envelopes into their mailboxes: one script a shard, durable as promised when this returns.

        An id that waits already stays as it is. At most one result asks for a wake-up.
        """
        return await self._enqueue.put(envelopes, source=source, now_ms=await self.now_ms())

    def lane(self, customer_id: CustomerId) -> str:
        """Return which puts may share a call with this customer's: those that the same server keeps."""
        if len(self._tags) == 1:
            return ""
        return self._server.lane(self._tags[keys.shard_of(customer_id, shards=len(self._tags))])

    def longest_put_seconds(self) -> float:
        """Return how long a put may take before it raises; more where it waits for the disk."""
        return self._enqueue.scripts.longest_seconds()

    async def claim(
        self,
        *,
        max_customers: int,
        max_events: int,
        lease_seconds: float,
        max_customer_events: int = MAX_CUSTOMER_EVENTS,
    ) -> Claim | None:
        """Lease the customers at the head of the line to the caller; None when no event is ready.

        A claim that returned events must be followed by another once it is settled (the wake-ups count on
        it). First of all, expired leases and sleepers whose time has come are put back in line.
        """
        now_ms, lease_ms = await self.now_ms(), int(lease_seconds * 1000)
        token, expires_ms = LeaseToken(f"{self._name}/{secrets.token_hex(16)}"), now_ms + lease_ms
        batches: list[CustomerBatch] = []
        away: dict[str, MailboxUnavailable] = {}  # by server, whose other shards are then passed over
        answered = 0
        # A random shard comes first, so that none is always served last.
        first = secrets.randbelow(len(self._tags))
        for tag in self._tags[first:] + self._tags[:first]:
            events = max_events - sum(len(batch.events) for batch in batches)
            if len(batches) >= max_customers or events <= 0:
                break
            if (lane := self._server.lane(tag)) in away:
                continue
            bounds = (max_customers - len(batches), events, max_customer_events, CLAIMED_BYTES)
            awake = (WAKEUP_WINDOW_MS, LINGER_MS_PER_EVENT, MAX_LINGER_MS)
            try:
                batches += await self._claim_shard(tag, now_ms, token, (expires_ms, *bounds, *awake))
                answered += 1
            except MailboxUnavailable as error:
                away[lane] = error
        if away and not answered:
            raise next(iter(away.values()))
        self._note_away(away)
        self._orphans.forget_expired(now_ms)
        if not batches:
            return None
        return await self._readable(Claim(token, tuple(batches), expires_ms, lease_ms))

    async def renew(self, claim: Claim) -> bool:
        """Make the leases last as long again from now; False when not all are the caller's any more."""
        until_ms = await self.now_ms() + claim.lease_ms
        return await self._for_customers("renew", claim, until_ms) == len(claim.batches)

    async def settle(self, claim: Claim, settlements: Sequence[Settlement]) -> frozenset[CustomerId]:
        """End the leases on these customers with what became of their events; one step a customer.

        Returns the customers whose lease had passed to somebody else: nothing of theirs was changed. May
        be called several times with parts of a claim.
        """
        now_ms = await self.now_ms()
        unknown = {batch.customer_id: batch.unknown for batch in claim.batches if batch.unknown}
        whole = [
            structs.replace(one, parked=(*one.parked, *unknown.get(one.customer_id, ()))) if unknown else one
            for one in settlements
        ]
        groups = keys.by_shard(self._tags, (one.customer_id for one in whole))
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

    async def replay(self, customer_id: CustomerId) -> bool:
        """Let a customer's events be tried now: parked ones return, sleep ends. False: nothing to do."""
        return bool(await self._one(customer_id, "replay"))

    async def pause(self, customer_id: CustomerId | None = None, *, who: str = "", why: str = "") -> bool:
        """Hold one customer's events, or all, until resumed; False if it was held already, which stays as it was."""
        return await self._hold("pause", customer_id, format_reason(who=who, why=why))

    async def resume(self, customer_id: CustomerId | None = None) -> bool:
        """End a pause; False if there was none."""
        return await self._hold("resume", customer_id)

    async def paused(self) -> Paused:
        """Return what is held; in parts, for there may be very many, and Redis takes in nothing while it lists them."""
        held: set[bytes] = set()
        for tag in self._tags:
            cursor = None
            while cursor != 0:
                scan = ("HSCAN", keys.pauses_key(tag), cursor or 0, "COUNT", PAUSES_AT_ONCE)
                cursor, part = await self._server.ask(*scan)
                held.update(part)
        return Paused(await self.halted(), tuple(sorted(CustomerId(id_.decode()) for id_ in held)))

    async def halted(self) -> Pause | None:
        """Return who holds everything, since when and why; None when nobody does."""
        values = [await self._server.ask("GET", keys.halted_key(tag)) for tag in self._tags]
        return next((pause for value in values if (pause := read_pause(value))), None)

    async def waiting(
        self,
        state: WaitingState | None = None,
        *,
        customer: CustomerId | None = None,
        limit: int = MAX_CUSTOMERS,
    ) -> WaitingPage:
        """List customers whose mail waits, those of one state or `limit` of each; or one customer alone."""
        now_ms = await self.now_ms()
        states = WaitingState if state is None else (state,)
        terms = (now_ms, min(limit, MAX_CUSTOMERS), customer or EVERYTHING, *states)
        shards = await self._server.run(*(Call("waiting", tag, terms) for tag in self._tags))
        return read_waiting(shards, limit=limit, now_ms=now_ms)

    async def parked_customers(self, *, quiet_seconds: float, limit: int) -> list[CustomerId]:
        """List customers that have had parked events for so long, a shard after the other."""
        looked_at_again_ms = await self.now_ms() + int((PARKING.try_again_seconds - quiet_seconds) * 1000)
        terms = ("-inf", looked_at_again_ms, "LIMIT", 0, limit)
        found = [await self._server.ask("ZRANGEBYSCORE", keys.parked_key(tag), *terms) for tag in self._tags]
        return [CustomerId(id_.decode()) for id_ in chain.from_iterable(found)][:limit]

    async def remove(self, customer_id: CustomerId, event_id: EventId) -> Removed:
        """Take one waiting or parked event out for good, as an operator may."""
        return replies.REMOVED[await self._one(customer_id, "remove", event_id)]

    async def forget(self, customer_id: CustomerId, *, names: Collection[str] = ()) -> int | None:
        """Take all of a customer's events out for good, and erase reasons of pauses that are its own or name the person.

        Returns how many events there were; None while the customer is being worked on: its events are left then.
        `names` are in lower case.
        """
        spellings = sorted({form for name in names for form in (name, name.title(), name.upper())})
        now_ms = await self.now_ms()
        calls = [Call("forget", tag, (now_ms, customer_id, *spellings)) for tag in self._tags]
        removed = await self._server.run(*calls)
        return None if min(removed) < 0 else sum(removed)

    async def status(self) -> MailboxStatus:
        """Return how much waits and how old it is, over all shards."""
        now_ms = await self.now_ms()
        counts = [Call("status", tag, (now_ms,)) for tag in self._tags]
        oldest = [Call("oldest", tag, (now_ms, 1)) for tag in self._tags]
        answers = await self._server.run(*counts, *oldest)
        return replies.read_status(answers[: len(counts)], answers[len(counts) :], now_ms=now_ms)

    async def waits_longest(self, *, limit: int) -> list[tuple[CustomerId, int]]:
        """Return the customers not paused whose first event has waited longest, with the ms when it was received."""
        now_ms = await self.now_ms()
        shards = await self._server.run(*(Call("oldest", tag, (now_ms, limit)) for tag in self._tags))
        return replies.read_oldest(shards)[:limit]

    async def view(self, customer_id: CustomerId) -> MailboxView:
        """Return one customer's mailbox, with its first events."""
        return replies.read_view(customer_id, await self._one(customer_id, "view", LISTED_EVENTS))

    async def find(self, event_id: EventId) -> Stored | None:
        """Return an event that waits or is parked, wherever it is; None also when a newer version wrote it."""
        now_ms = await self.now_ms()
        for tag in self._tags:
            value = await self._server.ask("GET", keys.event_key(tag, event_id))
            if value is not None:
                return codec.decode(value, now_ms=now_ms)
        return None

    async def close(self) -> None:
        """Close the connections."""
        await self._server.close()

    async def _claim_shard(
        self, tag: str, now_ms: int, token: LeaseToken, terms: Sequence[Argument]
    ) -> list[CustomerBatch]:
        if orphans := self._orphans.tokens(tag):
            # By itself, for a script that the server does not know yet runs after those that it does; and
            # recovery, if it came first, would count a crash.
            await self._server.run(Call("release_orphans", tag, (now_ms, *orphans)))
        try:
            *_, batches = await self._run_claim(
                Call("recover", tag, (now_ms, SWEPT_AT_ONCE)),
                Call("wake", tag, (now_ms, SWEPT_AT_ONCE)),
                Call("claim", tag, (now_ms, token, *terms)),
            )
        except BaseException:  # cancelled, too
            self._orphans.add(tag, token, expires_ms=int(terms[0]))
            raise
        return [replies.read_batch(batch, now_ms=now_ms) for batch in batches]

    async def _run_claim(self, *calls: Call) -> list[Reply]:
        """Run a claim; where replicas are part of the promise, give them a moment to have the lease as well.

        Else a failover could forget it, and another worker would begin on the same customers. Without replicas there is
        nobody to fail over to, and what waits is processed all the same.
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
        """Park at once the batches that hold nothing but what a newer version wrote."""
        unreadable = [Settlement(batch.customer_id) for batch in claim.batches if not batch.events]
        if not unreadable:
            return claim
        await self.settle(claim, unreadable)
        batches = tuple(batch for batch in claim.batches if batch.events)
        return replace(claim, batches=batches) if batches else None

    async def _for_customers(self, script: str, claim: Claim, *terms: Argument) -> int:
        """Run a script on all of a claim's customers and return the sum of its answers."""
        customers = [batch.customer_id for batch in claim.batches]
        head = (await self.now_ms(), claim.token, *terms)
        calls = [
            Call(script, tag, (*head, *(customers[i] for i in places)))
            for tag, places in keys.by_shard(self._tags, customers).items()
        ]
        return sum(await self._server.run(*calls))

    async def _hold(self, script: str, customer_id: CustomerId | None, *terms: Argument) -> bool:
        if customer_id is not None:
            return bool(await self._one(customer_id, script, *terms))
        now_ms = await self.now_ms()
        calls = [Call(script, tag, (now_ms, EVERYTHING, *terms)) for tag in self._tags]
        return any(await self._server.run(*calls))

    async def _one(self, customer_id: CustomerId, script: str, *terms: Argument) -> Reply:
        """Run a script on one customer."""
        (tag,) = keys.by_shard(self._tags, [customer_id])
        (reply,) = await self._server.run(Call(script, tag, (await self.now_ms(), customer_id, *terms)))
        return reply


def _settlement(one: Settlement) -> list[Argument]:
    """One customer's part of the arguments of settle.lua."""
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
    """The tokens of claims whose answer never came: given back before every claim, until their leases are over.

    A server that did such a claim, or is stuck and will do it later, leases its customers to nobody. When these
    leases expire that counts as a crash, of which four make an innocent event a dead letter.
    """

    def __init__(self) -> None:
        self._leases: deque[_OrphanedLease] = deque(maxlen=MAX_ORPHANED_LEASES)

    def add(self, tag: str, token: LeaseToken, *, expires_ms: int) -> None:
        """Remember one of a shard; of other shards the same claim may have got its answer."""
        self._leases.append(_OrphanedLease(tag, token, expires_ms))

    def tokens(self, tag: str) -> list[LeaseToken]:
        """Return all that are remembered of a shard."""
        return [lease.token for lease in self._leases if lease.tag == tag]

    def forget_expired(self, now_ms: int) -> None:
        """Forget those whose leases are over; call it when the servers have answered."""
        kept = [lease for lease in self._leases if lease.expires_ms >= now_ms]
        self._leases = deque(kept, maxlen=MAX_ORPHANED_LEASES)
