"""Bulk retries and discards: everything that matches, recorded in the tables, stopped and continued."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from cogento import runtime
from cogento.console import bulk_operations
from cogento.console.bulk_operations import BulkOperations, NeverStops
from cogento.console.errors import Failure
from cogento.events.names import CustomerId
from cogento.local.ports import free_port
from cogento.queue.durability import AckDurability
from cogento.store.letter_records import LetterFilter, LetterStatus
from cogento.store.operations import Operation, OperationKind, OperationOutcome, OperationState
from tests.support import builders
from tests.support.builders import NOW
from tests.support.looped import LoopedMailboxes
from tests.support.servers import wait_until
from tests.support.store_letters import letter

if TYPE_CHECKING:
    from cogento.store.activity import ActivityEntry
    from cogento.store.store import Store

ALL = LetterFilter()
EVERY = LetterFilter(statuses=frozenset(LetterStatus))
TIME_PASSES = """
    UPDATE operations SET heartbeat_at = heartbeat_at - INTERVAL '16 seconds';
    UPDATE dead_letter_actions SET happened_at = happened_at - INTERVAL '16 seconds'
"""
RETRY, DISCARD = OperationKind.RETRY, OperationKind.DISCARD


class StopsAfter:
    """Asks to stop after so many batches."""

    def __init__(self, batches: int) -> None:
        self.left = batches
        self.waited: list[float] = []

    @property
    def is_requested(self) -> bool:
        self.left -= 1
        return self.left < 0

    def wait(self, seconds: float) -> None:
        self.waited.append(seconds)


@pytest.fixture
def bulk(mailboxes: LoopedMailboxes, store: Store) -> BulkOperations:
    return BulkOperations(mailboxes.looped, store)


def insert_letters(store: Store, count: int, **fields: Any) -> None:
    """Insert letters evt_0, evt_1 and so on, of a customer each."""
    runtime.run(store.insert_dead_letters([dead(number, **fields) for number in range(count)]))


def dead(number: int, **fields: Any) -> Any:
    customer = f"cus_{number}"
    body = builders.event_body("customer.updated", builders.customer(customer), id_=f"evt_{number}")
    own: dict[str, Any] = {"customer_id": CustomerId(customer), "object_id": customer, "raw_body": body}
    return letter(str(number), created=NOW, **(own | fields))


def statuses(store: Store) -> dict[str, int]:
    found = [one.status for one in runtime.run(store.letters.page(EVERY, limit=1000))]
    return {status: found.count(status) for status in LetterStatus if status in found}


def activity(store: Store) -> list[ActivityEntry]:
    return runtime.run(store.activity.page())


def now(bulk: BulkOperations, operation: Operation) -> Operation:
    found = bulk.read(operation.id)
    assert found is not None
    return found.operation


def run(bulk: BulkOperations, operation: Operation, stop: Any = None) -> None:
    list(bulk.run(operation, stop or NeverStops()))


def begin(
    bulk: BulkOperations, kind: OperationKind = RETRY, which: LetterFilter = ALL, **terms: Any
) -> Operation:
    return bulk.begin(kind, which, **{"who": "ada", "why": "INC-7", **terms})


def execute(database_url: str, statement: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(statement)


def test_a_retry_started_from_a_page_puts_everything_back_and_says_so(
    bulk: BulkOperations, store: Store, mailboxes: LoopedMailboxes
) -> None:
    insert_letters(store, 450)

    operation = bulk.start(RETRY, ALL, who="ada (console)", why="INC-7")
    wait_until(lambda: now(bulk, operation).state is OperationState.DONE, what="the operation to end")

    ended = now(bulk, operation)
    assert (ended.total, ended.counts, ended.processed) == (450, {"put_back": 450}, 450)
    assert statuses(store) == {"retrying": 450}
    assert mailboxes.status().waiting == 450
    details = bulk.read(operation.id)
    assert details is not None
    assert details.outcomes == [OperationOutcome(LetterStatus.RETRYING, None, 450)]


def test_it_is_one_line_of_the_activity_however_many_letters_it_takes(
    bulk: BulkOperations, store: Store
) -> None:
    insert_letters(store, 3)

    operation = begin(bulk)
    run(bulk, operation)

    (entry,) = activity(store)
    assert (entry.who, entry.action, entry.about, entry.why) == ("ada", "retry", None, "INC-7")
    assert entry.details == {"operation": operation.id, "letters": 3}


def test_a_discard_closes_everything_that_matches_with_the_reason(bulk: BulkOperations, store: Store) -> None:
    insert_letters(store, 3)
    runtime.run(store.insert_dead_letters([dead(9, reason="malformed")]))

    operation = begin(bulk, DISCARD, LetterFilter(reason="bug"), why="test data")
    run(bulk, operation)

    assert now(bulk, operation).counts == {"discarded": 3}
    assert statuses(store) == {"open": 1, "discarded": 3}
    closed = runtime.run(store.letters.page(LetterFilter(statuses=frozenset({LetterStatus.DISCARDED}))))
    assert {(one.resolution, one.resolved_by) for one in closed} == {("test data", "ada")}


def test_letters_that_die_after_the_decision_are_not_part_of_it(bulk: BulkOperations, store: Store) -> None:
    insert_letters(store, 2)
    operation = begin(bulk)
    runtime.run(store.insert_dead_letters([dead(9)]))

    run(bulk, operation)

    assert statuses(store) == {"open": 1, "retrying": 2}


def test_a_filter_bound_to_the_newest_letter_that_was_shown_takes_no_later_one(
    bulk: BulkOperations, store: Store
) -> None:
    insert_letters(store, 2)
    newest = max(one.id for one in runtime.run(store.letters.page()))
    runtime.run(store.insert_dead_letters([dead(9)]))

    operation = begin(bulk, DISCARD, LetterFilter(newest=newest))
    run(bulk, operation)

    assert operation.total == 2
    assert statuses(store) == {"open": 1, "discarded": 2}


def test_a_letter_that_failed_again_since_the_letters_were_shown_is_not_taken_unseen(
    bulk: BulkOperations, store: Store
) -> None:
    insert_letters(store, 2)
    newest, oldest = (one.id for one in runtime.run(store.letters.page()))
    runtime.run(store.letters.retry([oldest], who="bob", why="deployed"))
    runtime.run(store.insert_dead_letters([dead(0)]))
    assert statuses(store) == {"open": 2}

    with pytest.raises(Failure, match="2 letters match now, more than the 1 that was shown"):
        begin(bulk, DISCARD, LetterFilter(newest=newest), shown=1)

    assert bulk.page() == []
    assert begin(bulk, DISCARD, LetterFilter(newest=newest), shown=2).total == 2


def test_where_nothing_matches_nothing_begins(bulk: BulkOperations) -> None:
    with pytest.raises(Failure, match="No open letter matches"):
        begin(bulk)

    assert bulk.page() == []


def test_while_one_runs_another_one_is_refused_by_its_name(bulk: BulkOperations, store: Store) -> None:
    insert_letters(store, 2)
    first = begin(bulk)

    with pytest.raises(Failure, match=f"Operation {first.id} .retry, by ada. runs"):
        begin(bulk)


def test_one_that_is_asked_to_stop_ends_after_its_batch_and_goes_on_when_continued(
    bulk: BulkOperations, store: Store
) -> None:
    insert_letters(store, 450)
    operation = begin(bulk)
    steps = bulk.run(operation, NeverStops())
    next(steps)

    assert bulk.stop(operation.id, who="bob")
    assert list(steps) == []
    assert (now(bulk, operation).state, now(bulk, operation).processed) == (OperationState.STOPPED, 200)
    continued = bulk.continue_(operation.id, who="eve")
    wait_until(lambda: now(bulk, operation).state is OperationState.DONE, what="the operation to end")

    assert continued.processed == 200
    assert now(bulk, operation).counts == {"put_back": 450}
    assert [(one.who, one.action) for one in activity(store)] == [
        ("eve", "continue"),
        ("bob", "stop"),
        ("ada", "retry"),
    ]


def test_a_command_that_is_interrupted_leaves_it_stopped(bulk: BulkOperations, store: Store) -> None:
    insert_letters(store, 450)
    operation = begin(bulk)

    run(bulk, operation, StopsAfter(1))

    assert (now(bulk, operation).state, now(bulk, operation).processed) == (OperationState.STOPPED, 200)
    assert statuses(store) == {"open": 250, "retrying": 200}


def test_one_that_is_not_iterated_to_its_end_is_stopped(bulk: BulkOperations, store: Store) -> None:
    insert_letters(store, 450)
    operation = begin(bulk)
    steps = bulk.run(operation, NeverStops())
    next(steps)

    steps.close()  # type: ignore[attr-defined] # it is a generator

    assert now(bulk, operation).state is OperationState.STOPPED


def test_a_rate_is_kept_by_small_batches_with_waits_between(bulk: BulkOperations, store: Store) -> None:
    insert_letters(store, 20)
    stop = StopsAfter(99)

    sizes = [len(results) for results in bulk.run(begin(bulk, rate=40), stop)]

    assert sizes == [4] * 5
    assert len(stop.waited) == 5
    assert max(stop.waited) <= 0.1


def test_what_has_become_of_many_letters_is_counted_a_share_of_the_time(
    bulk: BulkOperations, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    insert_letters(store, 3)
    operation = begin(bulk)
    run(bulk, operation)
    monkeypatch.setattr(bulk_operations, "COUNTED_ANEW", 2)
    monkeypatch.setattr(bulk_operations, "COUNTING_SHARE", 1e-6)
    first = bulk.read(operation.id)
    runtime.run(store.insert_dead_letters([dead(0)]))  # put back, and dead again

    young = bulk.read(operation.id)
    monkeypatch.setattr(bulk_operations, "COUNTING_SHARE", 1e6)
    anew = bulk.read(operation.id)

    assert first is not None
    assert young is not None
    assert anew is not None
    assert young.outcomes == first.outcomes == [OperationOutcome(LetterStatus.RETRYING, None, 3)]
    assert young.outcomes_age_seconds > first.outcomes_age_seconds
    assert [one.letters for one in anew.outcomes] == [1, 2]


def test_after_a_crash_between_two_batches_the_rest_is_done_and_nothing_twice(
    bulk: BulkOperations, store: Store, database_url: str
) -> None:
    insert_letters(store, 450)
    operation = begin(bulk)
    abandoned = bulk._batches(operation, NeverStops())
    next(abandoned)
    runtime.run(store.insert_dead_letters([dead(0)]))  # put back, and dead again
    execute(database_url, TIME_PASSES)

    assert now(bulk, operation).state is OperationState.INTERRUPTED
    run(bulk, bulk.take_over(operation.id, who="eve"))

    assert now(bulk, operation).counts == {"put_back": 450}
    assert {one.replays for one in runtime.run(store.letters.page(EVERY, limit=1000))} == {1}


def test_after_a_crash_between_tables_and_mailboxes_the_batch_is_put_back_all_the_same(
    bulk: BulkOperations, store: Store, mailboxes: LoopedMailboxes, database_url: str
) -> None:
    insert_letters(store, 3)
    operation = begin(bulk)
    ids = [match.id for match in runtime.run(store.operations.remaining(operation))]
    runtime.run(store.operations.retry(operation, ids[:2]))
    execute(database_url, TIME_PASSES)
    assert mailboxes.status().waiting == 0

    run(bulk, bulk.take_over(operation.id, who="eve"))

    assert now(bulk, operation).counts == {"put_back": 3}
    assert statuses(store) == {"retrying": 3}
    assert mailboxes.status().waiting == 3


def test_after_a_crash_before_the_count_the_batch_is_counted_and_not_put_again(
    bulk: BulkOperations, store: Store, database_url: str
) -> None:
    insert_letters(store, 3)
    operation = begin(bulk)
    bulk._do(operation, [match.id for match in runtime.run(store.operations.remaining(operation))][:2])
    execute(database_url, TIME_PASSES)

    continued = bulk.take_over(operation.id, who="eve")

    assert continued.counts == {"put_back": 2}
    run(bulk, continued)
    assert now(bulk, operation).counts == {"put_back": 3}
    assert {one.replays for one in runtime.run(store.letters.page(EVERY))} == {1}


def test_a_process_that_was_only_frozen_takes_nothing_more_once_another_continued(
    bulk: BulkOperations, store: Store, database_url: str
) -> None:
    insert_letters(store, 450)
    operation = begin(bulk)
    frozen = bulk.run(operation, NeverStops())
    next(frozen)
    execute(database_url, TIME_PASSES)
    continued = bulk.take_over(operation.id, who="eve")

    assert list(frozen) == []

    assert now(bulk, operation).state is OperationState.RUNNING
    run(bulk, continued)
    assert now(bulk, operation).counts == {"put_back": 450}


def test_one_that_runs_is_not_continued(bulk: BulkOperations, store: Store) -> None:
    insert_letters(store, 1)
    operation = begin(bulk)

    with pytest.raises(Failure, match=f"Operation {operation.id} cannot be continued"):
        bulk.take_over(operation.id, who="eve")


def test_what_cannot_be_put_back_is_counted_and_open(bulk: BulkOperations, store: Store) -> None:
    insert_letters(store, 1)
    runtime.run(store.insert_dead_letters([letter("odd", raw_body=b"\x01scribble")]))

    operation = begin(bulk)
    run(bulk, operation)

    assert now(bulk, operation).counts == {"put_back": 1, "unreadable": 1}
    assert statuses(store) == {"open": 1, "retrying": 1}


def test_when_redis_is_away_it_fails_in_words_and_goes_on_later(bulk: BulkOperations, store: Store) -> None:
    insert_letters(store, 2)
    away = LoopedMailboxes.connect(f"redis://127.0.0.1:{free_port()}/0", ack=AckDurability.REDIS)
    operation = begin(bulk)

    with pytest.raises(Failure, match="Redis is not reachable, or refuses the command"):
        run(BulkOperations(away.looped, store), operation)

    failed = now(bulk, operation)
    assert (failed.state, failed.counts) == (OperationState.FAILED, {})
    assert failed.error is not None
    assert "Redis" in failed.error
    assert statuses(store) == {"open": 2}
    run(bulk, bulk.take_over(operation.id, who="eve"))
    assert now(bulk, operation).counts == {"put_back": 2}
    away.close()
