"""The object of a dead letter is asked for at Stripe, unless its row shows a later event; and not for ever."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from cogento import runtime
from cogento.events.names import CustomerId
from tests.support.simulated_stripe import compared, deliver, notify, subscription
from tests.support.store_letters import letter
from tests.support.stripe_histories import START

if TYPE_CHECKING:
    from collections.abc import Callable

    from cogento.local.stripe.events import AccountEvent
    from cogento.local.stripe.objects import Subscription
    from tests.support.looped import LoopedReconciliation
    from tests.support.post import Post
    from tests.support.simulated_stripe import SimulatedStripe

pytestmark = pytest.mark.usefixtures("impatient")

REFUSED = "ALTER TABLE {} ADD CONSTRAINT refused CHECK ({}) NOT VALID"
ALLOWED = "ALTER TABLE {} DROP CONSTRAINT refused"
LATER = "UPDATE dead_letters SET died_at = died_at - INTERVAL '{} s' RETURNING 1"
ROWS = "SELECT name, deleted_at IS NOT NULL AS gone FROM users"
TAKEN = "INSERT INTO users (email, stripe_customer_id) VALUES ('cus_1@example.com', 'app_1') RETURNING 1"
LETTERS = "SELECT event_type, status FROM dead_letters ORDER BY id"


def begun(stripe: SimulatedStripe, post: Post) -> Any:
    """Ada, whose row is there."""
    ada = stripe.customer(name="Ada")
    deliver(post, stripe.account.begin(ada, at=START))
    post.drain()
    return ada


def subscribed(stripe: SimulatedStripe) -> Subscription:
    """A subscription of hers, of which only Stripe knows."""
    state = subscription()
    stripe.account.begin(state, at=START)
    return state


def die(post: Post, *events: AccountEvent | None, table: str = "users", of: str = "name <> 'Bob'") -> None:
    """Make events dead letters by a constraint, which exists while they are processed."""
    post.rows(REFUSED.format(table, of))
    deliver(post, *events)
    post.drain()
    post.rows(ALLOWED.format(table))


def later(post: Post, *, seconds: int = 601) -> None:
    """Let so much time pass since the deaths."""
    post.rows(LATER.format(seconds))


def ask(asking: LoopedReconciliation, post: Post) -> None:
    asking.ask()
    post.drain()


def test_a_change_that_died_is_asked_for_after_ten_minutes_and_once(
    stripe: SimulatedStripe, asking: LoopedReconciliation, post: Post
) -> None:
    die(post, stripe.account.change(replace(begun(stripe, post), name="Bob"), at=START + 50))
    later(post, seconds=590)
    ask(asking, post)
    too_early = stripe.requests
    later(post, seconds=11)
    ask(asking, post)

    ask(asking, post)

    assert (too_early, stripe.requests) == (0, 1)
    assert compared(stripe, post).is_equal
    assert post.rows(LETTERS) == [{"event_type": "customer.updated", "status": "open"}]


def test_a_change_that_is_followed_by_another_is_not_asked_for(
    stripe: SimulatedStripe, asking: LoopedReconciliation, post: Post
) -> None:
    ada = begun(stripe, post)
    die(post, stripe.account.change(replace(ada, name="Bob"), at=START + 50))
    deliver(post, stripe.account.change(replace(ada, name="Cleo"), at=START + 51))
    post.drain()
    later(post)

    ask(asking, post)

    assert stripe.requests == 0
    assert post.rows(ROWS) == [{"name": "Cleo", "gone": False}]


def test_an_end_that_died_is_asked_for_although_a_later_event_came(
    stripe: SimulatedStripe, asking: LoopedReconciliation, post: Post
) -> None:
    ada = begun(stripe, post)
    stray = stripe.account.change(replace(ada, name="Cleo"), at=START + 51)
    end = stripe.account.end(replace(ada, deleted=True), at=START + 50)
    die(post, replace(end, created=START + 50), of="deleted_at IS NULL")
    deliver(post, stray)
    post.drain()
    still = post.rows(ROWS)
    later(post)
    ask(asking, post)

    ask(asking, post)

    assert still == [{"name": "Cleo", "gone": False}]
    assert post.rows(ROWS) == [{"name": None, "gone": True}]
    assert stripe.requests == 1


def test_an_answer_that_dies_like_its_event_is_not_asked_for_again(
    stripe: SimulatedStripe, asking: LoopedReconciliation, post: Post
) -> None:
    changed = stripe.account.change(replace(begun(stripe, post), name="Bob"), at=START + 50)
    post.rows(REFUSED.format("users", "name <> 'Bob'"))
    deliver(post, changed)
    post.drain()
    later(post)
    ask(asking, post)
    later(post)

    ask(asking, post)

    assert stripe.requests == 1
    assert post.rows(LETTERS) == [
        {"event_type": "customer.updated", "status": "open"},
        {"event_type": "customer.fetched", "status": "open"},
    ]


def test_a_subscription_that_died_is_asked_for_with_its_end(
    stripe: SimulatedStripe, asking: LoopedReconciliation, post: Post
) -> None:
    begun(stripe, post)
    active = subscribed(stripe)
    deliver(post, *stripe.account.history("sub_1"))
    post.drain()
    ended = replace(active, status="canceled", canceled_at=START + 50, ended_at=START + 50)
    die(post, stripe.account.end(ended, at=START + 50), table="subscriptions", of="status <> 'canceled'")
    later(post)

    ask(asking, post)

    assert compared(stripe, post).is_equal
    assert stripe.requests == 1


def test_a_subscription_whose_customer_is_unknown_waits_for_the_customer_s_answer(
    stripe: SimulatedStripe, asking: LoopedReconciliation, post: Post
) -> None:
    stripe.account.begin(stripe.customer(), at=START)
    subscribed(stripe)
    died = {"event_type": "customer.subscription.created", "object_id": "sub_1", "created": START}
    runtime.run(post.store.insert_dead_letters([letter("1", customer_id=CustomerId("cus_1"), **died)]))
    later(post)
    ask(asking, post)
    customers = post.rows("SELECT count(*) FROM users")

    ask(asking, post)

    assert customers == [{"count": 1}]
    assert post.rows("SELECT status FROM subscriptions") == [{"status": "active"}]
    assert stripe.requests == 2


def dead_thin_event(post: Post) -> None:
    """A thin event of sub_1 that is a dead letter: it names no customer, so its mailbox is named after the subscription."""
    died = {"event_type": "v1.customer.subscription.updated", "object_id": "sub_1", "created": START + 50}
    runtime.run(post.store.insert_dead_letters([letter("1", customer_id=CustomerId("sub_1"), **died)]))
    later(post)


def test_a_subscription_whose_thin_event_died_is_asked_for_although_its_letter_names_no_customer(
    stripe: SimulatedStripe, asking: LoopedReconciliation, post: Post
) -> None:
    begun(stripe, post)
    active = subscribed(stripe)
    deliver(post, *stripe.account.history("sub_1"))
    post.drain()
    stripe.account.change(replace(active, status="past_due"), at=START + 50)
    dead_thin_event(post)

    ask(asking, post)

    assert compared(stripe, post).is_equal
    assert stripe.requests == 1


def test_a_subscription_without_a_row_whose_thin_event_died_is_asked_for_itself(
    stripe: SimulatedStripe, asking: LoopedReconciliation, post: Post
) -> None:
    begun(stripe, post)
    subscribed(stripe)
    dead_thin_event(post)

    ask(asking, post)

    assert compared(stripe, post).is_equal
    assert stripe.requests == 1


@pytest.mark.parametrize(
    "fields", [{"object_id": "ch_1"}, {"object_id": ""}, {"event_type": "customer.fetched"}]
)
def test_what_has_no_row_and_what_was_an_answer_is_not_asked_for(
    stripe: SimulatedStripe, asking: LoopedReconciliation, post: Post, fields: dict[str, Any]
) -> None:
    begun(stripe, post)
    runtime.run(post.store.insert_dead_letters([letter("1", created=START + 50, **fields)]))
    later(post)

    ask(asking, post)

    assert stripe.requests == 0


def test_a_letter_that_is_on_its_way_back_is_not_asked_for(
    stripe: SimulatedStripe, asking: LoopedReconciliation, post: Post
) -> None:
    die(post, stripe.account.change(replace(begun(stripe, post), name="Bob"), at=START + 50))
    later(post)
    runtime.run(
        post.store.letters.retry(
            [row["id"] for row in post.rows("SELECT id FROM dead_letters")], why="test", who="worker"
        )
    )

    ask(asking, post)

    assert stripe.requests == 0


def unsure(stripe: SimulatedStripe, post: Post) -> None:
    """A row that its events leave unsure, and whose answer dies: by then the customer is Bob."""
    ada = stripe.customer(name="Ada")
    stripe.account.begin(ada, at=START)
    there = stripe.account.change(replace(ada, name="Cleo"), at=START + 50)
    deliver(post, there, stripe.account.change(ada, at=START + 50))
    post.drain()
    stripe.account.change(replace(ada, name="Bob"), at=START + 60)
    post.rows(REFUSED.format("users", "name <> 'Bob'"))


def parked(stripe: SimulatedStripe, post: Post) -> None:
    """A subscription that waits for its customer, whose address another program's row has."""
    post.rows(TAKEN)
    stripe.account.begin(stripe.customer(name="Bob"), at=START)
    subscribed(stripe)
    deliver(post, *stripe.account.history("sub_1"))


