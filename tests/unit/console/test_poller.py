from __future__ import annotations

from cogento.console.poller import LINES_SHOWN, SECONDS_SHOWN, RecentHistory, StatusSample
from cogento.events.names import CustomerId
from cogento.queue.figures import QueueFigures
from cogento.store.history import NewCustomer, SettledCount
from tests.support.figures import queue_figures


def queue(*, received: int = 0, waiting: int = 0) -> QueueFigures:
    return queue_figures(received_total=received, waiting=waiting)


def arrived(id_: str, *, age_seconds: float = 0, name: str | None = None) -> NewCustomer:
    return NewCustomer(CustomerId(id_), f"{id_}@example.com", name, deleted=False, age_seconds=age_seconds)


def remembered(*looks: StatusSample) -> RecentHistory:
    memory = RecentHistory()
    for look in looks:
        memory.add(look)
    return memory


def test_memory_of_nothing_shows_nothing() -> None:
    assert RecentHistory().overview().buckets == ()


def test_last_beat_is_the_last_whole_second() -> None:
    seen = remembered(
        StatusSample(1000, settled=[SettledCount(999, "applied", 7), SettledCount(1000, "applied", 2)])
    ).overview()
    assert seen.buckets[-1].settled == {"applied": 7}
    assert len(seen.buckets) == SECONDS_SHOWN


def test_what_two_looks_count_of_a_second_is_added_up() -> None:
    seen = remembered(
        StatusSample(1000, settled=[SettledCount(999, "applied", 7)]),
        StatusSample(1001, settled=[SettledCount(999, "applied", 2)]),
    ).overview()
    assert seen.buckets[-2].settled == {"applied": 9}


def test_second_in_which_redis_was_away_has_no_backlog() -> None:
    seen = remembered(
        StatusSample(1000, queue(waiting=5)), StatusSample(1001), StatusSample(1002, queue(waiting=6))
    ).overview()
    assert [bucket.waiting for bucket in seen.buckets[-2:]] == [5, None]


def test_pace_is_an_average_over_the_last_seconds() -> None:
    seen = remembered(
        StatusSample(1000, queue(received=100)),
        StatusSample(1004, queue(received=140), settled=[SettledCount(1003, "applied", 30)]),
    ).overview()
    assert (seen.throughput.received, seen.throughput.settled) == (10.0, 3.0)


def test_counter_that_was_flushed_is_no_negative_pace() -> None:
    assert (
        remembered(StatusSample(1000, queue(received=100)), StatusSample(1001, queue()))
        .overview()
        .throughput.received
        == 0
    )


def test_old_seconds_are_forgotten() -> None:
    memory = remembered(StatusSample(1000, settled=[SettledCount(999, "applied", 1)]), StatusSample(2000))
    assert memory.settled == {}


def test_newest_arrivals_come_first_and_few_are_kept() -> None:
    seen = remembered(
        StatusSample(1000, customers=[arrived(f"cus_{n}", age_seconds=n) for n in range(LINES_SHOWN + 3)]),
        StatusSample(1010, customers=[arrived("cus_new")]),
    ).overview()
    assert [line.customer_id for line in seen.customers][:3] == ["cus_new", "cus_0", "cus_1"]
    assert len(seen.customers) == LINES_SHOWN


def test_arrival_ages_while_nothing_else_arrives() -> None:
    seen = remembered(
        StatusSample(1000, customers=[arrived("cus_1", age_seconds=2)]), StatusSample(1030)
    ).overview()
    assert seen.customers[0].age_seconds == 32


def test_row_that_changes_again_is_one_line() -> None:
    seen = remembered(
        StatusSample(1000, customers=[arrived("cus_1", name="Old")]),
        StatusSample(1001, customers=[arrived("cus_1", name="New")]),
    ).overview()
    assert [line.name for line in seen.customers] == ["New"]
