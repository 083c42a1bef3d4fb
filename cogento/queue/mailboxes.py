"""The mailboxes: one per customer, its events in order, worked on by one worker at a time.

Python's side of the commands in lua/: what goes in and what comes out, over all shards. Knows Redis
through redis_client.py; nothing of Postgres, HTTP or Celery.
"""

from __future__ import annotations

import secrets
import threading
from collections import deque
from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING

from msgspec import structs

from cogento.events.names import CustomerId, EventId, LeaseToken
from cogento.events.outcomes import Source
from cogento.queue import codec, keys, replies
from cogento.queue.circuit import Circuit, Dependency
from cogento.queue.claims import (
    Claim,
    Limits,
    Settlement,
)
from cogento.queue.clock import RedisClock
from cogento.queue.durable_scripts import LONG_TIMEOUT_SECONDS, TIMEOUT_SECONDS
from cogento.queue.enqueue import EnqueueCommands
from cogento.queue.errors import MailboxRefused, MailboxUnavailable
from cogento.queue.fence import FenceNotes
from cogento.queue.figures import TablesKeeper
from cogento.queue.inspection import Inspection
from cogento.queue.minutes import MinutesKeeper
from cogento.queue.pauses import format_reason, read_pause
from cogento.queue.redis_client import RedisClient
from cogento.queue.redis_commands import Call
from cogento.queue.search import EventSearch
from cogento.queue.status import Paused
from cogento.queue.waiting import MAX_CUSTOMERS, WaitingState, read_waiting
from cogento.queue.worker_registry import WorkerRegistry
from cogento.retries import LINGER_MS_PER_EVENT, MAX_LINGER_MS, PARKING, WAKEUP_WINDOW_MS

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from cogento.events.envelope import Envelope
    from cogento.queue.checks import ServerFacts
    from cogento.queue.circuit import OpenCircuit
    from cogento.queue.claims import CustomerBatch, Put
    from cogento.queue.codec import Stored
    from cogento.queue.durability import AckDurability
    from cogento.queue.pauses import Pause
    from cogento.queue.redis_commands import Argument, Reply
    from cogento.queue.status import MailboxStatus, MailboxView, Removed
    from cogento.queue.waiting import WaitingPage

MAX_CUSTOMER_EVENTS = 50
"""Of one customer in one claim, so that a customer with many keeps no other waiting."""

CLAIMED_BYTES = 8 * 1024**2
"""About how much a claim holds as stored; a worker's memory holds several times that."""

SWEPT_AT_ONCE = 1000
MAX_ORPHANED_LEASES = 100
LISTED_EVENTS = 100
EVERYTHING = ""


