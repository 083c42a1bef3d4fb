"""The mailboxes: one per customer, its events in order, worked on by one worker at a time.

Python's side of the commands in lua/: what goes in and what comes out, over all shards. Knows Redis
through redis_client.py; nothing of Postgres, HTTP or Celery.
"""

from __future__ import annotations

from itertools import chain, islice
from typing import TYPE_CHECKING, cast

from cogento.accounts import DEFAULT_ACCOUNT
from cogento.events.names import CustomerId, EventId
from cogento.events.outcomes import Source
from cogento.queue import codec, keys, replies
from cogento.queue.alerts import SentAlerts
from cogento.queue.circuit import Circuit, Dependency
from cogento.queue.claims import Limits
from cogento.queue.clock import RedisClock
from cogento.queue.durable_scripts import TIMEOUT_SECONDS, DurableScripts
from cogento.queue.enqueue import EnqueueCommands, put_each
from cogento.queue.errors import MailboxUnavailable
from cogento.queue.fence import FenceNotes
from cogento.queue.figures import TablesKeeper
from cogento.queue.inspection import Inspection
from cogento.queue.layout import Layouts
from cogento.queue.leases import MAX_CUSTOMER_EVENTS, LeaseCommands
from cogento.queue.minutes import MinutesKeeper
from cogento.queue.pause_commands import EVERYTHING, PauseCommands
from cogento.queue.rate_limiter import KeyRefusal, RateLimiter
from cogento.queue.redis_client import connect
from cogento.queue.redis_commands import Call
from cogento.queue.redis_server import MAX_CONNECTIONS
from cogento.queue.search import EventSearch
from cogento.queue.server_checks import ServerChecks
from cogento.queue.shard_move import ShardMove
from cogento.queue.status import Paused
from cogento.queue.waiting import MAX_CUSTOMERS, WaitingState, read_waiting
from cogento.queue.worker_registry import WorkerRegistry
from cogento.retries import PARKING, WAKEUP_WINDOW_MS

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from cogento.events.envelope import Envelope
    from cogento.queue.checks import ServerFacts
    from cogento.queue.circuit import OpenCircuit
    from cogento.queue.claims import Claim, Put, Settlement
    from cogento.queue.codec import Stored
    from cogento.queue.durability import AckDurability
    from cogento.queue.pauses import Pause
    from cogento.queue.redis_client import RedisClient
    from cogento.queue.redis_commands import Argument
    from cogento.queue.status import MailboxStatus, MailboxView, Removed
    from cogento.queue.waiting import WaitingPage

LISTED_EVENTS = 100


