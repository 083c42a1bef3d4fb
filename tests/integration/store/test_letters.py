"""Dead letters: kept whole, taken by one person at a time, closed once."""

from __future__ import annotations

import asyncio
import hashlib
from typing import Any

import pytest
from msgspec.structs import replace

from cogento.events.outcomes import Source
from cogento.retries import FailureClass
from cogento.store.dead_letters import LONG_BYTES
from cogento.store.ledger import Delivery
from cogento.store.letter_records import Letter, LetterFilter, LetterStatus
from cogento.store.store import Store
from tests.support.builders import NOW
from tests.support.store_deliveries import customer, deleted_customer, new_customer, subscription
from tests.support.store_letters import BODY, letter

ADA = "ada"


async def test_a_letter_keeps_everything_that_is_known(store: Store) -> None:
    await store.insert_dead_letters(
        [
            letter(
                livemode=False,
                api_version="2025-06-30.basil",
                failure_class=FailureClass.PERMANENT,
                failure_code="23514",
                constraint_name="users_email_check",
                first_attempt_ms=NOW * 1000,
                starts=2,
                worker_version="0.1.0",
            )
        ]
    )
    (kept,) = await store.letters.page()
    assert (kept.event_id, kept.customer_id, kept.object_id) == ("evt_1", "cus_1", "cus_1")
    assert (kept.livemode, kept.api_version, kept.source) == (False, "2025-06-30.basil", "webhook")
    assert (kept.failure_class, kept.failure_code, kept.constraint_name) == (
        "permanent",
        "23514",
        "users_email_check",
    )
    assert (kept.attempts, kept.starts, kept.replays, kept.status) == (5, 2, 0, LetterStatus.OPEN)
    assert kept.event_created_at.timestamp() == kept.received_at.timestamp() == NOW
    assert kept.first_attempt_at == kept.received_at


async def test_the_bytes_are_kept_as_stripe_signed_them(store: Store, sql: Any) -> None:
    await store.insert_dead_letters([letter()])
    (kept,) = await store.letters.page()
    assert await store.letters.body(kept.id) == BODY
    assert await sql.fetchval("SELECT raw_sha256 FROM dead_letters") == hashlib.sha256(BODY).digest()
    assert kept.raw_sha256 == hashlib.sha256(BODY).hexdigest()


async def test_a_letter_says_so_in_the_ledger(store: Store, sql: Any) -> None:
    await store.insert_dead_letters([letter(reason="malformed")])
    row = await sql.fetchrow("SELECT outcome, reason, attempts FROM webhook_events")
    assert tuple(row) == ("dead", "malformed", 5)


async def test_written_twice_it_is_one_letter_with_the_last_cause(store: Store, sql: Any) -> None:
    await store.insert_dead_letters([letter(reason="bug")])
    await store.insert_dead_letters([letter(reason="gave_up", attempts=9)])
    (kept,) = await store.letters.page()
    assert (kept.reason, kept.attempts) == ("gave_up", 9)
    assert await sql.fetchval("SELECT reason FROM webhook_events") == "gave_up"


async def test_two_who_write_the_same_at_once_leave_one_letter(
    store: Store, another_store: Store, sql: Any
) -> None:
    many = [letter(str(n)) for n in range(20)]
    await asyncio.gather(
        store.insert_dead_letters(many), another_store.insert_dead_letters(list(reversed(many)))
    )
    assert await sql.fetchval("SELECT count(*) FROM dead_letters") == 20


async def test_an_event_that_was_applied_is_no_dead_letter(store: Store, sql: Any) -> None:
    await store.apply([customer(event="1")])
    await store.insert_dead_letters([letter("1")])
    assert await store.letters.page() == []
    assert await sql.fetchval("SELECT outcome FROM webhook_events") == "applied"


async def test_writing_no_letters_does_nothing(store: Store) -> None:
    await store.insert_dead_letters([])
    assert await store.letters.page() == []


async def test_a_message_that_postgres_refuses_is_kept_all_the_same(store: Store) -> None:
    await store.insert_dead_letters([letter(message="a\x00b")])
    (kept,) = await store.letters.page()
    assert kept.message == "a\ufffdb"


