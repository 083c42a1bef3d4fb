"""Bulk retries and discards as the tables keep them: one at a time, nothing twice, continued by another process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from cogento.events.event import read_event
from cogento.events.names import CustomerId
from cogento.store.activity import Action
from cogento.store.letter_records import LetterFilter, LetterStatus
from cogento.store.operations import (
    Operation,
    OperationEndedError,
    OperationKind,
    OperationOutcome,
    OperationRunningError,
    OperationState,
)
from tests.support import builders
from tests.support.store_letters import BODY, letter

if TYPE_CHECKING:
    from cogento.store.store import Store

SILENT = "UPDATE operations SET heartbeat_at = heartbeat_at - INTERVAL '16 seconds'"
DAY_SECONDS = 86_400


async def insert_letters(store: Store, *events: str) -> list[int]:
    """Insert letters and give their ids in order."""
    await store.insert_dead_letters([letter(event) for event in events])
    return sorted(found.id for found in await store.letters.page())


async def begun(
    store: Store,
    which: LetterFilter | None = None,
    *,
    kind: OperationKind = OperationKind.RETRY,
    newest: int = 1_000,
) -> Operation:
    return await store.operations.begin(
        kind, which or LetterFilter(), newest_letter=newest, total=3, who="ada", why="INC-7", rate=50
    )


async def remaining(store: Store, operation: Operation) -> list[int]:
    return [match.id for match in await store.operations.remaining(operation)]


async def state(store: Store, operation: Operation) -> OperationState:
    found = await store.operations.read(operation.id)
    assert found is not None
    return found.state


async def test_an_operation_is_kept_as_it_was_decided(store: Store) -> None:
    which = LetterFilter(reason="bug", ids=(1, 2), newer_than_seconds=60)

    made = await begun(store, which)

    assert await store.operations.read(made.id) == made
    assert (made.kind, made.filter, made.newest_letter, made.total) == ("retry", which, 1000, 3)
    assert (made.who, made.why, made.rate, made.counts, made.processed) == ("ada", "INC-7", 50, {}, 0)
    assert (made.state, made.finished_at, made.error) == (OperationState.RUNNING, None, None)


async def test_a_number_that_no_operation_has_reads_as_none(store: Store) -> None:
    assert await store.operations.read(1) is None


async def test_operations_are_listed_newest_first_a_page_at_a_time(store: Store) -> None:
    for _ in range(3):
        await store.operations.finish(await begun(store), OperationState.DONE)

    page = await store.operations.list(limit=2)
    rest = await store.operations.list(below=page[-1].id)

    assert [one.id for one in (*page, *rest)] == [3, 2, 1]


async def test_while_one_runs_no_other_begins(store: Store, another_store: Store) -> None:
    first = await begun(store)

    with pytest.raises(OperationRunningError):
        await begun(another_store)
    await store.operations.finish(first, OperationState.DONE)

    assert (await begun(another_store)).state is OperationState.RUNNING


async def test_progress_and_end_are_kept(store: Store) -> None:
    operation = await begun(store)

    await store.operations.progress(operation, {"put_back": 2, "full": 1})
    await store.operations.finish(operation, OperationState.FAILED, "Redis is away.")

    found = await store.operations.read(operation.id)
    assert found is not None
    assert (found.counts, found.processed) == ({"put_back": 2, "full": 1}, 3)
    assert (found.state, found.error, found.may_continue) == (OperationState.FAILED, "Redis is away.", True)
    assert found.finished_at is not None


async def test_it_takes_the_open_letters_that_match_up_to_the_newest_that_was_seen(store: Store) -> None:
    first, second, third, later = await insert_letters(store, "1", "2", "3", "4")
    await store.letters.discard([second], who="bob", why="test data")

    operation = await begun(store, newest=third)

    assert await remaining(store, operation) == [first, third]
    assert later > third


async def test_it_takes_no_more_than_the_letters_that_were_ticked(store: Store) -> None:
    first, _, third = await insert_letters(store, "1", "2", "3")

    operation = await begun(store, LetterFilter(ids=(first, third)))

    assert await remaining(store, operation) == [first, third]


async def test_letters_come_oldest_event_first_with_the_size_of_their_bodies(store: Store) -> None:
    await store.insert_dead_letters(
        [letter("1", created=200_000_000, raw_body=b"12345"), letter("2", created=100_000_000)]
    )

    older, newer = await store.operations.remaining(await begun(store))

    assert older.id > newer.id
    assert (older.body_bytes, newer.body_bytes) == (len(BODY), 5)


async def test_ages_are_counted_from_when_it_began(store: Store, sql: Any) -> None:
    (old,) = await insert_letters(store, "1")
    await sql.execute("UPDATE dead_letters SET died_at = now() - INTERVAL '2 days'")
    operation = await begun(store, LetterFilter(newer_than_seconds=3 * DAY_SECONDS))

    await sql.execute("UPDATE operations SET begun_at = begun_at - INTERVAL '10 days'")
    await sql.execute("UPDATE dead_letters SET died_at = died_at - INTERVAL '10 days'")
    later = await store.operations.read(operation.id)

    assert later is not None
    assert await remaining(store, later) == [old]


async def test_what_was_retried_and_died_again_is_not_retried_again(store: Store) -> None:
    first, second = await insert_letters(store, "1", "2")
    operation = await begun(store)

    taken = await store.operations.retry(operation, [first])
    await store.insert_dead_letters([letter("1")])

    assert [one.id for one in taken] == [first]
    assert await remaining(store, operation) == [second]


async def test_what_could_not_be_put_back_is_tried_again_when_it_is_continued(store: Store) -> None:
    first, second = await insert_letters(store, "1", "2")
    operation = await begun(store)
    await store.operations.retry(operation, [first, second])

    await store.letters.reopen([first], who="worker", why="it could not be put back")

    assert await remaining(store, operation) == [first]


async def test_a_letter_that_a_person_took_out_of_a_discard_stays_open(store: Store, sql: Any) -> None:
    first, second = await insert_letters(store, "1", "2")
    operation = await begun(store, kind=OperationKind.DISCARD)
    assert await store.operations.discard(operation, [first]) == [first]

    await sql.execute("UPDATE dead_letters SET status = 'open', resolved_at = NULL")
    await sql.execute(
        "INSERT INTO dead_letter_actions (letter_id, action, who) VALUES ($1, 'reopen', 'bob')", first
    )

    assert await remaining(store, operation) == [second]


async def test_one_that_shall_stop_takes_no_further_batch(store: Store) -> None:
    first, second = await insert_letters(store, "1", "2")
    operation = await begun(store)
    await store.operations.retry(operation, [first])

    assert await store.operations.stop(operation.id)
    with pytest.raises(OperationEndedError):
        await store.operations.retry(operation, [second])

    assert await state(store, operation) is OperationState.STOPPING
    assert (await store.letters.read(second)).status is LetterStatus.OPEN  # type: ignore[union-attr]


async def test_one_that_has_ended_is_not_stopped(store: Store) -> None:
    operation = await begun(store)
    await store.operations.finish(operation, OperationState.DONE)

    assert not await store.operations.stop(operation.id)
    assert await state(store, operation) is OperationState.DONE


async def test_one_whose_process_says_nothing_any_more_is_interrupted(store: Store, sql: Any) -> None:
    operation = await begun(store)

    await sql.execute(SILENT)

    assert await state(store, operation) is OperationState.INTERRUPTED
    assert (await begun(store)).id != operation.id
    assert await state(store, operation) is OperationState.INTERRUPTED


async def test_an_interrupted_one_that_is_stopped_is_stopped_at_once(store: Store, sql: Any) -> None:
    operation = await begun(store)
    await sql.execute(SILENT)

    await store.operations.stop(operation.id)

    assert await state(store, operation) is OperationState.STOPPED


async def test_the_process_that_continues_it_shuts_out_the_one_before(
    store: Store, another_store: Store, sql: Any
) -> None:
    first, second = await insert_letters(store, "1", "2")
    before = await begun(store)
    await store.operations.retry(before, [first])
    await sql.execute(SILENT)

    after = await another_store.operations.take_over(before.id)

    assert after is not None
    assert (after.state, after.filter, after.begun_at) == ("running", before.filter, before.begun_at)
    with pytest.raises(OperationEndedError):
        await store.operations.retry(before, [second])
    with pytest.raises(OperationEndedError):
        await store.operations.progress(before, {"put_back": 9})
    await store.operations.finish(before, OperationState.FAILED)
    assert await state(store, after) is OperationState.RUNNING
    assert [one.id for one in await another_store.operations.retry(after, [second])] == [second]


@pytest.mark.parametrize("end", [OperationState.DONE, None])
async def test_one_that_runs_or_is_done_is_not_continued(store: Store, end: OperationState | None) -> None:
    operation = await begun(store)
    if end:
        await store.operations.finish(operation, end)

    assert await store.operations.take_over(operation.id) is None


async def test_while_another_one_runs_none_is_continued(store: Store) -> None:
    stopped = await begun(store)
    await store.operations.finish(stopped, OperationState.STOPPED)
    await begun(store)

    with pytest.raises(OperationRunningError):
        await store.operations.take_over(stopped.id)


async def test_the_letters_of_the_last_batch_are_known_until_they_are_counted(store: Store) -> None:
    first, second = await insert_letters(store, "1", "2")
    operation = await begun(store)
    await store.operations.retry(operation, [first])
    await store.operations.progress(operation, {"put_back": 1})
    await store.operations.retry(operation, [second])

    (flying,) = await store.operations.in_flight(operation.id)
    await store.operations.progress(operation, {"put_back": 2})

    assert (flying.id, flying.event_id, flying.status) == (second, "evt_2", LetterStatus.RETRYING)
    assert await store.operations.in_flight(operation.id) == []


async def test_its_letters_are_found_and_counted_by_what_has_become_of_them(store: Store, sql: Any) -> None:
    first, second, third, _ = await insert_letters(store, "1", "2", "3", "4")
    operation = await begun(store)
    await store.operations.retry(operation, [first, second, third])
    await store.insert_dead_letters([letter("2")])
    await sql.execute(
        "UPDATE dead_letters SET status = 'resolved', resolution = 'applied', resolved_at = now() WHERE id = $1",
        first,
    )

    which = LetterFilter(statuses=frozenset(LetterStatus), operation=operation.id)

    assert await store.operations.outcomes(operation.id) == [
        OperationOutcome(LetterStatus.OPEN, None, 1),
        OperationOutcome(LetterStatus.RESOLVED, "applied", 1),
        OperationOutcome(LetterStatus.RETRYING, None, 1),
    ]
    assert {found.id for found in await store.letters.page(which)} == {first, second, third}


async def test_a_letter_of_an_operation_is_no_line_of_its_own_in_the_activity(store: Store) -> None:
    (first,) = await insert_letters(store, "1")
    operation = await begun(store)

    await store.operations.retry(operation, [first])

    assert await store.activity.page() == []


async def test_what_a_newer_release_asks_for_is_shown_and_not_continued(store: Store, sql: Any) -> None:
    operation = await begun(store)
    await store.operations.finish(operation, OperationState.STOPPED)
    await sql.execute("""UPDATE operations SET filter = '{"colour": "red"}'""")

    found = await store.operations.read(operation.id)

    assert found is not None
    assert (found.filter, found.may_continue) == (None, False)


async def test_one_that_ended_long_ago_is_forgotten_and_what_was_done_to_its_letters_is_not(
    store: Store, sql: Any
) -> None:
    (first,) = await insert_letters(store, "1")
    old = await begun(store)
    await store.operations.retry(old, [first])
    await store.operations.finish(old, OperationState.DONE)
    await sql.execute("UPDATE operations SET finished_at = now() - INTERVAL '401 days'")
    await store.operations.finish(await begun(store), OperationState.DONE)
    running = await begun(store)
    await sql.execute(
        "UPDATE operations SET heartbeat_at = now() - INTERVAL '500 days' WHERE id = $1", running.id
    )

    await store.run_maintenance()

    assert [one.id for one in await store.operations.list()] == [running.id, running.id - 1]
    assert [done.action for done in await store.letters.actions(first)] == ["retry"]


async def forget(store: Store) -> None:
    """Forget cus_1."""
    body = builders.event_body("customer.deleted", builders.customer(), id_="evt_end")
    await store.personal_data.erase(read_event(body), who="ada", names=[])


@pytest.mark.parametrize(
    "which",
    [
        LetterFilter(about="cus_1", text="the red house"),
        LetterFilter(about="evt_1"),
        LetterFilter(ids=(1, 2)),
    ],
)
async def test_the_reason_and_filter_of_an_operation_about_a_forgotten_person_are_erased(
    store: Store, which: LetterFilter
) -> None:
    await insert_letters(store, "1", "2")
    operation = await begun(store, which)
    await store.operations.finish(operation, OperationState.STOPPED)

    await forget(store)

    found = await store.operations.read(operation.id)
    assert found is not None
    assert (found.why, found.filter, found.state) == ("", LetterFilter(ids=()), OperationState.STOPPED)


@pytest.mark.parametrize("which", [LetterFilter(reason="bug"), LetterFilter(ids=(1, 2))])
async def test_an_operation_that_is_not_about_a_forgotten_person_alone_keeps_them(
    store: Store, which: LetterFilter
) -> None:
    await insert_letters(store, "1")
    await store.insert_dead_letters([letter("2", customer_id=CustomerId("cus_2"), object_id="cus_2")])
    operation = await begun(store, which)
    await store.operations.finish(operation, OperationState.STOPPED)

    await forget(store)

    found = await store.operations.read(operation.id)
    assert found is not None
    assert (found.why, found.filter) == ("INC-7", which)


async def test_a_reason_recorded_about_an_event_of_a_forgotten_person_is_erased(
    store: Store, sql: Any
) -> None:
    await insert_letters(store, "1")
    await store.activity.record(who="ada", action=Action.RETRY, about="evt_1", why="the red house rang")

    await forget(store)

    assert await sql.fetchval("SELECT why FROM activity WHERE about = 'evt_1'") == ""
