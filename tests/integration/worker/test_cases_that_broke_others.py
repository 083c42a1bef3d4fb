"""The deliveries on which other Stripe mirrors went wrong, end to end: mailboxes, worker, and rows.

Each comes in every order, with a turn of the worker after each event or one for all. Where ids could break a tie, the event that
must win has the smaller id, so that a tie-break cannot pass for evidence.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from itertools import permutations
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from cogento import runtime
from tests.support.builders import NOW, Json, Shape, customer, deleted_customer, item, subscription
from tests.support.databases import look
from tests.support.post import Post
from worker.batch import BatchProcessor
from worker.decode import decode_batch
from worker.loop import BatchSize

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from _pytest.mark import MarkDecorator

    Delivery = Callable[[Post], None]

END = NOW + 100
ONE_EVENT_A_TURN = BatchSize(customers=1, events=1, lease_seconds=30)

CUSTOMER = """
SELECT name, deleted_at IS NOT NULL AS deleted, last_webhook_event_id AS shown, unsure FROM users
"""
SUBSCRIPTION = """
SELECT status, product_id AS product, last_webhook_event_id AS shown, unsure,
    extract(epoch FROM current_period_start)::BIGINT AS "start",
    extract(epoch FROM current_period_end)::BIGINT AS "end"
FROM subscriptions
"""
SETTLED = "SELECT event_id, outcome FROM webhook_events ORDER BY settled_at"


class Sent(NamedTuple):
    """An event on its way; `name` tells it from the others in a test's id."""

    name: str
    type: str
    object: Json
    fields: dict[str, Any]


def sent(name: str, type_: str, object_: Json, **fields: Any) -> Sent:
    return Sent(name, type_, object_, fields)


def one_by_one(events: Sequence[Sent], post: Post) -> None:
    """Let the worker settle each event before the next one comes."""
    for event in events:
        put(post, event)
        post.drain()


def together(events: Sequence[Sent], post: Post) -> None:
    """Let the worker find all of them in one turn."""
    for event in events:
        put(post, event)
    post.drain()


def put(post: Post, event: Sent) -> None:
    post.put(event.type, event.object, **event.fields)


def in_every_order(*events: Sent) -> MarkDecorator:
    """Run the test for every order of the events, one by one and together."""
    return pytest.mark.parametrize(
        "deliver",
        [
            pytest.param(partial(way, order), id=f"{'_'.join(e.name for e in order)}-{way.__name__}")
            for order in permutations(events)
            for way in (one_by_one, together)
        ],
    )


def shown_customer(post: Post) -> tuple[str | None, bool, str]:
    """Name (a deletion erases it), whether deleted, and the shown event of the only customer; it is sure."""
    (row,) = post.rows(CUSTOMER)
    assert not row["unsure"]
    return row["name"], row["deleted"], row["shown"]


def shown_subscription(post: Post) -> tuple[str, str]:
    """Status and shown event of the only subscription; it is sure."""
    (row,) = post.rows(SUBSCRIPTION)
    assert not row["unsure"]
    return row["status"], row["shown"]


@pytest.fixture
def known(post: Post) -> Post:
    """A harness whose database has the customer already."""
    post.put("customer.created", customer(), id_="evt_customer", created=NOW - 1000)
    post.drain()
    return post


# One second.

INCOMPLETE, ACTIVE = subscription(status="incomplete"), subscription(status="active")
CANCELED = subscription(status="canceled", canceled_at=NOW, ended_at=NOW)
CREATION = sent("created", "customer.subscription.created", INCOMPLETE, id_="evt_9")
ACTIVATION = sent("updated", "customer.subscription.updated", ACTIVE, id_="evt_8", before=INCOMPLETE)
CANCELLATION = sent("deleted", "customer.subscription.deleted", CANCELED, id_="evt_1")


@in_every_order(CREATION, ACTIVATION)
def test_case_1_created_and_updated_in_one_second_end_active(known: Post, deliver: Delivery) -> None:
    deliver(known)

    assert shown_subscription(known) == ("active", "evt_8")
    assert known.ledger()["evt_8"] == "applied"


@in_every_order(ACTIVATION, CANCELLATION)
def test_case_2_updated_and_deleted_in_one_second_end_canceled(known: Post, deliver: Delivery) -> None:
    deliver(known)

    assert shown_subscription(known) == ("canceled", "evt_1")
    assert known.ledger()["evt_1"] == "applied"


@in_every_order(CREATION, ACTIVATION, CANCELLATION)
def test_a_whole_life_in_one_second_ends_canceled(known: Post, deliver: Delivery) -> None:
    deliver(known)

    assert shown_subscription(known) == ("canceled", "evt_1")


# Deleted, then an older update.