async def test_a_long_letter_may_take_longer_than_other_statements(store: Store, sql: Any) -> None:
    await sql.execute(
        """
        CREATE FUNCTION say_timeout() RETURNS TRIGGER LANGUAGE plpgsql AS $$
        BEGIN
            NEW.message := current_setting('statement_timeout');
            RETURN NEW;
        END $$;
        CREATE TRIGGER say_timeout BEFORE INSERT ON dead_letters FOR EACH ROW EXECUTE FUNCTION say_timeout();
        """
    )
    await store.insert_dead_letters([letter("long", raw_body=b"{" * (LONG_BYTES + 1))])
    await store.insert_dead_letters([letter("short")])
    seconds = {one.event_id: one.message for one in await store.letters.page()}
    assert seconds == {"evt_long": "50s", "evt_short": "15s"}


async def test_letters_of_one_cause_share_a_fingerprint(store: Store) -> None:
    await store.insert_dead_letters([letter("1"), letter("2"), letter("3", reason="malformed")])
    three, two, one = await store.letters.page()
    assert one.fingerprint == two.fingerprint != three.fingerprint


async def test_letters_are_listed_page_by_page_newest_first(store: Store) -> None:
    await store.insert_dead_letters([letter(str(n)) for n in range(5)])
    first = await store.letters.page(limit=3)
    rest = await store.letters.page(below=first[-1].id, limit=3)
    assert [kept.event_id for kept in first + rest] == ["evt_4", "evt_3", "evt_2", "evt_1", "evt_0"]


@pytest.mark.parametrize("about", ["cus_7", "sub_7", "evt_7"])
async def test_letters_are_found_by_customer_object_and_event(store: Store, about: str) -> None:
    await store.insert_dead_letters([letter("7", customer_id="cus_7", object_id="sub_7"), letter("8")])
    found = await store.letters.page(LetterFilter(about=about))
    assert [kept.event_id for kept in found] == ["evt_7"]


async def test_a_retry_hands_out_the_bytes_oldest_event_first(store: Store) -> None:
    await store.insert_dead_letters([letter("2", created=NOW + 5), letter("1", created=NOW)])
    replays = await store.letters.retry([kept.id for kept in await store.letters.page()], who=ADA)
    assert [(replay.event_id, replay.body) for replay in replays] == [("evt_1", BODY), ("evt_2", BODY)]
    assert {kept.status for kept in await store.letters.page()} == {LetterStatus.RETRYING}
    assert {kept.replays for kept in await store.letters.page()} == {1}


async def test_of_two_people_who_retry_a_letter_at_once_one_gets_it(
    store: Store, another_store: Store
) -> None:
    await store.insert_dead_letters([letter()])
    (kept,) = await store.letters.page()
    both = await asyncio.gather(
        store.letters.retry([kept.id], who=ADA), another_store.letters.retry([kept.id], who="grace")
    )
    assert sorted(len(replays) for replays in both) == [0, 1]


async def test_a_retried_letter_that_dies_again_is_open_again(store: Store) -> None:
    await store.insert_dead_letters([letter()])
    await store.letters.retry([(await _only(store)).id], who=ADA)
    await store.insert_dead_letters([letter()])
    again = await _only(store)
    assert (again.status, again.replays) == (LetterStatus.OPEN, 1)


async def test_a_retry_that_did_not_come_about_is_given_back(store: Store) -> None:
    await store.insert_dead_letters([letter()])
    kept = await _only(store)
    await store.letters.retry([kept.id], who=ADA)
    assert await store.letters.reopen([kept.id], who=ADA, why="Redis is away") == 1
    assert (await _only(store)).status is LetterStatus.OPEN


async def test_a_discarded_letter_says_who_and_why_and_is_not_retried(store: Store) -> None:
    await store.insert_dead_letters([letter()])
    kept = await _only(store)
    assert await store.letters.discard([kept.id], why="test data", who="ada") == 1
    assert await store.letters.retry([kept.id], who=ADA) == []
    assert await store.letters.page() == []
    (closed,) = await store.letters.page(LetterFilter(statuses=frozenset({LetterStatus.DISCARDED})))
    assert (closed.resolution, closed.resolved_by) == ("test data", "ada")
    assert closed.resolved_at is not None


async def test_a_closed_letter_leaves_room_for_the_next_death_of_its_event(store: Store) -> None:
    await store.insert_dead_letters([letter()])
    await store.letters.discard([(await _only(store)).id], why="-", who="-")
    await store.insert_dead_letters([letter()])
    assert len(await store.letters.page(LetterFilter(statuses=frozenset(LetterStatus)))) == 2