class Mailboxes:
    """All customers' mailboxes; one instance a process, for any number of threads or greenlets.

    Everything raises MailboxUnavailable when Redis does not do as asked within TIMEOUT_SECONDS, and may
    then be asked again.
    """

    def __init__(
        self,
        server: RedisClient,
        *,
        clock: RedisClock | None = None,
        shards: int = 1,
        ack: AckDurability | None = None,
        limits: Limits | None = None,
        name: str = "",
    ) -> None:
        self._server = server
        self._enqueue = EnqueueCommands(server, shards=shards, ack=ack, limits=limits or Limits())
        self._clock = clock or RedisClock(server)
        self._tags = keys.tags(shards)
        self._name = name
        self.workers = WorkerRegistry(server, self._clock, self._tags[0])
        self.fence_notes = FenceNotes(server, self._clock, self._tags[0])
        self.tables = TablesKeeper(server, self._clock, self._tags[0])
        self.minutes = MinutesKeeper(server, self._tags[0])
        self.search = EventSearch(server, self._clock, self._tags)
        self._orphans = OrphanedLeases()

    @classmethod
    def connect(
        cls,
        url: str,
        *,
        shards: int = 1,
        ack: AckDurability | None,
        limits: Limits | None = None,
        name: str = "",
    ) -> Mailboxes:
        """Make the mailboxes of a Redis URL; nothing is sent before it is needed.

        `name` is the process's, and tells people who has claimed a mailbox.
        """
        return cls(
            RedisClient.connect(
                url, timeout_seconds=TIMEOUT_SECONDS, long_timeout_seconds=LONG_TIMEOUT_SECONDS
            ),
            shards=shards,
            ack=ack,
            limits=limits,
            name=name,
        )

    def check(self) -> ServerFacts:
        """Ask what the server really gives; raises MailboxRefused, which says what to do, if too little."""
        return self._server.execute(self._enqueue.scripts.check())

    def ping_write(self) -> ServerFacts:
        """Write something, and return what the server gives: one that is full or read-only still answers a PING.

        Raises also when it does not give the ack level, or may evict: asked anew each time, as a put would.
        """
        for tag in self._tags:
            self._server.ask("SET", keys.probe_key(tag), 1, "EX", 10)
        try:
            return self.check()
        except MailboxRefused as refused:
            raise MailboxUnavailable(str(refused)) from refused

    def now_ms(self) -> int:
        """Return the time by Redis's clock, which every process shares."""
        return self._clock.now_ms()

    def circuit(self, dependency: Dependency) -> Circuit:
        """Return the circuit that all workers share for a dependency."""
        return Circuit(self._server, self._clock, tag=self._tags[0], dependency=dependency)

    def inspection(self, *, lease_seconds: float, rest: Callable[[float], bool]) -> Inspection:
        """Return what looks through everything for what Redis has lost; see Inspection."""
        return Inspection(self._server, self._clock, self._tags, lease_seconds=lease_seconds, rest=rest)

    def open_circuits(self) -> tuple[OpenCircuit, ...]:
        """Return the dependencies that workers wait for, or come back to."""
        circuits = (self.circuit(dependency).read() for dependency in Dependency)
        return tuple(circuit for circuit in circuits if circuit)

    def put(self, envelopes: Sequence[Envelope], *, source: Source = Source.WEBHOOK) -> list[Put]:
        """Put envelopes into their mailboxes: one script a shard, durable as promised when this returns.

        An id that waits already stays as it is. At most one result asks for a wake-up.
        """
        commands = self._enqueue.put(envelopes, source=source, now_ms=self.now_ms())
        return self._server.execute(commands)

    def claim(
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
        now_ms, lease_ms = self.now_ms(), int(lease_seconds * 1000)
        token, expires_ms = LeaseToken(f"{self._name}/{secrets.token_hex(16)}"), now_ms + lease_ms
        batches: list[CustomerBatch] = []
        # A random shard comes first, so that none is always served last.
        first = secrets.randbelow(len(self._tags))
        for tag in self._tags[first:] + self._tags[:first]:
            events = max_events - sum(len(batch.events) for batch in batches)
            if len(batches) >= max_customers or events <= 0:
                break
            bounds = (max_customers - len(batches), events, max_customer_events, CLAIMED_BYTES)
            awake = (WAKEUP_WINDOW_MS, LINGER_MS_PER_EVENT, MAX_LINGER_MS)
            batches += self._claim_shard(tag, now_ms, token, (expires_ms, *bounds, *awake))
        self._orphans.forget_expired(now_ms)
        return self._readable(Claim(token, tuple(batches), expires_ms, lease_ms)) if batches else None

    def renew(self, claim: Claim) -> bool:
        """Make the leases last as long again from now; False when not all are the caller's any more."""
        until_ms = self.now_ms() + claim.lease_ms
        return self._for_customers("renew", claim, until_ms) == len(claim.batches)

    def settle(self, claim: Claim, settlements: Sequence[Settlement]) -> frozenset[CustomerId]:
        """End the leases on these customers with what became of their events; one step a customer.

        Returns the customers whose lease had passed to somebody else: nothing of theirs was changed. May
        be called several times with parts of a claim.
        """
        now_ms = self.now_ms()
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
        lost = (
            whole[i].customer_id
            for places, codes in zip(groups.values(), self._server.run(*calls), strict=True)
            for i, code in zip(places, codes, strict=True)
            if code == replies.SettleCode.LOST
        )
        return frozenset(lost)

    def release(self, claim: Claim) -> None:
        """Give back, untouched, whatever of the claim is still the caller's."""
        self._for_customers("release", claim)

    def replay(self, customer_id: CustomerId) -> bool:
        """Let a customer's events be tried now: parked ones return, sleep ends. False: nothing to do."""
        return bool(self._one(customer_id, "replay"))

    def pause(self, customer_id: CustomerId | None = None, *, who: str = "", why: str = "") -> bool:
        """Hold one customer's events, or all, until resumed; False if it was held already, which stays as it was."""
        return self._hold("pause", customer_id, format_reason(who=who, why=why))

    def resume(self, customer_id: CustomerId | None = None) -> bool:
        """End a pause; False if there was none."""
        return self._hold("resume", customer_id)

    def paused(self) -> Paused:
        """Return what is held."""
        held = chain.from_iterable(self._server.ask("HKEYS", keys.pauses_key(tag)) for tag in self._tags)
        return Paused(self.halted(), tuple(sorted(CustomerId(id_.decode()) for id_ in held)))

    def halted(self) -> Pause | None:
        """Return who holds everything, since when and why; None when nobody does."""
        values = (self._server.ask("GET", keys.halted_key(tag)) for tag in self._tags)
        return next((pause for value in values if (pause := read_pause(value))), None)

    def waiting(
        self,
        state: WaitingState | None = None,
        *,
        customer: CustomerId | None = None,
        limit: int = MAX_CUSTOMERS,
    ) -> WaitingPage:
        """List customers whose mail waits, those of one state or `limit` of each; or one customer alone."""
        now_ms = self.now_ms()
        states = WaitingState if state is None else (state,)
        terms = (now_ms, min(limit, MAX_CUSTOMERS), customer or EVERYTHING, *states)
        shards = self._server.run(*(Call("waiting", tag, terms) for tag in self._tags))
        return read_waiting(shards, limit=limit, now_ms=now_ms)

    def parked_customers(self, *, quiet_seconds: float, limit: int) -> list[CustomerId]:
        """List customers that have had parked events for so long, a shard after the other."""
        looked_at_again_ms = self.now_ms() + int((PARKING.try_again_seconds - quiet_seconds) * 1000)
        terms = ("-inf", looked_at_again_ms, "LIMIT", 0, limit)
        found = (self._server.ask("ZRANGEBYSCORE", keys.parked_key(tag), *terms) for tag in self._tags)
        return [CustomerId(id_.decode()) for id_ in chain.from_iterable(found)][:limit]

    def remove(self, customer_id: CustomerId, event_id: EventId) -> Removed:
        """Take one waiting or parked event out for good, as an operator may."""
        return replies.REMOVED[self._one(customer_id, "remove", event_id)]

    def forget(self, customer_id: CustomerId, *, names: Collection[str] = ()) -> int | None:
        """Take all of a customer's events out for good, and erase reasons of pauses that are its own or name the person.

        Returns how many events there were; None while the customer is being worked on: its events are left then.
        `names` are in lower case.
        """
        spellings = sorted({form for name in names for form in (name, name.title(), name.upper())})
        calls = [Call("forget", tag, (self.now_ms(), customer_id, *spellings)) for tag in self._tags]
        removed = self._server.run(*calls)
        return None if min(removed) < 0 else sum(removed)

    def status(self) -> MailboxStatus:
        """Return how much waits and how old it is, over all shards."""
        now_ms = self.now_ms()
        counts = [Call("status", tag, (now_ms,)) for tag in self._tags]
        oldest = [Call("oldest", tag, (now_ms, 1)) for tag in self._tags]
        answers = self._server.run(*counts, *oldest)
        return replies.read_status(answers[: len(counts)], answers[len(counts) :], now_ms=now_ms)

    def waits_longest(self, *, limit: int) -> list[tuple[CustomerId, int]]:
        """Return the customers not paused whose first event has waited longest, with the ms when it was received."""
        now_ms = self.now_ms()
        shards = self._server.run(*(Call("oldest", tag, (now_ms, limit)) for tag in self._tags))
        return replies.read_oldest(shards)[:limit]

    def view(self, customer_id: CustomerId) -> MailboxView:
        """Return one customer's mailbox, with its first events."""
        return replies.read_view(customer_id, self._one(customer_id, "view", LISTED_EVENTS))

    def find(self, event_id: EventId) -> Stored | None:
        """Return an event that waits or is parked, wherever it is; None also when a newer version wrote it."""
        now_ms = self.now_ms()
        values = (self._server.ask("GET", keys.event_key(tag, event_id)) for tag in self._tags)
        value = next((value for value in values if value is not None), None)
        return None if value is None else codec.decode(value, now_ms=now_ms)

    def close(self) -> None:
        """Close the connections."""
        self._server.close()

    def _claim_shard(
        self, tag: str, now_ms: int, token: LeaseToken, terms: Sequence[Argument]
    ) -> list[CustomerBatch]:
        if orphans := self._orphans.tokens():
            # By itself, for a script that the server does not know yet runs after those that it does; and
            # recovery, if it came first, would count a crash.
            self._server.run(Call("release_orphans", tag, (now_ms, *orphans)))
        try:
            *_, batches = self._server.run(
                Call("recover", tag, (now_ms, SWEPT_AT_ONCE)),
                Call("wake", tag, (now_ms, SWEPT_AT_ONCE)),
                Call("claim", tag, (now_ms, token, *terms)),
            )
        except MailboxUnavailable:
            self._orphans.add(token, expires_ms=int(terms[0]))
            raise
        return [replies.read_batch(batch, now_ms=now_ms) for batch in batches]

    def _readable(self, claim: Claim) -> Claim | None:
        """Park at once the batches that hold nothing but what a newer version wrote."""
        unreadable = [Settlement(batch.customer_id) for batch in claim.batches if not batch.events]
        if not unreadable:
            return claim
        self.settle(claim, unreadable)
        batches = tuple(batch for batch in claim.batches if batch.events)
        return replace(claim, batches=batches) if batches else None

    def _for_customers(self, script: str, claim: Claim, *terms: Argument) -> int:
        """Run a script on all of a claim's customers and return the sum of its answers."""
        customers = [batch.customer_id for batch in claim.batches]
        head = (self.now_ms(), claim.token, *terms)
        calls = [
            Call(script, tag, (*head, *(customers[i] for i in places)))
            for tag, places in keys.by_shard(self._tags, customers).items()
        ]
        return sum(self._server.run(*calls))

    def _hold(self, script: str, customer_id: CustomerId | None, *terms: Argument) -> bool:
        if customer_id is not None:
            return bool(self._one(customer_id, script, *terms))
        calls = [Call(script, tag, (self.now_ms(), EVERYTHING, *terms)) for tag in self._tags]
        return any(self._server.run(*calls))

    def _one(self, customer_id: CustomerId, script: str, *terms: Argument) -> Reply:
        """Run a script on one customer."""
        (tag,) = keys.by_shard(self._tags, [customer_id])
        (reply,) = self._server.run(Call(script, tag, (self.now_ms(), customer_id, *terms)))
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


class OrphanedLeases:
    """The tokens of claims whose answer never came: given back before every claim, until their leases are over.

    A server that did such a claim, or is stuck and will do it later, leases its customers to nobody. When these
    leases expire that counts as a crash, of which four make an innocent event a dead letter.
    """

    def __init__(self) -> None:
        self._leases: deque[tuple[LeaseToken, int]] = deque(maxlen=MAX_ORPHANED_LEASES)
        self._changing = threading.Lock()

    def add(self, token: LeaseToken, *, expires_ms: int) -> None:
        """Remember one."""
        with self._changing:
            self._leases.append((token, expires_ms))

    def tokens(self) -> list[LeaseToken]:
        """Return all that are remembered."""
        with self._changing:
            return [token for token, _ in self._leases]

    def forget_expired(self, now_ms: int) -> None:
        """Forget those whose leases are over; call it when the server has answered."""
        with self._changing:
            kept = [lease for lease in self._leases if lease[1] >= now_ms]
            self._leases = deque(kept, maxlen=MAX_ORPHANED_LEASES)
