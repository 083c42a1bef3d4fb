from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from cogento import runtime
from cogento.console.poller import LINES_SHOWN, StatusPoller
from cogento.events.names import CustomerId
from cogento.local.ports import free_port
from cogento.queue.durability import AckDurability
from cogento.queue.minutes import MinuteTotals
from cogento.store.store import Store
from tests.support import builders
from tests.support.fake_console import fake_console
from tests.support.looped import LoopedMailboxes
from tests.support.servers import wait_until
from tests.support.store_letters import letter

if TYPE_CHECKING:
    from tests.support.stores import Happened

ADA = builders.customer("cus_ada", email="ada@example.com", name="Ada")
PLAN = builders.subscription("sub_ada", customer="cus_ada", status="active")


@pytest.fixture
def watching(mailboxes: LoopedMailboxes, store: Store) -> StatusPoller:
    return StatusPoller(mailboxes.looped, store)


def test_what_was_applied_and_what_waits_is_seen(
    watching: StatusPoller, applied: Happened, waiting: Happened
) -> None:
    applied("customer.created", ADA, id_="evt_1")
    applied("customer.subscription.created", PLAN, id_="evt_2", created=builders.NOW + 1)
    waiting("customer.updated", ADA, id_="evt_3")
    watching.poll()
    seen = watching.overview()
    assert seen.tables is not None
    assert seen.queue is not None
    assert (seen.tables.applied_total, seen.queue.waiting, seen.queue.received_total) == (2, 1, 1)
    assert [(line.customer_id, line.name) for line in seen.customers] == [("cus_ada", "Ada")]
    assert [(line.subscription_id, line.status) for line in seen.subscriptions] == [("sub_ada", "active")]


def test_metrics_tell_what_was_applied_and_what_is_unsure(watching: StatusPoller, applied: Happened) -> None:
    grace = ADA | {"name": "Grace"}
    applied("customer.updated", grace, before=ADA, id_="evt_there")
    applied("customer.updated", ADA, before=grace, id_="evt_back")
    watching.poll()
    lines = fake_console(poller=watching).test_client().get("/metrics").text.split("\n")
    assert "cogento_ambiguous_rows 1.0" in lines
    assert 'cogento_up{dependency="postgres"} 1.0' in lines
    assert 'cogento_events_processed_total{outcome="stale"} 1.0' in lines


def test_metrics_tell_of_an_end_that_is_dead_while_its_row_still_lives(
    watching: StatusPoller, applied: Happened, store: Store
) -> None:
    applied("customer.created", ADA, id_="evt_1")
    applied("customer.subscription.created", PLAN, id_="evt_2", created=builders.NOW + 1)
    end = letter("3", event_type="customer.subscription.deleted", object_id="sub_ada", removal=True)
    runtime.run(store.insert_dead_letters([end]))
    watching.poll()
    client = fake_console(poller=watching).test_client()
    assert "cogento_dead_letters_terminal 1.0" in client.get("/metrics").text.split("\n")
    assert "1 cancellation or deletion of sub_ada could not be applied" in client.get("/console").text


def test_whole_second_in_which_events_were_settled_becomes_a_beat(
    watching: StatusPoller, applied: Happened
) -> None:
    applied("customer.created", ADA)
    settled_in = int(time.time())
    wait_until(lambda: time.time() >= settled_in + 1, what="the second to be over")
    watching.poll()
    assert {"applied": 1} in [bucket.settled for bucket in watching.overview().buckets]


def test_what_was_settled_since_the_last_look_is_counted_once(
    watching: StatusPoller, applied: Happened
) -> None:
    applied("customer.created", ADA, id_="evt_1")
    watching.poll()
    for number in range(2, 5):
        applied(
            "customer.updated",
            ADA | {"name": str(number)},
            id_=f"evt_{number}",
            created=builders.NOW + number,
        )
        watching.poll()
    last = int(time.time())
    wait_until(lambda: time.time() >= last + 1, what="the second to be over")
    watching.poll()
    buckets = watching.overview().buckets
    assert sum(sum(bucket.settled.values()) for bucket in buckets) == 4


