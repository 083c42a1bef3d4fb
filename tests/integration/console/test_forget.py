"""`cogento forget`: nothing of the person is left in any table, key or answer, and nothing late brings it back."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
import redis

from cogento import runtime
from cogento.events.names import CustomerId
from cogento.queue import codec
from cogento.reconcile.forget import CustomerBusyError, Forgetting
from cogento.store.activity import Action
from cogento.store.letter_records import LetterFilter, LetterStatus
from cogento.store.operations import OperationKind, OperationState
from cogento.store.roles import Role
from tests.integration.console.conftest import Happened, Run
from tests.support import builders
from tests.support.builders import NOW
from tests.support.store_letters import letter

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cogento.store.letter_records import Letter
    from cogento.store.store import Store
    from tests.support.looped import LoopedMailboxes

CANARY = "zeisig"
"""Stands in everything that the person is known by."""

PERSON: dict[str, Any] = {
    "email": f"{CANARY}.mail@example.com",
    "name": "Zeisig Émile",
    "phone": "+49 30 zeisig 1",
    "address": {"line1": f"{CANARY} street 1", "city": "Berlin"},
    "metadata": {"nickname": f"{CANARY} of the house"},
    "shipping": {"name": f"{CANARY} at work", "phone": f"{CANARY}-2"},
    "description": f"{CANARY} is a regular",
}
EVERY = LetterFilter(statuses=frozenset(LetterStatus))


def person(**fields: Any) -> dict[str, Any]:
    return builders.customer("cus_1", **(PERSON | fields))


def of_person(id_: str = "sub_1", **fields: Any) -> dict[str, Any]:
    own: dict[str, Any] = {"customer": "cus_1", "metadata": {"gift from": f"{CANARY} with love"}}
    return builders.subscription(id_, **(own | fields))


@pytest.fixture
def world(
    store: Store, mailboxes: LoopedMailboxes, applied: Happened, waiting: Happened, database_url: str
) -> None:
    """A person who stands everywhere, beside another one."""
    applied("customer.created", builders.customer("cus_2", name="Bob"), id_="evt_other", created=NOW)
    applied("customer.created", person(), id_="evt_c1", created=NOW)
    # Two of one second that nothing decides between: the row's evidence remembers what each of them shows.
    applied("customer.updated", person(name="Zeisig One"), id_="evt_c2", created=NOW + 60)
    applied("customer.updated", person(name="Zeisig Two"), id_="evt_c3", created=NOW + 60)
    applied("customer.subscription.created", of_person(), id_="evt_s1", created=NOW + 5)
    for turn in ("2", "3"):
        gift = {"gift from": f"{CANARY} {turn}"}
        subscribed = of_person(metadata=gift)
        applied("customer.subscription.updated", subscribed, id_=f"evt_s{turn}", created=NOW + 60)
    assert runtime.run(store.roles.grant(PERSON["email"], Role.ADMIN))

    bury(store)
    waiting("customer.updated", person(), id_="evt_w1", created=NOW + 200)
    waiting("customer.subscription.updated", of_person(), id_="evt_w2", created=NOW + 201)
    assert mailboxes.pause(CustomerId("cus_1"), who="ada", why=f"{CANARY} rang")
    assert mailboxes.pause(CustomerId("cus_2"), who="ada", why="a friend of ZEISIG ÉMILE")

    record = store.activity.record
    runtime.run(record(who="ada", action=Action.PAUSE, about="cus_1", why=f"{CANARY} rang"))
    runtime.run(record(who="ada", action=Action.PAUSE, about="cus_2", why="asked by ZEISIG.MAIL@example.com"))
    which = LetterFilter(text=PERSON["email"])
    operation = runtime.run(
        store.operations.begin(
            OperationKind.RETRY, which, newest_letter=9, total=0, who="ada", why="for zeisig émile"
        )
    )
    runtime.run(store.operations.finish(operation, OperationState.STOPPED))
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO notices (object_id, kind, told_at, ends, noticed_at, waits_since, raw_body)"
            " VALUES ('sub_1', 'subscription', now(), FALSE, now(), now(), %s)",
            (f"{CANARY} told".encode(),),
        )


def bury(store: Store) -> None:
    """Letters of every status, of the customer and of the subscription; a discard's reason names the person."""
    dead = [dead_letter(f"d{n}") for n in range(4)]
    body = builders.event_body("customer.subscription.updated", of_person(), id_="evt_d9")
    dead.append(letter("d9", customer_id="cus_1", object_id="sub_1", raw_body=body))
    other = builders.event_body("customer.updated", builders.customer("cus_2"), id_="evt_o1")
    dead.append(letter("o1", customer_id="cus_2", object_id="cus_2", raw_body=other))
    dead.append(letter("o2", customer_id="cus_2", object_id="cus_2", raw_body=other))
    runtime.run(store.insert_dead_letters(dead))
    ids = {str(one.event_id): one.id for one in kept(store)}
    runtime.run(store.letters.discard([ids["evt_d1"]], who="ada", why=f"{CANARY} does not mind"))
    runtime.run(store.letters.retry([ids["evt_d2"]], who="ada", why=f"{CANARY} pays again"))
    runtime.run(store.letters.discard([ids["evt_o2"]], who="ada", why="as Zeisig Two wanted"))


def dead_letter(event: str) -> Any:
    body = builders.event_body("customer.updated", person(), id_=f"evt_{event}")
    return letter(event, customer_id="cus_1", object_id="cus_1", raw_body=body)


def kept(store: Store) -> list[Letter]:
    return runtime.run(store.letters.page(EVERY))


