"""What a row shows of an event, and how gaps are filled: the same in every order."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import structs
from msgspec.structs import replace

from cogento.events.kinds import SUBSCRIPTION
from cogento.events.kinds.customer import CustomerColumns
from cogento.events.kinds.subscription import SubscriptionColumns
from cogento.ordering.erasure import without_personal_data
from cogento.ordering.order import CurrentRow, Lifecycle, Version, decide
from cogento.ordering.row_values import gaps
from tests.support.builders import NOW
from tests.support.model.deliveries import last_step, rows_of_every_order
from tests.support.model.histories import columns, version


def carrying(product: str | None, event_id: str, created: int, state: str, **fields: Any) -> Version:
    plain = version(event_id, created, state, **fields)
    return replace(plain, columns=replace(columns(state), product_id=product))


def shown(*versions: Version) -> SubscriptionColumns:
    (row,) = rows_of_every_order(versions)
    assert isinstance(row.columns, SubscriptionColumns)
    return row.columns


def test_a_gap_is_what_a_shape_may_not_carry() -> None:
    empty = SubscriptionColumns("cus_1", None, "active", None, None, "{}", None)
    nobody = CustomerColumns(None, None, None, None, "{}", None, deleted=False)

    assert gaps(empty) == ("product_id", "current_period_start", "current_period_end", "stripe_created_at")
    assert gaps(nobody) == ("stripe_created_at",)
    assert gaps(columns("a")) == ()


def test_the_newest_event_that_carries_a_value_fills_the_gap() -> None:
    row = shown(
        carrying("prod_old", "evt_1", NOW, "a"),
        carrying("prod_new", "evt_2", NOW + 20, "b"),
        carrying(None, "evt_3", NOW + 40, "c"),
    )

    assert row == replace(columns("c"), product_id="prod_new")


def test_an_event_long_dropped_still_fills_the_gap() -> None:
    row = shown(
        carrying("prod_old", "evt_1", NOW, "a"),
        *(carrying(None, f"evt_{n}", NOW + 20 * n, f"b{n}") for n in range(2, 6)),
    )

    assert row.product_id == "prod_old"


def test_events_of_one_second_fill_each_others_gaps() -> None:
    row = shown(
        carrying("prod_1", "evt_2", NOW, "b", before="a"), carrying(None, "evt_1", NOW, "c", before="b")
    )

    assert row == replace(columns("c"), product_id="prod_1")


def test_a_value_of_the_living_fills_the_gap_of_the_ended() -> None:
    end = carrying(None, "evt_2", NOW, "x", lifecycle=Lifecycle.DELETED, terminal=True)

    assert shown(end, carrying("prod_1", "evt_1", NOW + 9, "b")).product_id == "prod_1"


def test_a_creation_fills_a_gap_only_where_nothing_later_does() -> None:
    creation = carrying("prod_0", "evt_0", NOW + 6, "a", lifecycle=Lifecycle.CREATED)
    update = carrying("prod_1", "evt_1", NOW, "b")
    lacking = carrying(None, "evt_2", NOW + 20, "c")

    assert shown(creation, update, lacking).product_id == "prod_1"
    assert shown(creation, lacking).product_id == "prod_0"


def test_a_gap_that_nothing_fills_stays_empty() -> None:
    assert shown(carrying(None, "evt_1", NOW, "a"), carrying(None, "evt_2", NOW + 9, "b")).product_id is None


def test_the_look_of_an_event_comes_back_when_a_late_link_makes_it_the_last() -> None:
    there, back = version("evt_1", NOW, "b", "a"), version("evt_2", NOW, "a", "b")
    anchor = version("evt_3", NOW - 60, "b")

    before, after = last_step([there], [back]), last_step([there], [back], [anchor])

    assert (before.columns, after.columns) == (columns("a"), columns("b"))
    assert (after.last_event_id, after.changed) == ("evt_1", True)


# Columns that a later release added, beside a release that does not know them.


class EvidenceBefore(msgspec.Struct, array_like=True):
    """The form in which the release before the added columns read and wrote evidence."""

    format: int
    ended: bool
    records: tuple[Any, ...]
    creation: Any
    newest_dropped: int | None
    columns: tuple[tuple[bytes, tuple[Any, ...]], ...]
    fill_values: tuple[Any, ...]


THERE, BACK = version("evt_1", NOW, "b", "a"), version("evt_2", NOW, "a", "b")
ANCHOR = version("evt_3", NOW - 60, "b")
COLUMNS_BEFORE = 7


def test_the_release_before_reads_the_evidence_of_this_one_and_finds_as_many_columns_as_it_knows() -> None:
    read = msgspec.msgpack.decode(last_step([THERE, BACK]).evidence, type=EvidenceBefore)

    assert [len(values) for _, values in read.columns] == [COLUMNS_BEFORE]


def test_what_the_release_before_wrote_again_comes_back_without_what_it_does_not_know() -> None:
    kept = last_step([THERE, BACK])
    read = msgspec.msgpack.decode(kept.evidence, type=EvidenceBefore)
    by_release_before = CurrentRow(msgspec.msgpack.encode(read), kept.last_event_id, kept.columns)

    after = decide(by_release_before, [ANCHOR])

    assert after.last_event_id == "evt_1"
    assert after.columns == SubscriptionColumns(*structs.astuple(columns("b"))[:COLUMNS_BEFORE])


def test_evidence_that_remembers_no_other_state_is_what_the_release_before_would_write() -> None:
    alone = last_step([ANCHOR]).evidence

    read = msgspec.msgpack.decode(alone, type=EvidenceBefore)
    assert msgspec.msgpack.encode(read) == alone


def test_nothing_personal_is_left_of_the_other_states_and_what_reports_show_stays() -> None:
    row = last_step([THERE, BACK])

    unpersonal = without_personal_data(SUBSCRIPTION, row.evidence)

    shown = decide(CurrentRow(unpersonal, row.last_event_id, row.columns), [ANCHOR])
    assert shown.columns == replace(columns("b"), metadata="{}")