def test_a_look_that_failed_leaves_what_was_settled_to_the_next(
    watching: StatusPoller, applied: Happened, monkeypatch: pytest.MonkeyPatch
) -> None:
    watching.poll()
    applied("customer.created", ADA)
    with monkeypatch.context() as patched:
        patched.setattr("cogento.console.poller.ANSWER_SECONDS", 0.0)
        watching.poll()
    first = int(time.time())
    wait_until(lambda: time.time() >= first + 3, what="some seconds to pass")
    watching.poll()
    settled = [bucket.settled for bucket in watching.overview().buckets if bucket.settled]
    assert settled == [{"applied": 1}]


def test_rows_that_changed_a_moment_ago_are_shown_newest_first(
    watching: StatusPoller, applied: Happened
) -> None:
    watching.poll()
    for number in range(LINES_SHOWN + 2):
        applied(
            "customer.created",
            builders.customer(f"cus_{number}", email=f"{number}@example.com"),
            id_=f"evt_{number}",
        )
    watching.poll()
    seen = [line.customer_id for line in watching.overview().customers]
    assert seen == [f"cus_{number}" for number in reversed(range(2, LINES_SHOWN + 2))]
    assert watching.overview().subscriptions == []


def test_many_rows_of_one_kind_crowd_out_none_of_the_other(watching: StatusPoller, applied: Happened) -> None:
    applied("customer.created", ADA, id_="evt_ada")
    for number in range(LINES_SHOWN + 1):
        plan = builders.subscription(f"sub_{number}", customer="cus_ada", status="active")
        applied("customer.subscription.created", plan, id_=f"evt_{number}", created=builders.NOW + 1)
    watching.poll()
    seen = watching.overview()
    assert [line.customer_id for line in seen.customers] == ["cus_ada"]
    assert len(seen.subscriptions) == LINES_SHOWN


def test_a_day_s_minutes_outlive_the_console(
    mailboxes: LoopedMailboxes, store: Store, applied: Happened, waiting: Happened
) -> None:
    hour_ago = MinuteTotals(int(time.time()) // 60 - 60, received=0, waiting=0, outcomes={"applied": 0})
    mailboxes.minutes.keep(hour_ago)
    applied("customer.created", ADA)
    waiting("customer.updated", ADA)
    StatusPoller(mailboxes.looped, store).poll()
    restarted = StatusPoller(mailboxes.looped, store)
    restarted.poll()
    first, last = restarted.overview().minutes[0], restarted.overview().minutes[-1]
    assert first == hour_ago
    assert (last.received, last.waiting, last.outcomes) == (1, 1, dict(last.outcomes or {}) | {"applied": 1})


def test_who_waits_and_what_letters_died_of_is_seen(
    watching: StatusPoller, mailboxes: LoopedMailboxes, store: Store
) -> None:
    mailboxes.pause(CustomerId("cus_ada"), who="ops-1", why="INC-7")
    runtime.run(store.insert_dead_letters([letter("1"), letter("2")]))
    watching.poll()
    seen = watching.overview()
    assert seen.waiting is not None
    assert [(row.customer_id, row.who, row.why) for row in seen.waiting.rows] == [
        ("cus_ada", "ops-1", "INC-7")
    ]
    assert [cause.letters for cause in seen.causes] == [2]


def test_postgres_away_leaves_the_mailboxes_to_be_seen(mailboxes: LoopedMailboxes, waiting: Happened) -> None:
    waiting("customer.created", ADA)
    url = f"postgresql://cogento@127.0.0.1:{free_port()}/cogento"
    watching = StatusPoller(
        mailboxes.looped, runtime.run(Store.open(url, pool_size=1, application_name="test"))
    )
    watching.poll()
    seen = watching.overview()
    assert seen.tables is None
    assert seen.queue is not None
    assert seen.queue.waiting == 1


def test_redis_away_leaves_the_tables_to_be_seen(store: Store, applied: Happened) -> None:
    applied("customer.created", ADA)
    away = LoopedMailboxes.connect(f"redis://127.0.0.1:{free_port()}/0", ack=AckDurability.REDIS)
    watching = StatusPoller(away.looped, store)
    watching.poll()
    seen = watching.overview()
    assert seen.queue is None
    assert seen.tables is not None
    assert seen.tables.applied_total == 1
