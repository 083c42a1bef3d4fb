"""Finding dead letters: by cause, customer, age, and any text."""

from __future__ import annotations

from typing import Any

import pytest

from cogento.events.names import CustomerId
from cogento.retries import FailureClass
from cogento.store.letter_records import LetterFilter
from cogento.store.store import Store
from tests.support.store_letters import letter

DAY_SECONDS = 86_400


async def insert_three_letters(store: Store, sql: Any) -> None:
    """One new bug, and two old letters of impossible values, of two customers."""
    refused = {
        "reason": "impossible_value",
        "failure_class": FailureClass.PERMANENT,
        "failure_code": "23514",
        "constraint_name": "users_name_check",
        "message": "PostgreSQL rejected one of the event's values.",
    }
    await store.insert_dead_letters(
        [
            letter("bug"),
            letter("old1", customer_id="cus_7", object_id="cus_7", **refused),
            letter("old2", event_type="customer.deleted", customer_id="cus_8", removal=True, **refused),
        ]
    )
    await sql.execute(
        "UPDATE dead_letters SET died_at = now() - INTERVAL '2 days' WHERE event_id LIKE 'evt_old%'"
    )


@pytest.mark.parametrize(
    ("which", "found"),
    [
        (LetterFilter(), {"evt_bug", "evt_old1", "evt_old2"}),
        (LetterFilter(reason="bug"), {"evt_bug"}),
        (LetterFilter(type="customer.deleted"), {"evt_old2"}),
        (LetterFilter(about="cus_7"), {"evt_old1"}),
        (LetterFilter(older_than_seconds=DAY_SECONDS), {"evt_old1", "evt_old2"}),
        (LetterFilter(newer_than_seconds=DAY_SECONDS), {"evt_bug"}),
        (LetterFilter(text="USERS_name"), {"evt_old1", "evt_old2"}),
        (LetterFilter(text="23514", about="cus_8"), {"evt_old2"}),
        (LetterFilter(text="100%_"), set()),
        (LetterFilter(removals=True), {"evt_old2"}),
        (LetterFilter(oldest=2**40), set()),
        (LetterFilter(statuses=frozenset()), set()),
    ],
)
async def test_a_filter_finds_what_all_of_it_is_true_of(
    store: Store, sql: Any, which: LetterFilter, found: set[str]
) -> None:
    await insert_three_letters(store, sql)
    listed = await store.letters.page(which)
    summary = await store.letters.summary(which)
    groups = await store.letters.groups(which)
    assert {kept.event_id for kept in listed} == found
    assert (summary.letters, summary.newest) == (len(found), max((kept.id for kept in listed), default=0))
    assert sum(group.letters for group in groups) == len(found)


async def test_a_group_counts_its_letters_and_customers(store: Store) -> None:
    ends = letter("3", customer_id="cus_2", removal=True)
    await store.insert_dead_letters([letter("1"), letter("2"), ends, letter("4", reason="odd")])
    first, second = await store.letters.groups()
    assert (first.reason, first.letters, first.customers, first.removals) == ("bug", 3, 2, 1)
    assert (second.reason, second.letters, second.customers, second.removals) == ("odd", 1, 1, 0)
    assert first.first_died_at <= first.last_died_at


async def test_of_many_letters_the_newest_are_counted_by_cause(store: Store) -> None:
    await store.insert_dead_letters([letter("1", reason="odd"), letter("2")])
    await store.insert_dead_letters([letter("3")])
    (group,) = await store.letters.groups(newest=2)
    assert (group.reason, group.letters) == ("bug", 2)


async def test_a_summary_counts_all_letters_and_the_customers_of_some(store: Store) -> None:
    ends = letter("3", customer_id="cus_2", removal=True)
    await store.insert_dead_letters([letter("1"), letter("2"), ends, letter("4", reason="odd")])
    newest = max(one.id for one in await store.letters.page())

    summary = await store.letters.summary(LetterFilter(), paused=[CustomerId("cus_2")], causes=5)
    bounded = await store.letters.summary(LetterFilter(), customers_of=1)

    assert (summary.letters, summary.newest, summary.has_all_customers) == (4, newest, True)
    assert (summary.customers, summary.paused_customers) == (2, 1)
    assert [(one.reason, one.letters, one.removals) for one in summary.causes] == [
        ("bug", 3, 1),
        ("odd", 1, 0),
    ]
    assert (bounded.letters, bounded.newest, bounded.has_all_customers) == (4, newest, False)
    assert (bounded.customers, [one.letters for one in bounded.causes]) == (1, [3])


async def test_a_summary_of_nothing_has_no_causes(store: Store) -> None:
    summary = await store.letters.summary(LetterFilter())
    assert (summary.letters, summary.newest, summary.customers, summary.causes) == (0, 0, 0, [])


async def test_letters_are_counted_by_status_up_to_a_number(store: Store) -> None:
    await store.insert_dead_letters([letter(number) for number in "12345"])
    ids = sorted(one.id for one in await store.letters.page())
    await store.letters.discard(ids[:4], who="ada", why="test data")

    found = await store.letters.statuses(count_to=2)

    assert found.newest == ids[-1]
    assert found.counts == {"open": 1, "retrying": 0, "resolved": 0, "discarded": 2}


async def test_letters_of_a_group_are_found_by_its_fingerprint(store: Store) -> None:
    await store.insert_dead_letters([letter("1"), letter("2", reason="odd")])
    odd = next(group for group in await store.letters.groups() if group.reason == "odd")
    (found,) = await store.letters.page(LetterFilter(fingerprint=odd.fingerprint))
    assert found.event_id == "evt_2"
