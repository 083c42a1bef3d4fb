"""Any sequence of commands on the real Lua and on the reference, compared after every step.

`machine_on(client)` gives the test case for one kind of server; it flushes what it is given.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, multiple, precondition, rule

from cogento.events.names import CustomerId, EventId
from cogento.queue.claims import Claim, FailedAttempt, Limits, PutResult, Settlement
from cogento.queue.errors import MailboxUnavailable
from tests.support.looped import LoopedMailboxes
from tests.support.mailbox_builders import START_MS, ManualClock, envelope
from tests.support.mailbox_harm import HARMS, SINGLE_KEYS, TAG, failing_half_way, inspect
from tests.support.mailbox_invariants import broken_invariants
from tests.support.mailbox_reference import Reference

if TYPE_CHECKING:
    from collections.abc import Callable

    import redis

    from cogento.events.envelope import Envelope
    from cogento.queue.claims import CustomerBatch

CUSTOMERS = ("cus_a", "cus_b", "cus_c")
LIMITS = Limits(customer_events=5, total_events=9)
LEASE_SECONDS = 10.0
FATES = ("done", "done", "parked", "failed", "stays")

customers = st.sampled_from(CUSTOMERS).map(CustomerId)
numbers = st.integers(0, 3)
drawn_letters = st.tuples(customers, numbers, st.integers(0, 2), st.sampled_from(["one", "one", "two"]))


def letter(customer: str, number: int, second: int, content: str) -> Envelope:
    """One of four events of a customer, in one of three seconds, with one of two contents."""
    return envelope(f"evt_{customer[-1]}{number}", customer=customer, second=second, content=content)


class MailboxMachine(RuleBasedStateMachine):
    """`client` is set by `machine_on`."""

    client: redis.Redis
    claims = Bundle("claims")

    def __init__(self) -> None:
        super().__init__()
        self.client.flushall()
        self.clock = ManualClock()
        self.mailboxes = LoopedMailboxes.on(self.client, clock=self.clock, limits=LIMITS)
        self.reference = Reference(LIMITS)
        self.latest: Claim | None = None

    @rule(batch=st.lists(drawn_letters, min_size=1, max_size=3))
    def put(self, batch: list[tuple[str, int, int, str]]) -> None:
        envelopes = [letter(*drawn) for drawn in batch]
        puts = self.mailboxes.put(envelopes)
        expected = [
            self.reference.put(self.clock.ms, one.customer_id, one.event_id, one.created, drawn[3])
            for one, drawn in zip(envelopes, batch, strict=True)
        ]
        assert [put.result for put in puts] == expected
        wakes = PutResult.QUEUED in expected and self.reference.wake(self.clock.ms)
        assert sum(put.needs_wakeup for put in puts) == wakes

    @rule(
        target=claims,
        later_ms=st.sampled_from([0, 0, 60, 11_000, 400_000]),
        max_customers=st.integers(1, 3),
        max_events=st.integers(1, 6),
        max_customer_events=st.integers(1, 4),
    )
    def claim(self, later_ms: int, **bounds: int) -> Any:
        self.clock.ms += later_ms
        claim = self.mailboxes.claim(lease_seconds=LEASE_SECONDS, **bounds)
        expected = self.reference.claim(
            self.clock.ms, claim.token if claim else "", lease_ms=int(LEASE_SECONDS * 1000), **bounds
        )
        batches = claim.batches if claim else ()
        assert [
            (batch.customer_id, batch.crashes, [one.event_id for one in batch.events]) for batch in batches
        ] == expected
        for one in (one for batch in batches for one in batch.events):
            known = self.reference.tries.get(one.event_id)
            assert one.attempts == (known.attempts if known else 0)
        self.latest = claim or self.latest
        return claim or multiple()

    @rule(claim=claims, data=st.data())
    def settle_any(self, claim: Claim, data: st.DataObject) -> None:
        self._settle(claim, data)

    @precondition(lambda self: self.latest is not None)
    @rule(data=st.data())
    def settle_latest(self, data: st.DataObject) -> None:
        assert self.latest is not None
        self._settle(self.latest, data)

    def _settle(self, claim: Claim, data: st.DataObject) -> None:
        settlements = [self._settlement(batch.customer_id, data) for batch in claim.batches]
        lost = self.mailboxes.settle(claim, settlements)
        kept = {
            one.customer_id: self.reference.settle(self.clock.ms, claim.token, one) for one in settlements
        }
        assert lost == {customer for customer, was_ours in kept.items() if not was_ours}

    def _settlement(self, customer: CustomerId, data: st.DataObject) -> Settlement:
        """Any subset of the customer's ids, whether they were in the claim or not."""
        ids = [EventId(f"evt_{customer[-1]}{number}") for number in range(4)]
        fates = data.draw(st.lists(st.sampled_from(FATES), min_size=4, max_size=4))
        chosen = {
            fate: tuple(id_ for id_, f in zip(ids, fates, strict=True) if f == fate) for fate in set(fates)
        }
        sleep_ms = data.draw(st.sampled_from([None, None, 50, 20_000]))
        return Settlement(
            customer,
            done=chosen.get("done", ()),
            parked=chosen.get("parked", ()),
            failed=tuple(FailedAttempt(id_, 3, START_MS, "bug") for id_ in chosen.get("failed", ())),
            released=data.draw(st.sampled_from([False, False, False, True])),
            postponed_until_ms=sleep_ms and self.clock.ms + sleep_ms,
        )

    @rule(claim=claims)
    def renew(self, claim: Claim) -> None:
        names = [batch.customer_id for batch in claim.batches]
        expected = self.reference.renew(self.clock.ms, claim.token, list(names), claim.lease_ms)
        assert self.mailboxes.renew(claim) == expected

    @rule(claim=claims)
    def release(self, claim: Claim) -> None:
        self.mailboxes.release(claim)
        self.reference.release(self.clock.ms, claim.token, [batch.customer_id for batch in claim.batches])

    @rule(ms=st.sampled_from([1, 60, 150]))
    def time_passes(self, ms: int) -> None:
        self.clock.ms += ms

    @rule(customer=customers)
    def replay(self, customer: CustomerId) -> None:
        assert self.mailboxes.replay(customer) == self.reference.replay(self.clock.ms, customer)

    @rule(customer=customers, why=st.sampled_from(["", "INC 7"]))
    def pause(self, customer: CustomerId, why: str) -> None:
        paused = self.mailboxes.pause(customer, who="ops", why=why)
        assert paused == self.reference.pause(self.clock.ms, customer, why=why)

    @rule(customer=customers)
    def resume(self, customer: CustomerId) -> None:
        assert self.mailboxes.resume(customer) == self.reference.resume(self.clock.ms, customer)

    @rule()
    def claim_while_everything_is_paused(self) -> None:
        assert self.mailboxes.pause()
        self.reference.is_halted = True
        self.claim(0, max_customers=3, max_events=6, max_customer_events=4)
        assert not self.mailboxes.pause()
        assert self.mailboxes.resume()
        self.reference.is_halted = False

    @rule(customer=customers, number=numbers)
    def remove(self, customer: CustomerId, number: int) -> None:
        event_id = EventId(f"evt_{customer[-1]}{number}")
        assert self.mailboxes.remove(customer, event_id) == self.reference.remove(customer, event_id)

    @rule()
    def server_forgets_its_scripts(self) -> None:
        self.client.script_flush()

    @invariant()
    def keys_keep_the_invariants(self) -> None:
        assert broken_invariants(self.client) == []

    @invariant()
    def both_see_the_same(self) -> None:
        for customer in CUSTOMERS:
            view, box = self.mailboxes.view(CustomerId(customer)), self.reference.box(customer)
            assert [one.event_id for one in view.waiting] == [one.event_id for one in box.waiting]
            assert [one.event_id for one in view.parked] == [one.event_id for one in box.parked]
            assert (view.state, view.state_ms, view.crashes) == (box.state, box.state_ms, box.crashes)
            assert (view.pause, view.parked_look_ms) == (box.pause, box.look_ms)

    @invariant()
    def both_list_the_same_customers(self) -> None:
        page = self.mailboxes.waiting()
        for state, boxes in self.reference.waiting().items():
            assert {row.customer_id: row.events for row in page.rows if row.state is state} == boxes
        status = self.mailboxes.status()
        assert status.oldest_event_ms == self.reference.oldest_ms(paused=False)
        assert status.oldest_paused_ms == self.reference.oldest_ms(paused=True)

    @invariant()
    def nothing_is_lost(self) -> None:
        status = self.mailboxes.status()
        assert status.counters.accepted == self.reference.accepted
        left = status.waiting + status.parked + status.counters.settled + status.counters.removed
        assert left == status.counters.accepted

    def teardown(self) -> None:
        self.mailboxes.close()


