"""How far sweeps have come, and which rows are in doubt, as the tables keep it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cogento.events.kinds import CUSTOMER
from cogento.events.names import CustomerId, EventId, ObjectId
from cogento.store.progress import ListedEvent, SweepStatus
from cogento.store.refetches import RefetchTarget
from tests.support.builders import NOW, customer
from tests.support.store_deliveries import delivery

if TYPE_CHECKING:
    from cogento.store.store import Store

SEEN, LATER = ListedEvent(EventId("evt_1"), NOW), ListedEvent(EventId("evt_2"), NOW + 1)


async def standing(store: Store) -> SweepStatus:
    return await store.sweeps.status()


async def test_before_the_first_sweep_there_is_no_watermark(store: Store) -> None:
    now = await standing(store)

    assert (now.watermark, now.finished, now.missing, now.awaited) == (None, None, 0, 0)


async def test_the_watermark_never_goes_back(store: Store) -> None:
    await store.sweeps.advance(NOW)
    await store.sweeps.advance(NOW - 10)

    assert (await standing(store)).watermark == NOW


async def test_the_missing_are_counted_and_the_awaited_written_down_once(store: Store) -> None:
    await store.sweeps.note(missing=2, awaited=[SEEN, LATER])
    await store.sweeps.note(missing=1, awaited=[SEEN])

    now = await standing(store)
    assert (now.missing, now.awaited) == (3, 2)
    assert await store.sweeps.awaited(limit=1) == [SEEN]
    assert await store.sweeps.awaited(after=SEEN, limit=1) == [LATER]


async def test_what_is_waited_for_no_longer_is_forgotten(store: Store) -> None:
    await store.sweeps.note(missing=0, awaited=[SEEN, LATER])

    await store.sweeps.forget([SEEN.event_id])

    assert await store.sweeps.awaited(limit=9) == [LATER]


async def test_an_event_in_the_ledger_is_settled(store: Store) -> None:
    await store.apply([delivery("customer.created", customer(), id_="evt_1", created=NOW)])

    assert await store.sweeps.unsettled([SEEN, LATER]) == [LATER]


async def test_the_end_of_a_sweep_is_remembered(store: Store) -> None:
    await store.sweeps.finish()

    now = await standing(store)
    assert now.finished is not None
    assert abs(now.now - now.finished) <= 5


async def in_doubt(
    store: Store, quiet_seconds: float = 0, besides: tuple[str, ...] = ()
) -> list[RefetchTarget]:
    return await store.unsure_rows.due(
        quiet_seconds=quiet_seconds, besides=[ObjectId(one) for one in besides], limit=9
    )


async def doubted(store: Store) -> None:
    there, back = customer(name="Ada"), customer(name="Bob")
    await store.apply(
        [
            delivery("customer.updated", back, id_="evt_1", created=NOW, before=there),
            delivery("customer.updated", there, id_="evt_2", created=NOW, before=back),
        ]
    )


async def test_an_unsure_row_is_in_doubt(store: Store) -> None:
    await doubted(store)

    assert await in_doubt(store) == [RefetchTarget(CUSTOMER, ObjectId("cus_1"), CustomerId("cus_1"))]


async def test_a_row_that_was_just_written_is_left_alone_for_a_while(store: Store, sql: Any) -> None:
    await doubted(store)

    assert await in_doubt(store, quiet_seconds=3) == []
    await sql.execute("UPDATE users SET synced_at = now() - interval '4 seconds'")
    assert len(await in_doubt(store, quiet_seconds=3)) == 1


async def test_objects_can_be_left_out(store: Store) -> None:
    await doubted(store)

    assert await in_doubt(store, besides=("cus_1",)) == []
