"""Finding dead letters: by what they died of, whose they are, how old they are, and any text."""

from __future__ import annotations

from typing import Any

import pytest

from cogento.retries import FailureClass
from cogento.store.letter_records import LetterFilter
from cogento.store.store import Store
from tests.support.store_letters import letter

DAY_SECONDS = 86_400


async def bury_three(store: Store, sql: Any) -> None:
    """One new bug, and two old letters of impossible values, of two customers."""
    refused = {
        "reason": "impossible_value",
        "failure_class": FailureClass.PERMANENT,
        "failure_code": "23514",
        "constraint_name": "users_name_check",
        "message": "Postgres cannot hold one of the event's values.",
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
        (LetterFilter(statuses=frozenset()), set()),
    ],
)
async def test_a_filter_finds_what_all_of_it_is_true_of(
    store: Store, sql: Any, which: LetterFilter, found: set[str]
) -> None:
    await bury_three(store, sql)
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


async def test_letters_of_a_group_are_found_by_its_fingerprint(store: Store) -> None:
    await store.insert_dead_letters([letter("1"), letter("2", reason="odd")])
    odd = next(group for group in await store.letters.groups() if group.reason == "odd")
    (found,) = await store.letters.page(LetterFilter(fingerprint=odd.fingerprint))
    assert found.event_id == "evt_2"
