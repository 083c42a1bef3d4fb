"""What operators did, as one list with what they did to single letters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from cogento.store.activity import Action
from tests.support.store_letters import letter

if TYPE_CHECKING:
    from cogento.store.activity import ActivityEntry
    from cogento.store.store import Store


def told(entries: list[ActivityEntry]) -> list[tuple[str, str, str | None, str]]:
    return [(entry.who, entry.action, entry.about, entry.why) for entry in entries]


async def letter_id(store: Store, event: str = "1") -> int:
    await store.insert_dead_letters([letter(event, customer_id="cus_7", object_id="sub_7")])
    return max(found.id for found in await store.letters.page())


async def test_what_was_done_is_listed_newest_first(store: Store) -> None:
    await store.activity.record(who="ada", action=Action.PAUSE, about="cus_1", why="INC-7")
    await store.activity.record(who="bob", action=Action.SWEEP, details={"missing": 3})

    newer, older = await store.activity.page()

    assert told([newer, older]) == [("bob", "sweep", None, ""), ("ada", "pause", "cus_1", "INC-7")]
    assert newer.details == {"missing": 3}
    assert newer.at >= older.at


async def test_actions_on_single_letters_stand_in_their_place_among_the_others(store: Store) -> None:
    id_ = await letter_id(store)
    await store.activity.record(who="ada", action=Action.PAUSE, about="cus_7")
    await store.letters.discard([id_], who="bob", why="test data")
    await store.activity.record(who="ada", action=Action.RESUME, about="cus_7")

    entries = await store.activity.page()

    assert told(entries) == [
        ("ada", "resume", "cus_7", ""),
        ("bob", "discard", "cus_7", "test data"),
        ("ada", "pause", "cus_7", ""),
    ]
    assert entries[1].details == {"letter": id_, "event": "evt_1"}


async def test_the_list_is_paged_through_without_a_gap_or_a_repetition(store: Store) -> None:
    ids = [await letter_id(store, event) for event in "123"]
    for number, id_ in enumerate(ids):
        await store.activity.record(who="ada", action=Action.PAUSE, about=f"cus_{number}")
        await store.letters.discard([id_], who="bob", why="test data")

    first = await store.activity.page(limit=4)
    second = await store.activity.page(limit=4, below=first[-1].id)

    assert [entry.action for entry in (*first, *second)] == ["discard", "pause"] * 3
    assert len({entry.id for entry in (*first, *second)}) == 6


@pytest.mark.parametrize(
    ("filters", "actions"),
    [
        ({"who": "ada"}, ["pause"]),
        ({"action": "discard"}, ["discard"]),
        ({"about": "cus_7"}, ["discard", "pause"]),
        ({"about": "sub_7"}, ["discard"]),
        ({"about": "evt_1"}, ["discard"]),
        ({"who": "bob", "action": "pause"}, []),
        ({"who": "bob", "about": "cus_7"}, ["discard"]),
        ({"who": "worker", "action": "retry"}, []),
    ],
)
async def test_the_list_is_narrowed_by_who_did_what_about_what(
    store: Store, filters: dict[str, str], actions: list[str]
) -> None:
    id_ = await letter_id(store)
    await store.activity.record(who="ada", action=Action.PAUSE, about="cus_7")
    await store.letters.discard([id_], who="bob", why="test data")

    assert [entry.action for entry in await store.activity.page(**filters)] == actions  # type: ignore[arg-type]


async def test_what_a_worker_did_by_itself_is_listed_where_it_is_asked_for(store: Store) -> None:
    id_ = await letter_id(store)
    await store.letters.retry([id_], who="worker", why="its customer has come")

    mine = [("worker", "retry", "cus_7", "its customer has come")]
    assert await store.activity.page() == []
    assert told(await store.activity.page(who="worker")) == mine
    assert told(await store.activity.page(about="evt_1")) == mine


async def test_text_that_postgres_cannot_hold_is_replaced(store: Store) -> None:
    await store.activity.record(who="a\0", action=Action.PAUSE, about="\ud800", why="\0", details={"x": "\0"})

    (entry,) = await store.activity.page()

    assert (entry.who, entry.about, entry.why) == ("a\ufffd", "\ufffd", "\ufffd")
    assert entry.details == {"x": "\ufffd"}


async def test_what_was_done_long_ago_is_forgotten_but_not_who_was_forgotten(store: Store, sql: Any) -> None:
    await store.activity.record(who="ada", action=Action.FORGET, about="cus_1")
    await store.activity.record(who="ada", action=Action.PAUSE, about="cus_2")
    await sql.execute("UPDATE activity SET happened_at = now() - INTERVAL '401 days'")
    await store.activity.record(who="ada", action=Action.PAUSE, about="cus_3")

    await store.run_maintenance()

    assert [entry.about for entry in await store.activity.page()] == ["cus_3", "cus_1"]


async def test_activity_is_kept_as_long_as_the_ledger_where_that_is_longer(store: Store, sql: Any) -> None:
    await store.activity.record(who="ada", action=Action.PAUSE, about="cus_2")
    await sql.execute("UPDATE activity SET happened_at = now() - INTERVAL '401 days'")

    await store.run_maintenance(retention_days=500)

    assert len(await store.activity.page()) == 1