async def test_letters_whose_customer_arrived_are_found(store: Store) -> None:
    orphan = {"reason": "customer_missing", "event_type": "customer.subscription.updated"}
    await store.insert_dead_letters(
        [letter("1", **orphan), letter("2", customer_id="cus_2", **orphan), letter("3")]
    )
    assert await store.letters.whose_customer_arrived("customer_missing") == []
    await store.apply([new_customer(1, event="c")])
    (found,) = await store.letters.whose_customer_arrived("customer_missing")
    (replay,) = await store.letters.retry([found], who=ADA)
    assert replay.event_id == "evt_1"


async def test_the_bytes_are_erased_a_month_after_a_letter_is_closed(store: Store, sql: Any) -> None:
    await store.insert_dead_letters([letter("1"), letter("2")])
    await store.letters.discard([kept.id for kept in await store.letters.page()], why="-", who="-")
    await sql.execute(
        "UPDATE dead_letters SET resolved_at = now() - INTERVAL '31 days' WHERE event_id = 'evt_1'"
    )
    await store.run_maintenance()
    rows = await sql.fetch(
        "SELECT event_id, raw_body IS NULL, raw_sha256 IS NULL FROM dead_letters ORDER BY 1"
    )
    assert [tuple(row) for row in rows] == [("evt_1", True, False), ("evt_2", False, False)]


async def test_every_action_is_kept_with_who_and_why(store: Store) -> None:
    await store.insert_dead_letters([letter()])
    kept = await _only(store)
    await store.letters.retry([kept.id], who=ADA, why="release 7 fixes it")
    await store.letters.reopen([kept.id], who="worker", why="it was in no mailbox")
    await store.letters.discard([kept.id], who=ADA, why="test data")
    actions = await store.letters.actions(kept.id)
    assert [(action.action, action.who, action.why) for action in actions] == [
        ("retry", ADA, "release 7 fixes it"),
        ("reopen", "worker", "it was in no mailbox"),
        ("discard", ADA, "test data"),
    ]


async def test_of_two_people_who_retry_many_at_once_each_letter_is_one_s(
    store: Store, another_store: Store, sql: Any
) -> None:
    await store.insert_dead_letters([letter(str(n), created=NOW + n) for n in range(50)])
    ids = [kept.id for kept in await store.letters.page()]
    one, other = await asyncio.gather(
        store.letters.retry(ids, who=ADA), another_store.letters.retry(ids[::-1], who="grace")
    )
    assert len(one) + len(other) == 50
    assert await sql.fetchval("SELECT max(replays) FROM dead_letters") == 1
    assert await sql.fetchval("SELECT count(*) FROM dead_letter_actions") == 50


async def test_a_retry_that_is_applied_closes_its_letter(store: Store) -> None:
    await store.insert_dead_letters([letter("1")])
    kept = await _only(store)
    await store.letters.retry([kept.id], who=ADA)
    await store.apply([_retried("1")])
    assert await _ended(store, kept.id) == (LetterStatus.RESOLVED, "applied")


async def test_a_retry_is_closed_also_when_the_ledger_has_forgotten_its_death(store: Store, sql: Any) -> None:
    await store.insert_dead_letters([letter("1")])
    kept = await _only(store)
    await sql.execute("DELETE FROM webhook_events")
    await store.letters.retry([kept.id], who=ADA)
    await store.apply([_retried("1")])
    assert await _ended(store, kept.id) == (LetterStatus.RESOLVED, "applied")


async def test_a_retry_of_what_was_applied_meanwhile_ends_as_a_duplicate(store: Store, sql: Any) -> None:
    await store.insert_dead_letters([letter("1")])
    kept = await _only(store)
    await sql.execute("UPDATE webhook_events SET outcome = 'applied'")
    await store.letters.retry([kept.id], who=ADA)
    await store.apply([_retried("1")])
    assert await _ended(store, kept.id) == (LetterStatus.RESOLVED, "duplicate")


async def test_a_letter_that_is_parked_after_its_retry_stays_on_its_way(store: Store) -> None:
    await store.insert_dead_letters([letter("1", event_type="customer.subscription.updated")])
    kept = await _only(store)
    await store.letters.retry([kept.id], who=ADA)
    await store.apply([replace(subscription(event="1"), source=Source.RETRY)])
    assert await _ended(store, kept.id) == (LetterStatus.RETRYING, None)


