from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import asyncpg
import pytest
import redis
from msgspec.structs import replace

from cogento import runtime
from cogento.events.envelope import parse_envelope
from cogento.events.names import CustomerId
from cogento.metrics.declarations import take_counted
from tests.support.builders import NOW, Json, customer, event_body, subscription
from worker.decode import SUSPECT_CRASHES
from worker.loop import BatchSize

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cogento.store.dead_letters import DeadLetter
    from cogento.store.ledger import BatchResult, Delivery
    from tests.support.post import Post

CUSTOMER = CustomerId("cus_1")
USERS = "SELECT stripe_customer_id, email, last_webhook_event_id FROM users ORDER BY stripe_customer_id"
LETTERS = "SELECT event_id, reason, raw_body, attempts FROM dead_letters ORDER BY event_id"


class Failing:
    """A store that raises for batches with certain events, and else does as the real one."""

    def __init__(self, post: Post, errors: dict[str, Exception]) -> None:
        self._store = post.store
        self._errors = errors
        self.calls: list[list[str]] = []
        self.unburiable: set[str] = set()

    async def apply(self, deliveries: Sequence[Delivery]) -> BatchResult:
        ids = [delivery.event.id for delivery in deliveries]
        self.calls.append(list(ids))
        error = next((self._errors[id_] for id_ in ids if id_ in self._errors), None)
        if error:
            raise error
        return await self._store.apply(deliveries)

    async def insert_dead_letters(self, letters: Sequence[DeadLetter]) -> None:
        if any(letter.event_id in self.unburiable for letter in letters):
            raise asyncpg.CheckViolationError("no")
        await self._store.insert_dead_letters(letters)


def test_a_customer_and_its_subscription_become_rows_and_leave_the_mailbox(post: Post) -> None:
    post.put("customer.created", customer(), id_="evt_1")
    post.put("customer.subscription.created", subscription(), id_="evt_2")

    post.drain()

    assert post.rows(USERS) == [
        {"stripe_customer_id": "cus_1", "email": "cus_1@example.com", "last_webhook_event_id": "evt_1"}
    ]
    assert post.rows("SELECT stripe_subscription_id, status FROM subscriptions") == [
        {"stripe_subscription_id": "sub_1", "status": "active"}
    ]
    assert post.ledger() == {"evt_1": "applied", "evt_2": "applied"}
    assert post.mailboxes.status().waiting == 0


def test_a_batch_that_was_settled_is_counted(post: Post) -> None:
    post.put("customer.created", customer(), id_="evt_1")
    take_counted()
    post.drain()
    assert take_counted()["cogento_worker_batches settled total"] == 1


def test_a_customer_at_whom_workers_crashed_is_claimed_again_without_a_wait(
    post: Post, redis_url: str
) -> None:
    for number in range(120):
        post.put("customer.updated", customer(), id_=f"evt_{number}", created=NOW + number)
    with redis.Redis.from_url(redis_url) as client:
        client.hset("{cogento:0}:crashes", CUSTOMER, SUSPECT_CRASHES)
    loop = post.loop()

    runtime.run(loop.take_turn())

    assert (post.mailboxes.status().waiting, loop.linger.seconds_left() <= 0) == (119, True)


def test_an_event_put_again_after_it_was_settled_ends_as_a_duplicate(post: Post) -> None:
    post.put("customer.created", customer(), id_="evt_1")
    post.drain()

    post.put("customer.created", customer(name="Somebody else"), id_="evt_1")
    post.drain()

    assert post.rows("SELECT name FROM users") == [{"name": "Ada Example"}]
    assert post.mailboxes.status().waiting == 0


def test_a_subscription_waits_for_its_customer_and_blocks_nobody(post: Post) -> None:
    post.put("customer.subscription.created", subscription(customer="cus_late"), id_="evt_1")
    post.put("customer.created", customer("cus_other"), id_="evt_2")
    post.drain()
    assert post.mailboxes.status().parked == 1
    assert post.ledger() == {"evt_2": "applied"}

    post.put("customer.created", customer("cus_late"), id_="evt_3", created=NOW + 60)
    post.drain()

    assert post.mailboxes.status().parked == 0
    assert post.ledger() == {"evt_1": "applied", "evt_2": "applied", "evt_3": "applied"}


def test_more_parked_events_than_one_turn_holds_do_not_hide_the_customer(post: Post) -> None:
    [post.put("customer.subscription.updated", subscription(f"sub_{n}"), id_=f"evt_{n}") for n in range(120)]
    post.put("customer.created", customer(), id_="evt_c", created=NOW + 60)

    post.drain()

    assert post.rows("SELECT count(*) FROM subscriptions") == [{"count": 120}]
    assert post.mailboxes.status().parked == 0