def cells(database_url: str) -> Iterator[tuple[str, str]]:
    """Everything in every table, by where it stands."""
    with psycopg.connect(database_url) as connection:
        tables = connection.execute(
            "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = ANY('{public,cogento_internal}'::REGNAMESPACE[])"
        ).fetchall()
        for (table,) in tables:
            cursor = connection.execute(f'SELECT * FROM "{table}"')
            names = [column.name for column in cursor.description or ()]
            for row in cursor:
                for name, value in zip(names, row, strict=True):
                    text = value.decode(errors="replace") if isinstance(value, bytes) else str(value)
                    yield f"{table}.{name}", text


def values(redis_url: str) -> Iterator[tuple[str, str]]:
    """Everything in Redis, by its key; events as they are, and unpacked."""
    client = redis.Redis.from_url(redis_url)
    readers: dict[bytes, Any] = {
        b"string": client.get,
        b"hash": client.hgetall,
        b"zset": lambda key: client.zrange(key, 0, -1),
        b"set": client.smembers,
        b"list": lambda key: client.lrange(key, 0, -1),
    }
    for key in client.scan_iter():
        value = readers[client.type(key)](key)  # type: ignore[index]
        yield key.decode(), repr(value)
        if b":event:" in key:
            yield f"{key.decode()} unpacked", codec.decode(value, now_ms=NOW * 1000).body.decode()  # type: ignore[union-attr]
    client.close()


def places(database_url: str, redis_url: str) -> set[str]:
    """Wherever the person stands."""
    everything = [*cells(database_url), *values(redis_url)]
    return {place for place, text in everything if CANARY in text.lower() or "mile" in text.lower()}


@pytest.mark.usefixtures("world")
def test_the_canaries_stand_everywhere_before(database_url: str, redis_url: str) -> None:
    """Else finding none afterwards would say nothing."""
    found = places(database_url, redis_url)
    assert {
        "users.name",
        "users.email",
        "users.stripe_email",
        "users.claimed_email",
        "users.phone",
        "users.address",
        "users.metadata",
        "users.evidence",
        "subscriptions.metadata",
        "subscriptions.evidence",
        "dead_letters.raw_body",
        "dead_letters.resolution",
        "dead_letter_actions.why",
        "activity.why",
        "operations.filter",
        "operations.why",
        "notices.raw_body",
        "{cogento:0}:pauses",
        "{cogento:0}:event:evt_w1 unpacked",
        "{cogento:0}:event:evt_w2 unpacked",
    } <= found


@pytest.mark.usefixtures("world")
def test_nothing_of_the_person_is_left_anywhere(
    run: Run, database_url: str, redis_url: str, capfd: pytest.CaptureFixture[str]
) -> None:
    done = run("forget", "cus_1", "--yes", "--who", "ada", "--reason", "request 4711")

    assert done.exit_code == 0
    assert places(database_url, redis_url) == set()
    logged = capfd.readouterr()
    assert CANARY not in (done.output + logged.out + logged.err).lower()


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
    assert "--yes does it" in said
    assert [*cells(database_url), *values(redis_url)] == before
    assert json.loads(run("forget", "cus_1", "--yes", "--json").output)["report"] == told["report"]


@pytest.mark.usefixtures("world")
def test_others_keep_what_is_theirs(run: Run, store: Store, mailboxes: LoopedMailboxes) -> None:
    run("forget", "cus_1", "--yes")

    other = runtime.run(store.history.customer(CustomerId("cus_2")))
    assert other is not None
    assert (other.name, other.deleted_at) == ("Bob", None)
    theirs = {str(one.event_id): one for one in kept(store) if one.customer_id == "cus_2"}
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
def test_a_letter_that_is_buried_afterwards_keeps_no_bytes(
    run: Run, store: Store, database_url: str, redis_url: str
) -> None:
    run("forget", "cus_1", "--yes")

    runtime.run(store.insert_dead_letters([dead_letter("late"), dead_letter("d0")]))

    assert places(database_url, redis_url) == set()
    late = next(one for one in kept(store) if one.event_id == "evt_late")
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

    found = [one for one in kept(store) if one.customer_id == "cus_1"]
    bodies = [runtime.run(store.letters.body(one.id)) for one in found]
    assert bodies == [None] * 5
    assert {one.status for one in found} == {LetterStatus.DISCARDED}
    assert {one.resolution for one in found} == {"erased: the customer was deleted in Stripe"}
    assert next(one for one in kept(store) if one.event_id == "evt_o1").status is LetterStatus.OPEN


def test_a_deletion_that_was_a_letter_itself_ends_as_applied_and_without_bytes(
    applied: Happened, store: Store
) -> None:
    applied("customer.created", person(), id_="evt_c1", created=NOW)
    body = builders.event_body("customer.deleted", person(), id_="evt_end", created=NOW + 5)
    own: dict[str, Any] = {"customer_id": "cus_1", "object_id": "cus_1", "created": NOW + 5}
    runtime.run(store.insert_dead_letters([letter("end", raw_body=body, **own)]))

    applied("customer.deleted", person(), id_="evt_end", created=NOW + 5)

    (one,) = kept(store)
    assert (one.status, one.resolution) == (LetterStatus.RESOLVED, "applied")
    assert runtime.run(store.letters.body(one.id)) is None


@pytest.mark.usefixtures("world")
def test_letters_of_customers_deleted_before_are_erased_by_the_next_maintenance(
    applied: Happened, store: Store, worker_store: Store, database_url: str
) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("UPDATE users SET deleted_at = now() WHERE stripe_customer_id = 'cus_1'")

    runtime.run(worker_store.run_maintenance())

    mine = [one for one in kept(store) if one.customer_id == "cus_1"]
    assert [runtime.run(store.letters.body(one.id)) for one in mine] == [None] * 5
