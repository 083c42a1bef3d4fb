"""`cogento forget`: what it says and records, what stays, and that nothing late brings the person back."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from cogento import runtime
from cogento.events.names import CustomerId
from cogento.reconcile.forget import CustomerBusyError, Forgetting
from cogento.store.activity import Action
from cogento.store.letter_records import LetterStatus
from tests.integration.console.conftest import Run
from tests.support import builders
from tests.support.builders import NOW
from tests.support.known_person import (
    CANARY,
    cells,
    dead_letter,
    kept_letters,
    of_person,
    person,
    places,
    stand_everywhere,
    values,
)
from tests.support.store_letters import letter
from tests.support.stores import Happened

if TYPE_CHECKING:
    from cogento.store.store import Store
    from tests.support.looped import LoopedMailboxes


def shown(database_url: str) -> list[tuple[Any, ...]]:
    """Status and metadata of every subscription, and whether it is unsure."""
    with psycopg.connect(database_url) as connection:
        return connection.execute("SELECT status, metadata, unsure FROM subscriptions").fetchall()


@pytest.fixture
def world(store: Store, mailboxes: LoopedMailboxes, database_url: str) -> None:
    stand_everywhere(store, mailboxes, database_url)


@pytest.mark.usefixtures("world")
def test_without_yes_it_says_what_it_would_do_and_changes_nothing(
    run: Run, database_url: str, redis_url: str
) -> None:
    before = [*cells(database_url), *values(redis_url)]

    told = json.loads(run("forget", "cus_1", "--json").output)
    said = run("forget", "cus_1").output

    rows = {"users": 1, "objects": 1, "roles": 1, "letters": 5, "notices": 1, "reasons": 7}
    assert (told["erased"], told["report"]["rows"], told["report"]["events"]) == (False, rows, 2)
    assert "This would erase of cus_1:" in said
    assert "Add --yes to do it" in said
    assert [*cells(database_url), *values(redis_url)] == before
    assert json.loads(run("forget", "cus_1", "--yes", "--json").output)["report"] == told["report"]


@pytest.mark.usefixtures("world")
def test_others_keep_what_is_theirs(run: Run, store: Store, mailboxes: LoopedMailboxes) -> None:
    run("forget", "cus_1", "--yes")

    other = runtime.run(store.history.customer(CustomerId("cus_2")))
    assert other is not None
    assert (other.name, other.deleted_at) == ("Bob", None)
    theirs = {str(one.event_id): one for one in kept_letters(store) if one.customer_id == "cus_2"}
    assert theirs["evt_o1"].status is LetterStatus.OPEN
    assert runtime.run(store.letters.body(theirs["evt_o1"].id)) is not None
    assert mailboxes.view(CustomerId("cus_2")).pause is not None


@pytest.mark.usefixtures("world")
def test_what_stays_is_a_tombstone_and_what_can_be_reported(run: Run, database_url: str) -> None:
    run("forget", "cus_1", "--yes")

    with psycopg.connect(database_url) as connection:
        user = connection.execute(
            "SELECT email, deleted_at IS NOT NULL, forgotten_at IS NOT NULL, unsure, metadata, name FROM users"
            " WHERE stripe_customer_id = 'cus_1'"
        ).fetchone()
        subscription = connection.execute("SELECT status, product_id, metadata FROM subscriptions").fetchone()
        letters = connection.execute(
            "SELECT DISTINCT status, octet_length(raw_sha256) FROM dead_letters WHERE customer_id = 'cus_1'"
        ).fetchall()
    assert user == ("cus_1@placeholder.invalid", True, True, False, {}, None)
    assert subscription == ("active", builders.item()["price"]["product"], {})
    assert letters == [("discarded", 32)]


@pytest.mark.usefixtures("world")
def test_late_events_and_answers_of_stripe_bring_nothing_back(
    run: Run, applied: Happened, database_url: str, redis_url: str
) -> None:
    run("forget", "cus_1", "--yes")

    applied("customer.updated", person(), id_="evt_l1", created=NOW + 10**6)
    applied("customer.created", person(), id_="evt_l2", created=NOW)
    applied("customer.fetched", person(), id_="evt_l3", created=NOW + 2 * 10**9)
    later = of_person(status="past_due")
    applied("customer.subscription.updated", later, id_="evt_l4", created=NOW + 10**6)
    applied("customer.subscription.created", of_person("sub_9"), id_="evt_l5", created=NOW + 10**6)
    for turn in ("6", "7"):  # of one second: each is remembered
        again = of_person(metadata={"gift from": f"{CANARY} {turn}"})
        applied("customer.subscription.updated", again, id_=f"evt_l{turn}", created=NOW + 10**6 + 60)

    assert places(database_url, redis_url) == set()


@pytest.mark.usefixtures("world")
def test_a_subscription_still_follows_stripe_without_its_metadata(
    run: Run, applied: Happened, database_url: str
) -> None:
    run("forget", "cus_1", "--yes")

    ended = of_person(status="canceled")
    applied("customer.subscription.deleted", ended, id_="evt_end", created=NOW + 10**6)

    with psycopg.connect(database_url) as connection:
        row = connection.execute("SELECT status, metadata, unsure FROM subscriptions").fetchone()
    assert row == ("canceled", {}, False)


@pytest.mark.usefixtures("world")
def test_a_letter_that_is_written_afterwards_keeps_no_bytes(
    run: Run, store: Store, database_url: str, redis_url: str
) -> None:
    run("forget", "cus_1", "--yes")

    runtime.run(store.insert_dead_letters([dead_letter("late"), dead_letter("d0")]))

    assert places(database_url, redis_url) == set()
    late = next(one for one in kept_letters(store) if one.event_id == "evt_late")
    assert (late.status, len(late.raw_sha256)) == (LetterStatus.OPEN, 64)


@pytest.mark.usefixtures("world")
def test_it_is_recorded_without_the_data_and_can_be_done_again(run: Run, store: Store) -> None:
    run("forget", "cus_1", "--yes", "--who", "ada", "--reason", "request 4711")
    entry = next(one for one in runtime.run(store.activity.page()) if one.action == "forget")
    assert (entry.who, entry.about, entry.why) == ("ada", "cus_1", "request 4711")
    assert entry.details == {"letters": 5, "events": 2, "objects": 1}

    assert run("forget", "cus_1", "--yes").exit_code == 0


@pytest.mark.usefixtures("world")
def test_a_reason_that_names_the_person_is_refused_before_anything_is_done(
    run: Run, store: Store, database_url: str, redis_url: str
) -> None:
    before = places(database_url, redis_url)

    refused = run("forget", "cus_1", "--yes", "--reason", "Zeisig Two asked for it")

    assert (refused.exit_code, "names the person" in refused.stderr) == (1, True)
    assert CANARY not in refused.output.lower()
    assert places(database_url, redis_url) == before


def test_a_name_that_is_no_longer_known_here_can_be_given(
    run: Run, applied: Happened, store: Store, database_url: str
) -> None:
    applied("customer.created", builders.customer("cus_1", name="Ada Lovelace"), id_="evt_1", created=NOW)
    applied("customer.deleted", builders.customer("cus_1"), id_="evt_2", created=NOW + 9)
    record = store.activity.record
    runtime.run(record(who="ops", action=Action.PAUSE, about="cus_2", why="a friend of Ada Lovelace"))

    assert "say how the person is called with --name" in run("forget", "cus_1").output.lower()
    refused = run("forget", "cus_1", "--yes", "--name", "ada lovelace", "--reason", "Ada Lovelace asked")
    done = run("forget", "cus_1", "--yes", "--name", "ada lovelace")

    assert (refused.exit_code, done.exit_code) == (1, 0)
    assert not [place for place, text in cells(database_url) if "lovelace" in text.lower()]


@pytest.mark.parametrize("name", ["ΓΙΩΡΓΟΣ ΠΑΠΑΔΟΠΟΥΛΟΣ", "İbrahim", "ÉMILE ZOLA"])
def test_a_name_is_found_in_every_script(
    run: Run, applied: Happened, store: Store, database_url: str, name: str
) -> None:
    applied("customer.created", builders.customer("cus_1", name=name), id_="evt_1", created=NOW)
    record = store.activity.record
    runtime.run(record(who="ops", action=Action.PAUSE, about="cus_2", why=f"asked by {name}"))

    run("forget", "cus_1", "--yes")

    assert not [place for place, text in cells(database_url) if name in text]


def test_a_cancellation_that_waits_is_applied_before_it_is_erased(
    run: Run, applied: Happened, waiting: Happened, database_url: str
) -> None:
    applied("customer.created", person(), id_="evt_c", created=NOW)
    applied("customer.subscription.created", of_person(), id_="evt_s", created=NOW)
    ended = of_person(status="canceled")
    waiting("customer.subscription.deleted", ended, id_="evt_end", created=NOW + 100)
    waiting("customer.deleted", person(), id_="evt_gone", created=NOW + 100)

    run("forget", "cus_1", "--yes")
    applied("customer.subscription.updated", of_person(status="past_due"), id_="evt_late", created=NOW + 50)

    assert shown(database_url) == [("canceled", {}, False)]


@pytest.mark.parametrize("order", [("delete", "forget"), ("forget", "delete")])
def test_a_subscription_whose_end_has_not_come_is_in_doubt_once_stripe_has_deleted_its_customer(
    run: Run, applied: Happened, database_url: str, order: tuple[str, str]
) -> None:
    applied("customer.created", person(), id_="evt_c", created=NOW)
    applied("customer.subscription.created", of_person(), id_="evt_s", created=NOW)
    for step in order:
        if step == "forget":
            run("forget", "cus_1", "--yes")
        else:
            applied("customer.deleted", person(), id_="evt_gone", created=NOW + 100)

    in_doubt = shown(database_url)
    applied("customer.subscription.updated", of_person(status="past_due"), id_="evt_late", created=NOW + 50)

    assert in_doubt == [("active", {}, True)]
    assert shown(database_url) == [("past_due", {}, True)]


def test_a_subscription_of_somebody_who_was_forgotten_and_lives_in_stripe_is_sure(
    run: Run, applied: Happened, store: Store, database_url: str
) -> None:
    applied("customer.created", person(), id_="evt_c", created=NOW)
    applied("customer.subscription.created", of_person(), id_="evt_s", created=NOW)

    run("forget", "cus_1", "--yes")
    at_once = shown(database_url)
    runtime.run(store.repair())
    run("forget", "cus_1", "--yes")

    assert at_once == shown(database_url) == [("active", {}, False)]


@pytest.mark.parametrize("seconds", [-3, 0, 4, 3600])
def test_the_deletion_in_stripe_leaves_nothing_in_doubt_of_a_customer_who_was_forgotten(
    store: Store, mailboxes: LoopedMailboxes, applied: Happened, seconds: int
) -> None:
    applied("customer.created", person(), id_="evt_c", created=NOW)
    runtime.run(Forgetting(mailboxes.looped, store).run(CustomerId("cus_1"), who="ada"))
    at = mailboxes.now_ms() // 1000

    applied("customer.deleted", person(), id_="evt_gone", created=at + seconds)

    row = runtime.run(store.history.customer(CustomerId("cus_1")))
    assert row is not None
    assert (row.deleted_at is not None, row.unsure) == (True, False)


@pytest.mark.parametrize(
    ("notice", "is_unsure"),
    [
        ("'sub_1', 'subscription', FALSE, now()", True),
        ("'sub_1', 'subscription', FALSE, NULL", False),
        ("'cus_1', 'customer', FALSE, now()", False),
        ("'cus_1', 'customer', TRUE, now()", True),
    ],
)
def test_a_row_is_in_doubt_where_an_answer_of_stripe_or_an_end_is_missing(
    run: Run, applied: Happened, database_url: str, notice: str, *, is_unsure: bool
) -> None:
    applied("customer.created", person(), id_="evt_c", created=NOW)
    applied("customer.subscription.created", of_person(), id_="evt_s", created=NOW)
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO notices (object_id, kind, ends, waits_since, told_at, noticed_at, raw_body)"
            f" VALUES ({notice}, now(), now(), '')".encode()
        )

    run("forget", "cus_1", "--yes")

    assert shown(database_url) == [("active", {}, is_unsure)]


def test_an_answer_of_stripe_ends_the_doubt_about_somebody_whom_an_older_release_forgot(
    run: Run, applied: Happened, mailboxes: LoopedMailboxes, store: Store, database_url: str
) -> None:
    applied("customer.created", person(), id_="evt_c", created=NOW)
    applied("customer.subscription.created", of_person(), id_="evt_s", created=NOW)
    run("forget", "cus_1", "--yes")
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("UPDATE users SET lives_in_stripe = FALSE")
    runtime.run(store.repair())
    in_doubt = shown(database_url)

    forgotten = mailboxes.now_ms() // 1000
    applied("customer.subscription.fetched", of_person(), id_="evt_f1", created=forgotten + 9)
    at_once = shown(database_url)
    applied("customer.subscription.fetched", of_person(), id_="evt_f2", created=forgotten + 90)
    runtime.run(store.repair())

    assert in_doubt == at_once == [("active", {}, True)]
    assert shown(database_url) == [("active", {}, False)]


@pytest.mark.parametrize("asked", ["nonsense", "sub_1", "cus_", "evt_1"])
def test_what_is_no_customer_is_a_usage_error(run: Run, asked: str) -> None:
    assert run("forget", asked).exit_code == 2


def test_of_whom_nothing_is_known_nothing_is_made(run: Run, store: Store, database_url: str) -> None:
    failed = run("forget", "cus_404", "--yes")
    assert (failed.exit_code, "Nothing here is about cus_404" in failed.stderr) == (1, True)
    assert runtime.run(store.history.customer(CustomerId("cus_404"))) is None


def test_a_person_of_whom_only_a_letter_tells_is_forgotten_too(
    run: Run, store: Store, applied: Happened, database_url: str, redis_url: str
) -> None:
    runtime.run(store.insert_dead_letters([dead_letter("d0")]))

    assert run("forget", "cus_1", "--yes").exit_code == 0
    applied("customer.created", person(), id_="evt_l1", created=NOW)

    assert places(database_url, redis_url) == set()


def test_the_address_goes_to_the_next_customer_who_has_it(run: Run, store: Store, applied: Happened) -> None:
    applied("customer.created", builders.customer("cus_1", email="us@example.com", created=NOW), id_="evt_1")
    applied(
        "customer.created", builders.customer("cus_2", email="us@example.com", created=NOW + 9), id_="evt_2"
    )

    run("forget", "cus_1", "--yes")

    heir = runtime.run(store.history.customer(CustomerId("cus_2")))
    assert heir is not None
    assert heir.email == "us@example.com"


@pytest.mark.usefixtures("world")
def test_events_in_a_worker_s_hands_are_waited_for(
    store: Store, mailboxes: LoopedMailboxes, database_url: str, redis_url: str
) -> None:
    mailboxes.resume(CustomerId("cus_1"))
    claim = mailboxes.claim(max_customers=1, max_events=9, lease_seconds=60)
    assert claim is not None
    waits: list[float] = []

    async def then_released(seconds: float) -> None:
        waits.append(seconds)
        await mailboxes.looped.release(claim)

    forgetting = Forgetting(mailboxes.looped, store, sleep=then_released)
    report = runtime.run(forgetting.run(CustomerId("cus_1"), who="ada"))

    assert (report.events, len(waits)) == (2, 1)
    assert places(database_url, redis_url) == set()


def test_a_worker_that_keeps_the_events_is_told_of(
    store: Store, mailboxes: LoopedMailboxes, waiting: Happened, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cogento.reconcile.forget.LEASE_WAIT_SECONDS", 0.0)
    waiting("customer.updated", person(), id_="evt_w1")
    assert mailboxes.claim(max_customers=1, max_events=9, lease_seconds=60)

    with pytest.raises(CustomerBusyError):
        runtime.run(Forgetting(mailboxes.looped, store).run(CustomerId("cus_1"), who="ada"))


@pytest.mark.usefixtures("world")
def test_a_deletion_in_stripe_erases_the_letters_too(
    applied: Happened, store: Store, database_url: str
) -> None:
    applied("customer.deleted", person(), id_="evt_end", created=NOW + 500)

    found = [one for one in kept_letters(store) if one.customer_id == "cus_1"]
    bodies = [runtime.run(store.letters.body(one.id)) for one in found]
    assert bodies == [None] * 5
    assert {one.status for one in found} == {LetterStatus.DISCARDED}
    assert {one.resolution for one in found} == {"erased: the customer was deleted in Stripe"}
    assert next(one for one in kept_letters(store) if one.event_id == "evt_o1").status is LetterStatus.OPEN


def test_a_deletion_that_was_a_letter_itself_ends_as_applied_and_without_bytes(
    applied: Happened, store: Store
) -> None:
    applied("customer.created", person(), id_="evt_c1", created=NOW)
    body = builders.event_body("customer.deleted", person(), id_="evt_end", created=NOW + 5)
    own: dict[str, Any] = {"customer_id": "cus_1", "object_id": "cus_1", "created": NOW + 5}
    runtime.run(store.insert_dead_letters([letter("end", raw_body=body, **own)]))

    applied("customer.deleted", person(), id_="evt_end", created=NOW + 5)

    (one,) = kept_letters(store)
    assert (one.status, one.resolution) == (LetterStatus.RESOLVED, "applied")
    assert runtime.run(store.letters.body(one.id)) is None


@pytest.mark.usefixtures("world")
def test_letters_of_customers_deleted_before_are_erased_by_the_next_maintenance(
    applied: Happened, store: Store, worker_store: Store, database_url: str
) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("UPDATE users SET deleted_at = now() WHERE stripe_customer_id = 'cus_1'")

    runtime.run(worker_store.run_maintenance())

    mine = [one for one in kept_letters(store) if one.customer_id == "cus_1"]
    assert [runtime.run(store.letters.body(one.id)) for one in mine] == [None] * 5
