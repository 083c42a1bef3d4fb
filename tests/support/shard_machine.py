"""Shards change while receivers and workers run that may not know of it, and a process that moves mailboxes may die anywhere.

On the real Lua. Three clients know the layout of different moments. A mover is stopped before any of its scripts, which may
still be run later, after another mover has continued, or before any of its scans; and anything may happen between two of these. In all cases nothing
acknowledged is lost or processed twice, no customer is processed by two workers at once, out of order or while paused, and in
the end everything is in the shards that were wanted last. `shard_machine_on(client)` returns the test case; it flushes the
server.
"""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from cogento import runtime
from cogento.events.names import CustomerId, EventId
from cogento.queue import keys
from cogento.queue.claims import PutResult, Settlement
from cogento.queue.durable_scripts import DurableScripts
from cogento.queue.layout import Layout, ShardSet
from cogento.queue.mailboxes import Mailboxes
from cogento.queue.redis_server import RedisServer
from cogento.queue.shard_move import ShardMove
from cogento.queue.worker_registry import Heartbeat
from tests.support.fake_redis import client_on
from tests.support.mailbox_builders import START_MS, ManualClock, envelope
from tests.support.mailbox_invariants import broken_invariants

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    import redis

    from cogento.queue.claims import Claim
    from cogento.queue.redis_client import RedisClient
    from cogento.queue.redis_commands import Argument, Call, Reply

CUSTOMERS = tuple(CustomerId(f"cus_{letter}") for letter in "abcd")
WISHES = (1, 2, 3, 5)
CLIENTS = range(3)
LEASE_MS = 10_000
FOREVER = 1000
LIKELY_STEPS = 24
SCANS = ("SCAN", "HSCAN")
MAX_RUNS = 20
FATES = ("done", "done", "parked", "stays")

clients = st.sampled_from(CLIENTS)
customers = st.sampled_from(CUSTOMERS)
Deed = tuple[str, int, CustomerId, int]
DEEDS = {
    "put": 2,
    "claim": 1,
    "settle": 1,
    "park": 2,
    "replay": 2,
    "pause": 1,
    "resume": 2,
    "halt": 1,
    "go on": 2,
}
"""What may happen, and how often: customers are in line more often than paused, and often only their parked events are there."""
deeds = st.tuples(
    st.sampled_from([deed for deed, times in DEEDS.items() for _ in range(times)]),
    clients,
    customers,
    st.integers(0, 2),
)


class Died(BaseException):
    """The mover was killed."""


class Steps:
    """A mover's scripts and scans: something happens before some of them, and before one of them the mover is killed."""

    def __init__(self, *, kill_at: int, meanwhile: Sequence[Callable[[], Awaitable[None]] | None]) -> None:
        self._left = kill_at
        self._meanwhile = iter(meanwhile)

    async def begin(self) -> None:
        if self._left == 0:
            raise Died
        self._left -= 1
        if happens := next(self._meanwhile, None):
            await happens()


class HookedScripts(DurableScripts):
    """A mover's scripts; `unsent` are those before which it was killed."""

    def __init__(self, steps: Steps) -> None:
        super().__init__(None)
        self.unsent: list[Call] = []
        self._steps = steps

    async def run(self, client: RedisClient, calls: Sequence[Call]) -> list[Reply]:
        try:
            await self._steps.begin()
        except Died:
            self.unsent += calls
            raise
        return await super().run(client, calls)


class HookedServer(RedisServer):
    """A mover's scans, over another client's connections."""

    def __init__(self, server: RedisServer, steps: Steps) -> None:
        self.__dict__.update(server.__dict__)
        self._steps = steps

    async def ask(self, *command: Argument) -> Reply:
        if command[0] in SCANS:
            await self._steps.begin()
        return await super().ask(*command)