def machine_on(client: redis.Redis, *, examples: int, steps: int) -> type[Any]:
    """Return the unittest case of the machine on this server."""
    return _case(MailboxMachine, client, examples=examples, steps=steps)


def _case(machine: type[Any], client: redis.Redis, *, examples: int, steps: int) -> type[Any]:
    here = type(f"{machine.__name__}Here", (machine,), {"client": client})
    here.TestCase.settings = settings(  # type: ignore[attr-defined]
        max_examples=examples,
        stateful_step_count=steps,
        suppress_health_check=[HealthCheck.too_slow],
    )
    case: type[Any] = here.TestCase  # type: ignore[attr-defined]
    return case


class LossMachine(RuleBasedStateMachine):
    """Keys vanish or turn to junk, and commands fail half way, between the commands of workers and receivers.

    Once it was inspected, and leases have ended, every invariant holds and everything that was acknowledged and
    not settled waits. `client` is set by `loss_machine_on`.
    """

    client: redis.Redis

    def __init__(self) -> None:
        super().__init__()
        self.client.flushall()
        self.clock = ManualClock()
        self.mailboxes = LoopedMailboxes.on(self.client, clock=self.clock)
        self.inspection = self.mailboxes.inspection(lease_seconds=LEASE_SECONDS)
        self.owed: set[str] = set()
        self.perhaps: set[str] = set()
        self.latest: Claim | None = None

    @rule(
        batch=st.lists(drawn_letters, min_size=1, max_size=3), writes=st.sampled_from([None, 0, 1, 2, 3, 5])
    )
    def put(self, batch: list[tuple[str, int, int, str]], writes: int | None) -> None:
        envelopes = [letter(customer, number, second, "one") for customer, number, second, _ in batch]
        names = {one.event_id for one in envelopes}
        self.perhaps |= names - self.owed
        if self._done("put", writes, lambda: self.mailboxes.put(envelopes)):
            self.owed |= names
            self.perhaps -= names

    @rule(writes=st.sampled_from([None, 0, 1, 2, 3]))
    def claim(self, writes: int | None) -> None:
        def claim() -> None:
            claimed = self.mailboxes.claim(max_customers=2, max_events=4, lease_seconds=LEASE_SECONDS)
            self.latest = claimed or self.latest

        self._done("claim", writes, claim)

    @precondition(lambda self: self.latest is not None)
    @rule(writes=st.sampled_from([None, 0, 1, 3, 5, 8]), data=st.data())
    def settle(self, writes: int | None, data: st.DataObject) -> None:
        assert self.latest is not None
        claim = self.latest
        settlements = [self._settlement(batch, data) for batch in claim.batches]
        done = {event for one in settlements for event in one.done}
        self.perhaps |= done & self.owed
        self.owed -= done
        self._done("settle", writes, lambda: self.mailboxes.settle(claim, settlements))

    def _settlement(self, batch: CustomerBatch, data: st.DataObject) -> Settlement:
        chosen = {waiting.event_id: data.draw(st.sampled_from(FATES)) for waiting in batch.events}
        return Settlement(
            batch.customer_id,
            done=tuple(id_ for id_, fate in chosen.items() if fate == "done"),
            parked=tuple(id_ for id_, fate in chosen.items() if fate == "parked"),
            postponed_until_ms=data.draw(st.sampled_from([None, self.clock.ms + 20_000])),
        )

    @rule(
        customer=customers,
        command=st.sampled_from(["pause", "resume", "replay"]),
        writes=st.sampled_from([None, 1]),
    )
    def order(self, customer: CustomerId, command: str, writes: int | None) -> None:
        self._done(command, writes, lambda: getattr(self.mailboxes, command)(customer))

    @rule(harm=st.sampled_from(HARMS), key=st.sampled_from(SINGLE_KEYS))
    def key_is_lost(self, harm: Any, key: str) -> None:
        harm(self.client, f"{TAG}:{key}")

    @rule(harm=st.sampled_from(HARMS), family=st.sampled_from(["mail", "held"]), customer=customers)
    def mailbox_is_lost(self, harm: Any, family: str, customer: CustomerId) -> None:
        harm(self.client, f"{TAG}:{family}:{customer}")

    @rule(ms=st.sampled_from([1, 150, 11_000, 400_000]))
    def time_passes(self, ms: int) -> None:
        self.clock.ms += ms

    @rule()
    def all_is_found_again(self) -> None:
        self.clock.ms += 1
        inspect(self.inspection, self.client)
        self.clock.ms += int(LEASE_SECONDS * 1000)
        self._done(
            "claim",
            None,
            lambda: self.mailboxes.claim(max_customers=9, max_events=9, lease_seconds=LEASE_SECONDS),
        )
        inspect(self.inspection, self.client)
        assert broken_invariants(self.client) == []
        views = [self.mailboxes.view(CustomerId(customer)) for customer in CUSTOMERS]
        here = {one.event_id for view in views for one in (*view.waiting, *view.parked)}
        assert self.owed <= here <= self.owed | self.perhaps

    def teardown(self) -> None:
        self.all_is_found_again()
        self.mailboxes.close()

    def _done(self, script: str, writes: int | None, command: Callable[[], object]) -> bool:
        """Run a command, which fails after `writes` writes if given; False when it failed, by this or by a lost key."""
        try:
            if writes is None:
                command()
            else:
                with failing_half_way(script, writes=writes):
                    command()
        except MailboxUnavailable:
            return False
        return True


def loss_machine_on(client: redis.Redis, *, examples: int, steps: int) -> type[Any]:
    """Return the unittest case of the machine that loses keys on this server."""
    return _case(LossMachine, client, examples=examples, steps=steps)