def test_what_cannot_be_read_is_a_dead_letter_with_its_bytes_and_its_customer_goes_on(post: Post) -> None:
    post.put("customer.updated", customer(object="charge"), id_="evt_1")
    post.put("customer.updated", customer(), id_="evt_2", created=NOW + 10)

    post.drain()

    assert post.rows(LETTERS) == [
        {
            "event_id": "evt_1",
            "reason": "malformed",
            "attempts": 0,
            "raw_body": event_body("customer.updated", customer(object="charge"), id_="evt_1"),
        }
    ]
    assert post.ledger() == {"evt_1": "dead", "evt_2": "applied"}


@pytest.mark.parametrize(
    ("type_", "object_", "removal"),
    [
        ("customer.deleted", customer(), True),
        ("customer.subscription.deleted", subscription(), True),
        ("customer.subscription.updated", subscription(status="canceled"), True),
        ("customer.subscription.updated", subscription(status="past_due"), False),
        ("customer.updated", customer(), False),
    ],
)
def test_a_letter_says_whether_it_takes_something_away(
    post: Post, type_: str, object_: Json, *, removal: bool
) -> None:
    post.put(type_, object_, id_="evt_1")
    post.drain(Failing(post, {"evt_1": asyncpg.CheckViolationError("no")}))
    assert post.rows("SELECT removal FROM dead_letters") == [{"removal": removal}]


def test_a_bad_customer_is_found_by_halving_and_costs_others_nothing(post: Post) -> None:
    [post.put("customer.created", customer(f"cus_{n}"), id_=f"evt_{n}") for n in range(8)]
    store = Failing(post, {"evt_5": asyncpg.CheckViolationError("no")})

    post.drain(store)

    assert len(store.calls) == 7  # 8, 4, 4, 2, 1, 1, 2
    assert [letter["event_id"] for letter in post.rows(LETTERS)] == ["evt_5"]
    assert len(post.rows(USERS)) == 7
    assert post.mailboxes.status().waiting == 0


def test_a_bad_event_is_found_among_its_customers_and_the_others_are_applied(post: Post) -> None:
    [
        post.put("customer.updated", customer(name=f"N{n}"), id_=f"evt_{n}", created=NOW + 10 * n)
        for n in range(4)
    ]
    store = Failing(post, {"evt_1": asyncpg.CheckViolationError("no")})

    post.drain(store)

    assert post.rows("SELECT name FROM users") == [{"name": "N3"}]
    assert [letter["event_id"] for letter in post.rows(LETTERS)] == ["evt_1"]


def test_a_letter_that_cannot_be_written_keeps_its_place_and_stops_nobody_else(post: Post) -> None:
    post.put("customer.updated", customer("cus_1", object="charge"), id_="evt_1")
    post.put("customer.updated", customer("cus_2", object="charge"), id_="evt_2")
    post.put("customer.updated", customer("cus_3"), id_="evt_3")
    store = Failing(post, {})
    store.unburiable = {"evt_1"}

    post.drain(store)

    assert post.ledger() == {"evt_2": "dead", "evt_3": "applied"}
    assert [w.event_id for w in post.mailboxes.view(CUSTOMER).waiting] == ["evt_1"]
    assert post.mailboxes.status().sleeping == 1


def test_an_event_that_may_succeed_later_keeps_its_place_and_its_customer_sleeps(post: Post) -> None:
    post.put("customer.updated", customer(name="first"), id_="evt_1")
    post.put("customer.updated", customer(name="second"), id_="evt_2", created=NOW + 60)
    store = Failing(post, {"evt_1": asyncpg.QueryCanceledError("slow")})

    post.drain(store)

    status = post.mailboxes.status()
    assert (status.waiting, status.sleeping) == (2, 1)
    assert post.rows(USERS) == []
    assert [(w.event_id, w.attempts) for w in post.mailboxes.view(CUSTOMER).waiting] == [
        ("evt_1", 1),
        ("evt_2", 0),
    ]


def test_a_bug_is_tried_five_times_and_then_a_dead_letter(post: Post) -> None:
    post.put("customer.updated", customer(), id_="evt_1")
    store = Failing(post, {"evt_1": KeyError("oops")})

    for _ in range(5):
        post.mailboxes.replay(CUSTOMER)
        post.drain(store)

    (letter,) = post.rows(LETTERS)
    assert (letter["reason"], letter["attempts"]) == ("bug", 5)
    assert post.mailboxes.status().waiting == 0