@in_every_order(
    sent("deleted", "customer.deleted", customer(name="Last"), id_="evt_1", created=NOW + 60),
    sent("updated", "customer.updated", customer(name="Older"), id_="evt_2", before=customer()),
)
def test_case_3_an_older_update_does_not_bring_a_deleted_customer_back(
    known: Post, deliver: Delivery
) -> None:
    deliver(known)

    assert shown_customer(known) == (None, True, "evt_1")
    assert known.ledger()["evt_1"] == "applied"


@in_every_order(
    sent("deleted", "customer.subscription.deleted", CANCELED, id_="evt_1", created=NOW + 60),
    sent("updated", "customer.subscription.updated", ACTIVE, id_="evt_2", before=INCOMPLETE),
)
def test_case_3_an_older_update_does_not_bring_a_canceled_subscription_back(
    known: Post, deliver: Delivery
) -> None:
    deliver(known)

    assert shown_subscription(known) == ("canceled", "evt_1")


def test_an_update_after_the_deletion_is_called_stale(known: Post) -> None:
    one_by_one([CANCELLATION, ACTIVATION], known)

    assert known.ledger() == {"evt_customer": "applied", "evt_1": "applied", "evt_8": "stale"}


# Items: the children follow their parent.

ITEMS_A = subscription(items=[item("si_a", product="prod_a")], period=(NOW, NOW + 10))
ITEMS_B = subscription(items=[item("si_b", product="prod_b")], period=(NOW + 5, END))


@in_every_order(
    sent("created_a", "customer.subscription.created", ITEMS_A, id_="evt_2"),
    sent("updated_b", "customer.subscription.updated", ITEMS_B, id_="evt_1", before=ITEMS_A),
)
def test_case_4_a_stale_creation_does_not_bring_an_old_item_back(known: Post, deliver: Delivery) -> None:
    deliver(known)

    assert known.rows(SUBSCRIPTION) == [
        {
            "status": "active",
            "product": "prod_b",
            "start": NOW + 5,
            "end": END,
            "shown": "evt_1",
            "unsure": False,
        }
    ]


# API versions: what has moved is still there.


def rendered(shape: Shape, status: str) -> Json:
    return subscription(shape=shape, status=status, period=(NOW, END))


def activation_told_in(shape: Shape, *, created: int) -> Sent:
    active, incomplete = rendered(shape, "active"), rendered(shape, "incomplete")
    return sent(
        f"{shape.name.lower()}_update",
        "customer.subscription.updated",
        active,
        id_="evt_1",
        before=incomplete,
        created=created,
    )


@pytest.fixture
def refusing(known: Post) -> Post:
    """A database that takes no subscription without period and product, not even for a moment."""
    known.rows("""
        ALTER TABLE subscriptions ADD CHECK (
            current_period_start IS NOT NULL AND current_period_end IS NOT NULL AND product_id IS NOT NULL
        )
    """)
    return known


LEGACY_CREATION = sent(
    "legacy_creation", "customer.subscription.created", rendered(Shape.LEGACY, "incomplete"), id_="evt_2"
)
BASIL_CREATION = sent(
    "basil_creation", "customer.subscription.created", rendered(Shape.BASIL, "incomplete"), id_="evt_2"
)
SHOWS_THE_PERIOD = [
    {"status": "active", "product": "prod_1", "start": NOW, "end": END, "shown": "evt_1", "unsure": False}
]


@in_every_order(LEGACY_CREATION, activation_told_in(Shape.BASIL, created=NOW))
def test_case_5_the_period_survives_its_move_to_the_items(refusing: Post, deliver: Delivery) -> None:
    deliver(refusing)

    assert refusing.rows(SUBSCRIPTION) == SHOWS_THE_PERIOD


@in_every_order(LEGACY_CREATION, activation_told_in(Shape.BASIL, created=NOW + 60))
def test_case_5_the_period_survives_its_move_a_minute_later_too(refusing: Post, deliver: Delivery) -> None:
    deliver(refusing)

    assert refusing.rows(SUBSCRIPTION) == SHOWS_THE_PERIOD


@in_every_order(BASIL_CREATION, activation_told_in(Shape.LEGACY, created=NOW))
def test_the_period_survives_when_an_upgrade_is_rolled_back(refusing: Post, deliver: Delivery) -> None:
    deliver(refusing)

    assert refusing.rows(SUBSCRIPTION) == SHOWS_THE_PERIOD


def test_an_event_that_tells_neither_period_nor_product_leaves_both(refusing: Post) -> None:
    bare = subscription(items=[item(product=None, current_period_start=None, current_period_end=None)])
    whole = sent("whole", "customer.subscription.updated", rendered(Shape.BASIL, "past_due"), id_="evt_2")
    lacking = sent("bare", "customer.subscription.updated", bare, id_="evt_1", created=NOW + 60)

    one_by_one([whole, lacking], refusing)

    assert refusing.rows(SUBSCRIPTION) == SHOWS_THE_PERIOD