async def test_letters_on_their_way_since_long_are_found_page_by_page(store: Store, sql: Any) -> None:
    await store.insert_dead_letters([letter(str(n)) for n in range(3)])
    ids = sorted(kept.id for kept in await store.letters.page())
    await store.letters.retry(ids, who=ADA)
    await sql.execute(
        "UPDATE dead_letters SET retrying_since = now() - INTERVAL '1 hour' WHERE id <> $1", ids[1]
    )
    first = await store.letters.taken(for_seconds=60, limit=1)
    rest = await store.letters.taken(for_seconds=60, above=max(first))
    assert [*first, *rest] == [ids[0], ids[2]]


async def test_a_letter_that_was_taken_again_meanwhile_is_not_given_back(store: Store) -> None:
    await store.insert_dead_letters([letter()])
    kept = await _only(store)
    await store.letters.retry([kept.id], who=ADA)
    assert await store.letters.reopen([kept.id], who="worker", why="-", after_seconds=60) == 0
    assert (await _only(store)).status is LetterStatus.RETRYING


async def test_letters_given_up_are_found_once_somebody_was_written_to_ten_minutes_after_and_once(
    store: Store, sql: Any
) -> None:
    await store.insert_dead_letters(
        [letter("1", reason="gave_up"), letter("2"), letter("3", reason="gave_up")]
    )
    await store.letters.retry(
        [kept.id for kept in await store.letters.page() if kept.event_id == "evt_3"], who=ADA
    )
    await store.insert_dead_letters([letter("3", reason="gave_up")])
    early = await _worth_a_retry(store)
    await sql.execute("UPDATE dead_letters SET died_at = now() - INTERVAL '11 min'")
    unwritten = await _worth_a_retry(store)
    await store.apply([customer(2, event="4")])
    assert (early, unwritten, await _worth_a_retry(store)) == ([], [], ["evt_1"])


async def test_what_was_written_long_ago_says_nothing_of_now(store: Store, sql: Any) -> None:
    await store.apply([customer(2, event="4")])
    await store.insert_dead_letters([letter("1", reason="gave_up")])
    await sql.execute("UPDATE dead_letters SET died_at = now() - INTERVAL '11 min'")
    await sql.execute(
        "UPDATE webhook_events SET settled_at = now() - INTERVAL '11 min' WHERE event_id = 'evt_4'"
    )
    assert await _worth_a_retry(store) == []


async def _worth_a_retry(store: Store) -> list[str]:
    ids = await store.letters.since_which_was_written("gave_up", after_seconds=600)
    return [outcome.event_id for outcome in await store.letters.outcomes(ids)]


async def test_unresolved_letters_are_counted_by_class(store: Store) -> None:
    await store.insert_dead_letters(
        [letter("1"), letter("2"), letter("3", failure_class=FailureClass.PERMANENT)]
    )
    counts = await store.letters.count()
    assert [(count.status, count.failure_class, count.letters) for count in counts] == [
        ("open", "bug", 2),
        ("open", "permanent", 1),
    ]


async def test_a_removal_counts_as_one_while_a_row_shows_what_it_ends(store: Store) -> None:
    ends = {"event_type": "customer.subscription.deleted", "object_id": "sub_1", "removal": True}
    await store.insert_dead_letters([letter("1", **ends), letter("2")])
    before = await _removals(store)
    await store.apply([new_customer(event="c"), subscription(event="s")])
    kept = await _removals(store)
    await store.apply([subscription(event="e", at=60, status="canceled")])
    assert (before, kept, await _removals(store)) == (0, 1, 0)


async def test_a_dead_deletion_counts_until_the_customer_s_row_says_so(store: Store) -> None:
    await store.apply([new_customer(event="c")])
    await store.insert_dead_letters([letter("1", event_type="customer.deleted", removal=True)])
    kept = await _removals(store)
    await store.apply([deleted_customer(event="d", at=60)])
    assert (kept, await _removals(store)) == (1, 0)


async def _removals(store: Store) -> int:
    return sum(count.removals for count in await store.letters.count())


async def _only(store: Store) -> Letter:
    (kept,) = await store.letters.page()
    return kept


async def _ended(store: Store, letter_id: int) -> tuple[LetterStatus, str | None]:
    (outcome,) = await store.letters.outcomes([letter_id])
    return outcome.status, outcome.resolution


def _retried(event: str) -> Delivery:
    return replace(customer(event=event), source=Source.RETRY)