def told(stripe: SimulatedStripe, post: Post) -> None:
    """A thin event about a customer whose address another program's row has."""
    post.rows(TAKEN)
    notify(post, stripe.account.begin(stripe.customer(name="Bob"), at=START))


@pytest.mark.parametrize("left_open", [unsure, parked, told])
def test_whatever_the_reason_an_answer_that_dies_is_asked_for_again_a_day_later(
    stripe: SimulatedStripe,
    asking: LoopedReconciliation,
    post: Post,
    left_open: Callable[[SimulatedStripe, Post], None],
) -> None:
    left_open(stripe, post)
    post.drain()
    ask(asking, post)
    stripe.now += 300
    ask(asking, post)
    on_the_day = stripe.requests
    later(post, seconds=86_401)

    ask(asking, post)

    assert (on_the_day, stripe.requests) == (1, 2)


def test_after_an_answer_that_died_the_next_thin_event_is_asked_for_at_once(
    stripe: SimulatedStripe, asking: LoopedReconciliation, post: Post
) -> None:
    told(stripe, post)
    post.drain()
    ask(asking, post)
    stripe.now += 300
    moved = stripe.customer(name="Bob", email="bob@example.com")
    notify(post, stripe.account.change(moved, at=stripe.now - 100))
    post.drain()

    ask(asking, post)

    assert post.rows("SELECT name FROM users WHERE stripe_customer_id = 'cus_1'") == [{"name": "Bob"}]