# An endpoint upgrade: two endpoints, old and new, tell the same changes at the same time.


@in_every_order(
    activation_told_in(Shape.LEGACY, created=NOW),
    activation_told_in(Shape.DAHLIA, created=NOW),
)
def test_case_7_two_renderings_of_one_change_are_one_state(refusing: Post, deliver: Delivery) -> None:
    deliver(refusing)

    assert refusing.rows(SUBSCRIPTION) == SHOWS_THE_PERIOD
    assert refusing.ledger() == {"evt_customer": "applied", "evt_1": "applied"}
    assert refusing.mailboxes.status().waiting == 0


@in_every_order(
    LEGACY_CREATION,
    activation_told_in(Shape.LEGACY, created=NOW),
    sent(
        "dahlia_pause",
        "customer.subscription.updated",
        rendered(Shape.DAHLIA, "paused"),
        id_="evt_0",
        before=rendered(Shape.DAHLIA, "active"),
    ),
)
def test_changes_told_half_by_the_old_endpoint_link_up(refusing: Post, deliver: Delivery) -> None:
    deliver(refusing)

    assert shown_subscription(refusing) == ("paused", "evt_0")


# Subscriptions and their customer.


@in_every_order(
    sent("customer", "customer.created", customer(), id_="evt_1"),
    sent("subscription", "customer.subscription.created", INCOMPLETE, id_="evt_2"),
    sent("activation", "customer.subscription.updated", ACTIVE, id_="evt_3", before=INCOMPLETE),
)
def test_case_6_a_subscription_may_come_before_its_customer(post: Post, deliver: Delivery) -> None:
    deliver(post)

    assert shown_customer(post) == ("Ada Example", False, "evt_1")
    assert shown_subscription(post) == ("active", "evt_3")
    assert (post.mailboxes.status().waiting, post.mailboxes.status().parked) == (0, 0)


@pytest.mark.parametrize("order", list(permutations([10, 20, 30])), ids=str)
def test_parked_events_are_released_in_the_order_in_which_they_happened(
    post: Post, order: tuple[int, ...]
) -> None:
    one_by_one([_moment(seconds) for seconds in order], post)
    assert post.mailboxes.status().parked == 3

    post.put("customer.created", customer(), id_="evt_customer", created=NOW + 90)
    post.drain(size=ONE_EVENT_A_TURN)

    assert [tuple(row.values()) for row in post.rows(SETTLED)] == [
        ("evt_customer", "applied"),
        ("evt_10", "applied"),
        ("evt_20", "applied"),
        ("evt_30", "applied"),
    ]
    assert shown_subscription(post) == ("status_30", "evt_30")


def _moment(seconds: int) -> Sent:
    return sent(
        f"{seconds}",
        "customer.subscription.updated",
        subscription(status=f"status_{seconds}"),
        id_=f"evt_{seconds}",
        created=NOW + seconds,
    )


FAREWELL = [
    ACTIVATION,
    sent("customer_deleted", "customer.deleted", customer(), id_="evt_0"),
    sent("subscription_deleted", "customer.subscription.deleted", CANCELED, id_="evt_1"),
]


@in_every_order(*FAREWELL)
def test_a_customer_is_deleted_with_its_subscription(known: Post, deliver: Delivery) -> None:
    deliver(known)

    assert shown_customer(known) == (None, True, "evt_0")
    assert shown_subscription(known) == ("canceled", "evt_1")


@in_every_order(*FAREWELL)
def test_a_customer_first_heard_of_when_it_is_deleted(post: Post, deliver: Delivery) -> None:
    deliver(post)

    assert shown_customer(post) == (None, True, "evt_0")
    assert shown_subscription(post) == ("canceled", "evt_1")
    assert post.mailboxes.status().parked == 0


@in_every_order(
    sent("stub", "customer.deleted", deleted_customer(), id_="evt_0"),
    sent("subscription_deleted", "customer.subscription.deleted", CANCELED, id_="evt_1"),
)
def test_a_deletion_told_by_a_stub_cascades_alike(known: Post, deliver: Delivery) -> None:
    deliver(known)

    assert shown_customer(known) == (None, True, "evt_0")
    assert shown_subscription(known) == ("canceled", "evt_1")


# Two versions of one row in one statement.


@pytest.mark.parametrize("order", list(permutations([10, 20, 30])), ids=str)
def test_case_8_many_versions_of_one_row_in_a_batch_become_one_write(
    known: Post, order: tuple[int, ...]
) -> None:
    together([_moment(seconds) for seconds in order], known)

    assert shown_subscription(known) == ("status_30", "evt_30")
    assert known.ledger() == {
        "evt_customer": "applied",
        "evt_10": "superseded",
        "evt_20": "superseded",
        "evt_30": "applied",
    }