def test_while_postgres_is_away_nothing_is_lost_and_no_attempt_is_spent(post: Post) -> None:
    post.put("customer.created", customer(), id_="evt_1")
    store = Failing(post, {"evt_1": ConnectionRefusedError()})

    post.drain(store)

    status = post.mailboxes.status()
    assert (status.waiting, status.ready, status.leased) == (1, 1, 0)
    assert [w.attempts for w in post.mailboxes.view(CUSTOMER).waiting] == [0]


def test_small_batches_end_in_the_same_rows(post: Post) -> None:
    [
        post.put(
            "customer.updated", customer(f"cus_{n % 7}", name=f"N{n}"), id_=f"evt_{n}", created=NOW + 9 * n
        )
        for n in range(70)
    ]

    post.drain(size=BatchSize(customers=2, events=3, lease_seconds=30))

    assert [row["last_webhook_event_id"] for row in post.rows(USERS)] == [f"evt_{n}" for n in range(63, 70)]


def test_a_row_whose_events_contradict_each_other_is_marked_and_asked_about(post: Post) -> None:
    one, other = customer(name="One"), customer(name="Other")
    post.put("customer.updated", one, id_="evt_1", before=other)
    post.put("customer.updated", other, id_="evt_2", before=one)
    heard: list[str] = []

    post.drain(on_ambiguous=heard.extend)

    assert heard == ["cus_1"]
    assert post.rows("SELECT unsure, last_webhook_event_id FROM users") == [
        {"unsure": True, "last_webhook_event_id": "evt_2"}
    ]


def test_a_row_that_is_sure_is_asked_about_by_nobody(post: Post) -> None:
    post.put("customer.updated", customer(), id_="evt_1")
    heard: list[str] = []

    post.drain(on_ambiguous=heard.extend)

    assert heard == []


def test_b76_what_somebody_wrote_into_redis_by_hand_is_a_dead_letter_and_the_customer_goes_on(
    post: Post, redis_url: str
) -> None:
    post.put("customer.updated", customer(), id_="evt_1")
    post.put("customer.updated", customer(), id_="evt_2", created=NOW + 60)
    with redis.Redis.from_url(redis_url) as client:
        client.set("{cogento:0}:event:evt_1", b"\x01scribble")

    post.drain()

    assert [(letter["event_id"], letter["reason"]) for letter in post.rows(LETTERS)] == [
        ("evt_1", "malformed")
    ]
    assert post.ledger() == {"evt_1": "dead", "evt_2": "applied"}


def test_b78_an_event_in_another_customers_mailbox_is_a_dead_letter_and_changes_no_row(post: Post) -> None:
    body = event_body("customer.updated", customer("cus_mine"), id_="evt_1")
    envelope = parse_envelope(body, now=NOW + 60)
    post.mailboxes.put([replace(envelope, customer_id=CustomerId("cus_other"))])

    post.drain()

    assert [(letter["event_id"], letter["reason"]) for letter in post.rows(LETTERS)] == [
        ("evt_1", "misrouted")
    ]
    assert post.rows(USERS) == []


class Held(Failing):
    """A store that holds a batch until it is let go on."""

    def __init__(self, post: Post) -> None:
        super().__init__(post, {})
        self.begun = asyncio.Event()
        self.may_go_on = asyncio.Event()

    async def apply(self, deliveries: Sequence[Delivery]) -> BatchResult:
        self.begun.set()
        await self.may_go_on.wait()
        return await super().apply(deliveries)


async def stop_during_a_batch(post: Post, store: Held, *, let_go_on: bool) -> None:
    """Cancel a loop while its batch is in the store."""
    loop = asyncio.create_task(post.loop(store).run())
    await store.begun.wait()
    loop.cancel()
    await asyncio.sleep(0)
    if let_go_on:
        store.may_go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await loop


def test_a_loop_that_is_stopped_gives_a_batch_back_that_is_not_done_in_a_moment(post: Post) -> None:
    post.put("customer.created", customer(), id_="evt_1")
    store = Held(post)
    runtime.run(stop_during_a_batch(post, store, let_go_on=False))
    assert (post.mailboxes.status().ready, post.mailboxes.view(CUSTOMER).crashes) == (1, 0)
    assert post.ledger() == {}


def test_a_loop_that_is_stopped_settles_a_batch_that_is_done_in_a_moment(post: Post) -> None:
    post.put("customer.created", customer(), id_="evt_1")
    store = Held(post)
    runtime.run(stop_during_a_batch(post, store, let_go_on=True))
    assert post.mailboxes.status().waiting == 0
    assert post.ledger() == {"evt_1": "applied"}