class Mailboxes:
    """All customers' mailboxes; for any number of tasks of one event loop.

    Everything raises MailboxUnavailable when Redis refuses or does not answer in time; asking again is then safe.
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
        account: str = DEFAULT_ACCOUNT,
        scripts: DurableScripts | None = None,
    ) -> None:
        self._server = server
        self._shards = shards
        self._account, self._name = account, name
        self._ack, self._replicas = ack, replicas
        self._clock = clock or RedisClock(server)
        self._layouts = Layouts(server, self._clock, wanted_count=shards, account=account)
        scripts = scripts or DurableScripts(ack, replicas=replicas)
        self.enqueue = EnqueueCommands(server, self._layouts, scripts, limits=limits or Limits())
        self._checks = ServerChecks(server, scripts, self._layouts)
        self._leases = LeaseCommands(
            server, self._clock, self._layouts, ack=ack, replicas=replicas, name=name
        )
        self._pauses = PauseCommands(server, self._clock, self._layouts)
        self.workers = WorkerRegistry(server, self._clock, self._layouts.first_tag)
        self.fence_notes = FenceNotes(server, self._clock, self._layouts.first_tag)
        self.key_refusal = KeyRefusal(server, self._clock, self._layouts.first_tag)
        self.tables = TablesKeeper(server, self._clock, self._layouts.first_tag)
        self.minutes = MinutesKeeper(server, self._layouts.first_tag)
        self.sent_alerts = SentAlerts(server, self._layouts.first_tag)
        self.search = EventSearch(server, self._clock, self._layouts)

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
        account: str = DEFAULT_ACCOUNT,
    ) -> Mailboxes:
        """Make the mailboxes of an account at a Redis URL; nothing is sent before it is needed.

        `name` is the process's, and tells people who has claimed a mailbox. `replicas` matters with `redis_replicated` only.
        `shards` is how many there are to be (shard_move.py); until they are, everything goes by how many there are.
        """
        client = connect(url, timeout_seconds=timeout_seconds, max_connections=max_connections)
        return cls(
            client, shards=shards, ack=ack, replicas=replicas, limits=limits, name=name, account=account
        )

    def of_account(self, account: str) -> Mailboxes:
        """Return another account's mailboxes on the same servers, over the same connections: closing one closes both."""
        return Mailboxes(
            self._server,
            clock=self._clock,
            shards=self._shards,
            ack=self._ack,
            replicas=self._replicas,
            limits=self.enqueue.limits,
            name=self._name,
            account=account,
            scripts=self.enqueue.scripts,
        )

    async def check(self) -> ServerFacts:
        """Ask what each server guarantees; see ServerChecks.check."""
        return await self._checks.check()

    async def check_at_start(self) -> ServerFacts:
        """Check all servers as a process starts; see ServerChecks.check_at_start."""
        return await self._checks.check_at_start()

    async def ping_write(self) -> ServerFacts:
        """Write something, and return what the servers give; see ServerChecks.ping_write."""
        return await self._checks.ping_write()

    async def now_ms(self) -> int:
        """Return the time by Redis's clock, which every process shares."""
        return await self._clock.now_ms()

    def circuit(self, dependency: Dependency) -> Circuit:
        """Return the circuit that all workers share for a dependency."""
        return Circuit(self._server, self._clock, tag=self._layouts.first_tag, dependency=dependency)

    def rate_limiter(self, *, requests_per_second: float) -> RateLimiter:
        """Return the rate limit that all processes share for requests to Stripe."""
        return RateLimiter(
            self._server, requests_per_second=requests_per_second, clock=self._clock, account=self._account
        )

    def inspection(self, *, lease_seconds: float) -> Inspection:
        """Return the inspection, which looks for what Redis has lost."""
        return Inspection(self._server, self._clock, self._layouts, lease_seconds=lease_seconds)

    def shard_move(self) -> ShardMove:
        """Return the shard move, which moves mailboxes when the number of shards is to change."""
        scripts = self.enqueue.scripts
        return ShardMove(
            self._server, self._clock, self._layouts, scripts, self.workers, wanted_count=self._shards
        )

    async def open_circuits(self) -> tuple[OpenCircuit, ...]:
        """Return the dependencies that workers wait for, or are returning to."""
        circuits = [await self.circuit(dependency).read() for dependency in Dependency]
        return tuple(circuit for circuit in circuits if circuit)

    async def put(self, envelopes: Sequence[Envelope], *, source: Source = Source.WEBHOOK) -> list[Put]:
        """Put envelopes into their mailboxes, by one script for all shards of a server; durable as promised when this returns.

        An id that waits already stays as it is. At most one result asks for a wake-up.
        """
        each = [(self.enqueue, envelope) for envelope in envelopes]
        puts = await put_each(each, source=source, now_ms=await self.now_ms())
        for put in puts:
            if isinstance(put, MailboxUnavailable):
                raise put
        return cast("list[Put]", puts)

    def lane(self, customer_id: CustomerId) -> str:
        """Return which puts may share a call with this customer's: those that the same server keeps."""
        layout = self._layouts.known
        return "" if layout is None else self._server.lane(layout.homes(customer_id)[0])

    def longest_put_seconds(self) -> float:
        """Return how long a put may take before it raises; more where it waits for the disk."""
        return self.enqueue.scripts.longest_seconds()

    async def claim(
        self,
        *,
        max_customers: int,
        max_events: int,
        lease_seconds: float,
        max_customer_events: int = MAX_CUSTOMER_EVENTS,
        awake_ms: int = WAKEUP_WINDOW_MS,
    ) -> Claim | None:
        """Lease the customers at the head of the line to the caller; see LeaseCommands.claim."""
        return await self._leases.claim(
            max_customers=max_customers,
            max_events=max_events,
            lease_seconds=lease_seconds,
            max_customer_events=max_customer_events,
            awake_ms=awake_ms,
        )

    async def find_ready(self, each: Sequence[Mailboxes]) -> list[bool]:
        """Tell for each account whether a claim could find something; all share these connections. One round trip per server."""
        if not each:
            return []
        now_ms = await self.now_ms()
        calls = [await one.ready_calls(now_ms) for one in each]
        answers = iter(await self._server.run(*chain.from_iterable(calls)))
        return [any(list(islice(answers, len(mine)))) for mine in calls]

    async def ready_calls(self, now_ms: int) -> list[Call]:
        """Return the calls that ask each shard whether a claim could find something."""
        return [Call("ready", tag, (now_ms,)) for tag in (await self._layouts.get()).tags]

    async def renew(self, claim: Claim) -> bool:
        """Make the leases last as long again from now; see LeaseCommands.renew."""
        return await self._leases.renew(claim)

    async def settle(self, claim: Claim, settlements: Sequence[Settlement]) -> frozenset[CustomerId]:
        """End the leases on these customers with what became of their events; see LeaseCommands.settle."""
        return await self._leases.settle(claim, settlements)

    async def release(self, claim: Claim) -> None:
        """Give back, untouched, whatever of the claim is still the caller's."""
        await self._leases.release(claim)

    async def replay(self, customer_id: CustomerId) -> bool:
        """Have a customer's events tried now: parked ones return, and a sleeping customer wakes. False: nothing to do."""
        return bool(await self._where_it_is(customer_id, "replay"))

    async def pause(self, customer_id: CustomerId | None = None, *, who: str = "", why: str = "") -> bool:
        """Pause one customer, or all; see PauseCommands.pause."""
        return await self._pauses.pause(customer_id, who=who, why=why)

    async def resume(self, customer_id: CustomerId | None = None) -> bool:
        """End a pause; see PauseCommands.resume."""
        return await self._pauses.resume(customer_id)

    async def paused(self) -> Paused:
        """Return what is paused; see PauseCommands.paused."""
        return await self._pauses.paused()

    async def pause_of_everything(self) -> Pause | None:
        """Return who paused everything, since when and why; None when nobody did."""
        return await self._pauses.of_everything()

    async def waiting(
        self,
        state: WaitingState | None = None,
        *,
        customer: CustomerId | None = None,
        limit: int = MAX_CUSTOMERS,
    ) -> WaitingPage:
        """List customers whose events wait, at most `limit` of each state, or only of `state`; or one customer alone."""
        now_ms = await self.now_ms()
        states = WaitingState if state is None else (state,)
        terms = (now_ms, min(limit, MAX_CUSTOMERS), customer or EVERYTHING, *states)
        tags = (await self._layouts.refresh()).tags
        shards = await self._server.run(*(Call("waiting", tag, terms) for tag in tags))
        return read_waiting(shards, limit=limit, now_ms=now_ms)

    async def parked_customers(self, *, quiet_seconds: float, limit: int) -> list[CustomerId]:
        """List customers whose parked events have not been looked at for `quiet_seconds`, one shard after the other."""
        looked_at_again_ms = await self.now_ms() + int((PARKING.try_again_seconds - quiet_seconds) * 1000)
        terms = ("-inf", looked_at_again_ms, "LIMIT", 0, limit)
        tags = (await self._layouts.refresh()).tags
        found = [await self._server.ask("ZRANGEBYSCORE", keys.parked_key(tag), *terms) for tag in tags]
        return [CustomerId(id_.decode()) for id_ in chain.from_iterable(found)][:limit]

    async def remove(self, customer_id: CustomerId, event_id: EventId) -> Removed:
        """Take one waiting or parked event out for good, as an operator may."""
        return replies.REMOVED[await self._where_it_is(customer_id, "remove", event_id)]

    async def forget(
        self, customer_id: CustomerId, *, known: Collection[EventId], names: Collection[str] = ()
    ) -> int | None:
        """Take all of a customer's events out for good, and erase reasons of pauses that are its own or name the person.

        Returns how many events there were. None when events are left: while the customer is being worked on, or when it has
        others than the `known` ones.
        """
        forms = {form for name in names for form in (name, name.lower(), name.title(), name.upper())}
        terms: list[Argument] = [len(known), *known, *sorted(forms)]
        now_ms, removed = await self.now_ms(), 0
        layout = await self._layouts.refresh()
        # In this order: meanwhile its events may move from the first to the last. In retired shards nobody works: reasons of pauses
        # are there, and events where Redis has lost that they moved.
        for tag in layout.counted_tags:
            head: list[Argument] = [now_ms, customer_id, int(tag not in layout.tags)]
            (reply,) = await self._server.run(Call("forget", tag, (*head, *terms)))
            if reply < 0:
                return None
            removed += reply
        return removed

    async def status(self) -> MailboxStatus:
        """Return how much waits and how old it is, over all shards."""
        now_ms, layout = await self.now_ms(), await self._layouts.refresh()
        counts = [Call("status", tag, (now_ms,)) for tag in layout.counted_tags]
        oldest = [Call("oldest", tag, (now_ms, 1)) for tag in layout.tags]
        answers = await self._server.run(*counts, *oldest)
        return replies.read_status(answers[: len(counts)], answers[len(counts) :], now_ms=now_ms)

    async def waits_longest(self, *, limit: int) -> list[tuple[CustomerId, int]]:
        """Return the customers not paused whose first event has waited longest, with the ms when it was received."""
        now_ms = await self.now_ms()
        tags = (await self._layouts.refresh()).tags
        shards = await self._server.run(*(Call("oldest", tag, (now_ms, limit)) for tag in tags))
        return replies.read_oldest(shards)[:limit]

    async def view(self, customer_id: CustomerId, *, limit: int = LISTED_EVENTS) -> MailboxView:
        """Return one customer's mailbox, with its first events: at most `limit` that wait and as many that are parked."""
        now_ms, layout = await self.now_ms(), await self._layouts.refresh()
        for tag in layout.homes(customer_id):
            (reply,) = await self._server.run(Call("view", tag, (now_ms, customer_id, limit)))
            view = replies.read_view(customer_id, reply)
            if view.state or view.pause or view.waiting_total or view.parked_total:
                break
        return view

    async def find(self, event_id: EventId) -> Stored | None:
        """Return an event that waits or is parked, wherever it is; None also when a newer version wrote it."""
        now_ms = await self.now_ms()
        for tag in (await self._layouts.refresh()).tags:
            value = await self._server.ask("GET", keys.event_key(tag, event_id))
            if value is not None:
                return codec.decode(value, now_ms=now_ms)
        return None

    async def close(self) -> None:
        """Close the connections."""
        await self._server.close()

    async def _where_it_is(self, customer_id: CustomerId, script: str, *terms: Argument) -> int:
        """Run a script on the shards where a customer's mailbox may be, until one finds something (0: none did)."""
        reply = 0
        for tag in (await self._layouts.refresh()).homes(customer_id):
            (reply,) = await self._server.run(Call(script, tag, (await self.now_ms(), customer_id, *terms)))
            if reply:
                break
        return reply


async def put_together(
    puts: Sequence[tuple[Mailboxes, Envelope]],
) -> Sequence[Put | MailboxUnavailable]:
    """Put envelopes of several accounts, whose mailboxes share their connections, in one call; see `put`.

    A result is a MailboxUnavailable where that account's shard failed and others did not.
    """
    first = puts[0][0]
    if all(mailboxes is first for mailboxes, _ in puts):
        return await first.put([envelope for _, envelope in puts])
    now_ms = await first.now_ms()
    each = [(mailboxes.enqueue, envelope) for mailboxes, envelope in puts]
    return await put_each(each, source=Source.WEBHOOK, now_ms=now_ms)