@pytest.mark.parametrize("order", list(permutations([10, 20])), ids=str)
def test_case_8_versions_of_a_known_row_become_one_write_too(known: Post, order: tuple[int, ...]) -> None:
    together([_moment(0)], known)

    together([_renamed(f"at {seconds}", seconds) for seconds in order], known)
    together([_moment(seconds) for seconds in order], known)

    assert shown_customer(known) == ("at 20", False, "evt_name_20")
    assert shown_subscription(known) == ("status_20", "evt_20")


def _renamed(name: str, seconds: int) -> Sent:
    changed = customer(name=name)
    return sent(name, "customer.updated", changed, id_=f"evt_name_{seconds}", created=NOW + seconds)


# Two workers at once. Each has a mailbox server of its own, as while a failover is under way: no lease keeps
# them apart, only Postgres does.

OLDER, NEWER = _renamed("older", 10), _renamed("newer", 20)


@pytest.fixture
def elsewhere(post: Post, redis_url: str, database_url: str) -> Iterator[Post]:
    """Another harness over the same tables."""
    office = Post.open(f"{redis_url.rpartition('/')[0]}/1", database_url)
    yield office
    office.close()


@pytest.mark.parametrize(
    ("first", "last"), [(OLDER, NEWER), (NEWER, OLDER)], ids=["newer_commits_last", "older_commits_last"]
)
def test_case_9_of_two_workers_at_one_row_the_newer_state_stays(
    known: Post, elsewhere: Post, first: Sent, last: Sent
) -> None:
    put(known, first)
    put(elsewhere, last)

    at_once(known, elsewhere, behind="SELECT FROM users FOR UPDATE")

    assert shown_customer(known) == ("newer", False, "evt_name_20")
    assert known.ledger()["evt_name_20"] == "applied"


@pytest.mark.parametrize(
    ("first", "last"), [(OLDER, NEWER), (NEWER, OLDER)], ids=["newer_commits_last", "older_commits_last"]
)
def test_case_9_of_two_workers_that_make_one_row_the_newer_state_stays(
    post: Post, elsewhere: Post, first: Sent, last: Sent
) -> None:
    put(post, first)
    put(elsewhere, last)

    at_once(post, elsewhere, behind="LOCK TABLE users IN SHARE MODE")

    assert shown_customer(post) == ("newer", False, "evt_name_20")
    assert set(post.ledger()) == {"evt_name_10", "evt_name_20"}


@pytest.mark.parametrize(
    ("first", "last"),
    [(_moment(10), _moment(20)), (_moment(20), _moment(10))],
    ids=["newer_commits_last", "older_commits_last"],
)
def test_case_9_of_two_workers_at_one_subscription_the_newer_state_stays(
    known: Post, elsewhere: Post, first: Sent, last: Sent
) -> None:
    together([_moment(0)], known)
    put(known, first)
    put(elsewhere, last)

    at_once(known, elsewhere, behind="SELECT FROM subscriptions FOR UPDATE")

    assert shown_subscription(known) == ("status_20", "evt_20")


def test_a_worker_that_outlived_its_lease_changes_nothing(known: Post) -> None:
    put(known, OLDER)
    late = known.mailboxes.claim(max_customers=1, max_events=1, lease_seconds=0.001)
    assert late is not None
    put(known, NEWER)
    until(partial(_is_settled_by_another, known, "evt_name_20"))

    processor = BatchProcessor(known.store, now_ms=known.mailboxes.looped.now_ms, jitter=lambda: 0.5)
    runtime.run(processor.process([decode_batch(batch) for batch in late.batches]))

    assert shown_customer(known) == ("newer", False, "evt_name_20")


def at_once(first: Post, second: Post, *, behind: str) -> None:
    """Let two workers wait for a lock, one after the other, and then go on."""
    with ThreadPoolExecutor(2) as workers:
        with lock(first.database_url, behind):
            turns = [workers.submit(first.drain)]
            until(partial(_are_waiting, first, 1))
            turns.append(workers.submit(second.drain))
            until(partial(_are_waiting, first, 2))
        for turn in turns:
            turn.result()


@contextmanager
def lock(database_url: str, statement: str) -> Iterator[None]:
    """Hold what the statement locks, over a connection of its own."""
    connection = runtime.run(look(database_url))
    runtime.run(connection.execute(f"BEGIN; {statement}"))
    try:
        yield
    finally:
        runtime.run(connection.close())


def _is_settled_by_another(post: Post, event_id: str) -> bool:
    post.drain()
    return event_id in post.ledger()


def _are_waiting(post: Post, sessions: int) -> bool:
    waiting = post.rows("""
        SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()
    """)
    return len(waiting) == sessions


def until(condition: Callable[[], object]) -> None:
    """Wait for a condition that nobody announces."""
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)