class ShardMachine(RuleBasedStateMachine):
    """`client` is set by `shard_machine_on`."""

    client: redis.Redis

    def __init__(self) -> None:
        super().__init__()
        self.client.flushall()
        self.clock = ManualClock()
        self.server = client_on(self.client)
        self.clients = [Mailboxes(client_on(self.client), clock=self.clock, name=f"{k}") for k in CLIENTS]
        self.wanted_count = 1
        self.waits: dict[str, tuple[CustomerId, int, int]] = {}  # event: its customer, second and arrival
        self.sent = 0
        self.done: set[str] = set()
        self.held: dict[CustomerId, tuple[Claim, int]] = {}  # customers that are leased, and until when
        self.claims: list[tuple[int, Claim]] = []
        self.paused: set[CustomerId] = set()
        self.is_halted = False
        self.late: list[Call] = []

    @rule(deed=deeds)
    def somebody_does_something(self, deed: Deed) -> None:
        runtime.run(self._do(deed))

    @rule(
        shards=st.sampled_from(WISHES),
        kill_at=st.one_of(st.integers(0, LIKELY_STEPS), st.just(FOREVER)),
        meanwhile=st.lists(st.one_of(st.none(), deeds), max_size=LIKELY_STEPS),
    )
    def mailboxes_move(self, shards: int, kill_at: int, meanwhile: list[Deed | None]) -> None:
        self.wanted_count = shards
        self._move(kill_at, [deed and partial(self._do, deed) for deed in meanwhile])

    @rule()
    def what_a_dead_mover_sent_is_done_after_all(self) -> None:
        late, self.late = self.late, []
        for call in late:
            runtime.run(self.server.run(call))

    @rule(ms=st.sampled_from([1, LEASE_MS + 1, 400_000]))
    def time_passes(self, ms: int) -> None:
        self.clock.ms += ms

    def teardown(self) -> None:
        for _ in range(MAX_RUNS):
            if self._is_as_wanted():
                break
            self._move(FOREVER, [])
            self.clock.ms += LEASE_MS + 1
            runtime.run(self._recover())
        assert self._is_as_wanted(), "it does not come to an end"
        self.what_a_dead_mover_sent_is_done_after_all()
        self.clock.ms += LEASE_MS + 1
        runtime.run(self._empty())
        self._judge()
        runtime.run(self._close())

    def _is_as_wanted(self) -> bool:
        found: Any = self.client.get(keys.layout_key(keys.FIRST_TAG))
        layout = Layout.parse(found or b"")
        if layout is None:
            return self.wanted_count == 1 and not self.sent
        return not layout.is_changing and layout.current.count == self.wanted_count

    async def _recover(self) -> None:
        """Recover customers whose leases have expired."""
        claim = await self.clients[0].claim(max_customers=9, max_events=99, lease_seconds=LEASE_MS / 1000)
        if claim is not None:
            self._note(0, claim)
            await self.clients[0].release(claim)
            self.held.clear()

    async def _do(self, deed: Deed) -> None:
        what, client, customer, number = deed
        mailboxes = self.clients[client]
        match what:
            case "put":
                await self._put(mailboxes, customer, second=number)
            case "claim":
                await self._claim(client)
            case "settle" if self.claims:
                await self._settle(*self.claims.pop(number % len(self.claims)), number)
            case "park":
                await self._put(mailboxes, customer, second=number)
                if await self._claim(client):
                    await self._settle(*self.claims.pop(), number, fates=("parked",))
            case "replay":
                for each in CUSTOMERS:
                    await mailboxes.replay(each)
            case "pause" | "resume" | "halt" | "go on":
                await self._pause(mailboxes, what, customer)

    async def _pause(self, mailboxes: Mailboxes, what: str, customer: CustomerId) -> None:
        match what:
            case "pause":
                await mailboxes.pause(customer)
                self.paused.add(customer)
            case "resume":
                await mailboxes.resume(customer)
                self.paused.discard(customer)
            case "halt":
                await mailboxes.pause()
                self.is_halted = True
            case "go on":
                await mailboxes.resume()
                self.is_halted = False

    async def _put(self, mailboxes: Mailboxes, customer: CustomerId, *, second: int) -> None:
        """Put a new event, or one that waits already, again."""
        self.sent += 1
        name = f"evt_{self.sent}"
        again = next((id_ for id_, (whose, _, _) in self.waits.items() if whose == customer), None)
        seconds = [(name, second)] + ([(again, self.waits[again][1])] if again else [])
        puts = await mailboxes.put([envelope(id_, customer=customer, second=when) for id_, when in seconds])
        assert [put.result for put in puts] == [PutResult.QUEUED, PutResult.DUPLICATE][: len(puts)]
        self.waits[name] = (customer, second, self.sent)

    async def _claim(self, client: int) -> bool:
        """Claim, and say whether something was ready."""
        claim = await self.clients[client].claim(
            max_customers=2, max_events=3, lease_seconds=LEASE_MS / 1000, max_customer_events=2
        )
        self._note(client, claim)
        return claim is not None

    def _note(self, client: int, claim: Claim | None) -> None:
        """Check that no leased or paused customer is claimed, and that events come in order."""
        if claim is None:
            return
        assert not self.is_halted
        for batch in claim.batches:
            assert batch.customer_id not in self.paused
            _, until = self.held.get(batch.customer_id, (claim, 0))
            assert until <= self.clock.ms, f"two work on {batch.customer_id}"
            ids = [event.event_id for event in batch.events]
            assert ids == sorted(ids, key=lambda id_: self.waits[id_][1:])
            self.held[batch.customer_id] = (claim, self.clock.ms + LEASE_MS)
        self.claims.append((client, claim))

    async def _settle(self, client: int, claim: Claim, number: int, *, fates: Sequence[str] = FATES) -> None:
        fate_of = {
            event.event_id: fates[(number + i) % len(fates)]
            for batch in claim.batches
            for i, event in enumerate(batch.events)
        }
        settlements = [
            Settlement(
                batch.customer_id,
                done=tuple(event.event_id for event in batch.events if fate_of[event.event_id] == "done"),
                parked=tuple(event.event_id for event in batch.events if fate_of[event.event_id] == "parked"),
                postponed_until_ms=self.clock.ms + 20_000 if number == 1 else None,
                released=number == 0,
            )
            for batch in claim.batches
        ]
        lost = await self.clients[client].settle(claim, settlements)
        for one in settlements:
            if one.customer_id not in lost:
                assert self.held.pop(one.customer_id)[0].token == claim.token
                assert not self.done & {*one.done}
                self.done |= {*one.done}
                for id_ in one.done:
                    del self.waits[id_]

    def _move(self, kill_at: int, meanwhile: Sequence[Callable[[], Awaitable[None]] | None]) -> None:
        steps = Steps(kill_at=kill_at, meanwhile=meanwhile)
        scripts = HookedScripts(steps)
        runtime.run(self._move_until(steps, scripts))
        self.late += scripts.unsent
        self.client.delete(keys.moving_key(keys.FIRST_TAG))

    async def _move_until(self, steps: Steps, scripts: HookedScripts) -> None:
        mailboxes = Mailboxes(self.server, clock=self.clock, shards=self.wanted_count)
        await mailboxes.workers.beat(Heartbeat("worker", "1", START_MS, None, self.wanted_count), {})
        move = ShardMove(
            HookedServer(self.server, steps),
            self.clock,
            mailboxes._layouts,
            scripts,
            mailboxes.workers,
            wanted_count=self.wanted_count,
        )
        with suppress(Died):
            await move.run()

    async def _empty(self) -> None:
        """Process everything that waits, also if paused or parked."""
        mailboxes = self.clients[0]
        await mailboxes.resume()
        self.is_halted = False
        for customer in CUSTOMERS:
            await mailboxes.resume(customer)
            await mailboxes.replay(customer)
        self.paused.clear()
        self.held.clear()
        while claim := await mailboxes.claim(max_customers=9, max_events=99, lease_seconds=LEASE_MS / 1000):
            self._note(0, claim)
            done = [
                Settlement(one.customer_id, tuple(event.event_id for event in one.events))
                for one in claim.batches
            ]
            assert not await mailboxes.settle(claim, done)
            self.held.clear()
            for one in done:
                for id_ in one.done:
                    del self.waits[EventId(id_)]
        assert await mailboxes.paused() == await self.clients[1].paused()

    def _judge(self) -> None:
        assert not self.waits, "lost"
        for shards in WISHES:
            for tag in ShardSet(shards).tags:
                assert broken_invariants(self.client, tag) == []
        assert runtime.run(self.clients[0].status()).counters.accepted == self.sent

    async def _close(self) -> None:
        for mailboxes in self.clients:
            await mailboxes.close()
        await self.server.close()


def shard_machine_on(client: redis.Redis, *, examples: int, steps: int) -> type[Any]:
    """Return the unittest case of the machine on this server."""
    here = type("ShardMachineHere", (ShardMachine,), {"client": client})
    here.TestCase.settings = settings(  # type: ignore[attr-defined]
        max_examples=examples, stateful_step_count=steps, suppress_health_check=[HealthCheck.too_slow]
    )
    case: type[Any] = here.TestCase  # type: ignore[attr-defined]
    return case
