"""Which event is last: cases on which other rules fail, each in every order, one by one and in one batch."""

from __future__ import annotations

from itertools import permutations

import pytest
from msgspec.structs import replace

from cogento.events.event import read_event
from cogento.events.kinds.subscription import read_subscription
from cogento.events.names import EventId
from cogento.events.outcomes import Reason
from cogento.ordering.evidence import EventRecord, Evidence, pack, short_id
from cogento.ordering.order import CurrentRow, Lifecycle, Version, decide
from tests.support.builders import (
    NOW,
    Json,
    Shape,
    customer,
    deleted_customer,
    event_body,
    item,
    subscription,
)
from tests.support.model.deliveries import (
    Row,
    known_after,
    last_step,
    one_by_one,
    row_after,
    rows_of_every_order,
)
from tests.support.model.histories import columns, version

CREATED, DELETED = Lifecycle.CREATED, Lifecycle.DELETED


def only(rows: set[Row]) -> Row:
    """The one row in which every order ended."""
    (row,) = rows
    return row


def shown_in_every_order(*versions: Version) -> tuple[str, str, bool]:
    """Status and event that the row shows, and whether it is sure."""
    row = only(rows_of_every_order(versions))
    assert row.columns == columns(getattr(row.columns, "status", ""))
    return getattr(row.columns, "status", ""), row.last_event_id, row.sure


def read(type_: str, object_: Json, **fields: object) -> Version:
    return read_event(event_body(type_, object_, **fields)).version


def reasons(*batches: list[Version]) -> list[Reason]:
    return [verdict.reason for verdict in last_step(*batches).verdicts]


# What a subscription's life looks like when everything happens in one second.

CREATION = version("evt_c", NOW, "incomplete", lifecycle=CREATED)
ACTIVATION = version("evt_a", NOW, "active", "incomplete")
CANCELLATION = version("evt_d", NOW, "canceled", lifecycle=DELETED, terminal=True)


def test_case_1_created_and_updated_in_one_second_end_active() -> None:
    assert shown_in_every_order(CREATION, ACTIVATION) == ("active", "evt_a", True)


def test_case_2_updated_and_deleted_in_one_second_end_canceled() -> None:
    assert shown_in_every_order(ACTIVATION, CANCELLATION) == ("canceled", "evt_d", True)


def test_a_whole_life_in_one_second_ends_canceled() -> None:
    assert shown_in_every_order(CREATION, ACTIVATION, CANCELLATION) == ("canceled", "evt_d", True)


def test_case_3_an_older_update_after_the_deletion_does_not_bring_the_row_back_to_life() -> None:
    late = replace(ACTIVATION, created=NOW - 60)

    assert shown_in_every_order(CANCELLATION, late) == ("canceled", "evt_d", True)
    assert reasons([CANCELLATION], [late]) == [Reason.AFTER_DELETE]


def test_a_newer_stamp_does_not_bring_the_row_back_to_life_either() -> None:
    late = replace(ACTIVATION, created=NOW + 60)

    assert shown_in_every_order(CANCELLATION, late) == ("canceled", "evt_d", True)


def test_a_canceled_subscription_still_changes_its_metadata() -> None:
    edit = version("evt_e", NOW + 60, "edited", "canceled", terminal=True)

    assert shown_in_every_order(CANCELLATION, edit, ACTIVATION) == ("edited", "evt_e", True)


def test_metadata_changed_in_the_second_of_the_cancellation_follows_it() -> None:
    edit = version("evt_b", NOW, "edited", "canceled", terminal=True)

    assert shown_in_every_order(CANCELLATION, edit, ACTIVATION) == ("edited", "evt_b", True)


def test_expired_and_canceled_in_one_second_follow_the_evidence() -> None:
    expired = version("evt_x", NOW, "incomplete_expired", "incomplete", terminal=True)
    canceled = version("evt_b", NOW, "canceled", "incomplete_expired", terminal=True)

    assert shown_in_every_order(CREATION, expired, canceled) == ("canceled", "evt_b", True)


def test_a_creation_stamped_six_seconds_late_does_not_overwrite() -> None:
    late = replace(CREATION, created=NOW + 6)

    assert shown_in_every_order(late, ACTIVATION) == ("active", "evt_a", True)


def test_a_change_there_and_back_in_one_second_ends_where_it_began() -> None:
    there = version("evt_2", NOW, "b", "a")
    back = version("evt_1", NOW, "a", "b")

    assert shown_in_every_order(version("evt_0", NOW, "a", lifecycle=CREATED), there, back) == (
        "a",
        "evt_1",
        True,
    )


def test_there_and_back_is_placed_by_the_state_before_that_second() -> None:
    earlier = version("evt_0", NOW - 10, "b", "a")
    back = version("evt_1", NOW, "a", "b")
    there = version("evt_2", NOW, "b", "a")

    assert shown_in_every_order(earlier, back, there) == ("b", "evt_2", True)


def test_there_and_back_first_seen_so_is_undecidable_and_the_same_everywhere() -> None:
    there = version("evt_1", NOW, "b", "a")
    back = version("evt_2", NOW, "a", "b")

    assert shown_in_every_order(there, back) == ("a", "evt_2", False)


def test_a_late_anchor_settles_what_was_undecidable() -> None:
    there = version("evt_1", NOW, "b", "a")
    back = version("evt_2", NOW, "a", "b")
    anchor = version("evt_9", NOW - 30, "b")

    assert shown_in_every_order(there, back, anchor) == ("b", "evt_1", True)


def test_a_chain_stamped_against_its_order_inside_the_window_is_followed() -> None:
    first = version("evt_3", NOW + 1, "b", "a")
    second = version("evt_2", NOW, "c", "b")
    third = version("evt_1", NOW + 2, "d", "c")

    assert shown_in_every_order(first, second, third) == ("d", "evt_1", True)


def test_further_apart_than_a_stamp_can_be_late_the_newer_second_is_last_whatever_it_says() -> None:
    older = version("evt_2", NOW, "b", "a")
    newer = version("evt_1", NOW + 6, "a", "x")

    assert shown_in_every_order(older, newer) == ("a", "evt_1", True)


@pytest.mark.parametrize("apart", [3, 4, 5])
def test_a_few_seconds_apart_the_newer_of_what_nothing_links_is_shown_in_doubt(apart: int) -> None:
    older = version("evt_2", NOW, "b", "a")
    newer = version("evt_1", NOW + apart, "d", "c")

    assert shown_in_every_order(older, newer) == ("d", "evt_1", False)


@pytest.mark.parametrize("apart", [3, 4, 5])
def test_t4_where_links_allow_one_order_and_stamps_another_the_chain_is_shown_in_doubt(apart: int) -> None:
    opened, active, last = (
        subscription(status="incomplete"),
        subscription(status="active"),
        subscription(status="active", metadata={"a": "1"}),
    )
    created = read("customer.subscription.created", opened, id_="evt_0", created=NOW - 100)
    activated = read("customer.subscription.updated", active, id_="evt_1", created=NOW + apart, before=opened)
    noted = read("customer.subscription.updated", last, id_="evt_2", created=NOW, before=active)

    row = only(rows_of_every_order([created, activated, noted]))

    assert (row.last_event_id, row.sure) == ("evt_2", False)
    assert row.columns == noted.columns


def test_t4_what_is_shown_in_doubt_is_sure_once_stripe_answers_so() -> None:
    activated = version("evt_1", NOW + 3, "active", "incomplete")
    noted = version("evt_2", NOW, "noted", "active")
    answer = version("evt_3", NOW + 7, "noted", fetched=True)

    assert shown_in_every_order(activated, noted, answer) == ("noted", "evt_3", True)


def test_t4_a_sighting_of_a_state_left_a_few_seconds_ago_is_in_doubt() -> None:
    left = version("evt_1", NOW, "b", "a")
    seen = version("evt_2", NOW + 3, "a")

    assert shown_in_every_order(left, seen) == ("b", "evt_1", False)


def test_t4_stamps_that_agree_with_the_links_or_lie_within_the_window_are_no_contradiction() -> None:
    activated = version("evt_1", NOW, "active", "incomplete")

    assert shown_in_every_order(activated, version("evt_2", NOW + 4, "noted", "active")) == (
        "noted",
        "evt_2",
        True,
    )
    assert shown_in_every_order(activated, version("evt_2", NOW - 2, "noted", "active")) == (
        "noted",
        "evt_2",
        True,
    )


def test_t4_there_and_back_within_a_few_seconds_is_sure_where_the_state_before_is_known() -> None:
    before = version("evt_0", NOW - 100, "a")
    there = version("evt_1", NOW + 4, "b", "a")
    back = version("evt_2", NOW + 5, "a", "b")

    assert shown_in_every_order(before, there, back) == ("a", "evt_2", True)


def test_a_jump_past_what_links_contradict_needs_no_doubt_once_it_is_far_enough() -> None:
    activated = version("evt_1", NOW + 6, "active", "incomplete")
    noted = version("evt_2", NOW, "noted", "active")

    assert shown_in_every_order(activated, noted) == ("active", "evt_1", True)


def test_at_the_border_of_the_window_the_evidence_still_counts() -> None:
    older = version("evt_1", NOW + 2, "b", "a")
    newer = version("evt_2", NOW, "c", "b")

    assert shown_in_every_order(older, newer) == ("c", "evt_2", True)


def test_a_sighting_of_a_known_state_says_nothing_new() -> None:
    sighting = version("evt_9", NOW, "a")

    assert shown_in_every_order(sighting, version("evt_1", NOW, "b", "a")) == ("b", "evt_1", True)


def test_a_sighting_that_nothing_links_does_not_beat_an_edge_and_is_in_doubt() -> None:
    sighting = version("evt_9", NOW, "x")

    assert shown_in_every_order(sighting, version("evt_1", NOW, "b", "a")) == ("b", "evt_1", False)


def test_a_missing_link_is_in_doubt_until_it_arrives() -> None:
    start = version("evt_0", NOW, "a", lifecycle=CREATED)
    first, last = version("evt_2", NOW, "b", "a"), version("evt_1", NOW, "d", "c")
    link = version("evt_3", NOW, "c", "b")

    assert shown_in_every_order(start, first, last) == ("d", "evt_1", False)
    assert shown_in_every_order(start, first, last, link) == ("d", "evt_1", True)


def test_a_link_that_can_be_missing_in_two_places_leaves_both_ends_in_doubt() -> None:
    seen = version("evt_1", NOW - 10, "a")
    there, back = version("evt_2", NOW - 5, "b", "a"), version("evt_3", NOW - 5, "a", "b")
    on, off = version("evt_4", NOW, "c", "b"), version("evt_5", NOW, "b", "c")

    assert shown_in_every_order(seen, there, back, on, off) == ("b", "evt_5", False)


def test_of_unlinked_events_the_one_that_starts_at_the_anchor_comes_first() -> None:
    start = version("evt_0", NOW, "a", lifecycle=CREATED)
    anchored, other = version("evt_9", NOW + 1, "b", "a"), version("evt_1", NOW, "d", "c")

    assert shown_in_every_order(start, anchored, other) == ("d", "evt_1", False)


def test_a_value_that_mostly_grows_hints_where_there_and_back_ended_and_the_row_stays_in_doubt() -> None:
    there = version("evt_2", NOW, "b", "a", growing=(1,))
    back = version("evt_1", NOW, "a", "b", growing=(2,))

    assert shown_in_every_order(there, back) == ("a", "evt_1", False)


def test_a_value_that_mostly_grows_hints_at_the_later_of_two_sightings() -> None:
    one = version("evt_2", NOW, "b", growing=(1,))
    other = version("evt_1", NOW, "c", growing=(2,))

    assert shown_in_every_order(one, other) == ("c", "evt_1", False)


@pytest.mark.parametrize("numbers", [(1, 1000, 10), (1, 1, 1000), (1000, 10, 1), (5, 4, 4)])
def test_t1_the_number_of_the_next_invoice_overrides_no_unbroken_chain(numbers: tuple[int, int, int]) -> None:
    first, second, third = (
        customer(name=name, next_invoice_sequence=number) for name, number in zip("ABC", numbers, strict=True)
    )
    created = read("customer.created", first, id_="evt_0", created=NOW - 100)
    renamed = read("customer.updated", second, id_="evt_1", created=NOW, before=first)
    again = read("customer.updated", third, id_="evt_2", created=NOW, before=second)

    row = only(rows_of_every_order([created, renamed, again]))

    assert row.columns == again.columns
    assert (row.last_event_id, row.sure) == ("evt_2", True)


@pytest.mark.parametrize("start", [NOW - 900, NOW + 900])
def test_t1_a_period_that_starts_earlier_than_before_overrides_no_unbroken_chain(start: int) -> None:
    monthly = subscription(metadata={"plan": "month"}, period=(NOW, NOW + 2_592_000))
    yearly = subscription(metadata={"plan": "year"}, period=(start, start + 31_536_000))
    noted = subscription(metadata={"plan": "year", "a": "1"}, period=(start, start + 31_536_000))
    changed = read("customer.subscription.updated", yearly, id_="evt_2", created=NOW, before=monthly)
    last = read("customer.subscription.updated", noted, id_="evt_1", created=NOW, before=yearly)

    row = only(rows_of_every_order([changed, last]))

    assert row.columns == last.columns
    assert (row.last_event_id, row.sure) == ("evt_1", True)


def test_t1_a_lowered_number_overrides_no_unbroken_chain_of_an_ended_subscription() -> None:
    ended = version("evt_1", NOW, "X", "a", terminal=True, growing=(9,))
    noted = version("evt_2", NOW, "Y", "X", terminal=True, growing=(3,))

    assert shown_in_every_order(ended, noted) == ("Y", "evt_2", True)


def test_a_state_whose_look_an_earlier_release_no_longer_kept_is_not_shown_and_the_row_is_in_doubt() -> None:
    kept = EventRecord("evt_1", NOW + 4, b"b", b"a", (), partial=False)
    dropped = EventRecord(short_id("evt_0"), NOW, b"c", b"b", (), partial=False)
    row = CurrentRow(
        pack(Evidence(records=(kept, dropped), newest_dropped=NOW - 50)), EventId("evt_1"), columns("b")
    )

    decision = decide(row, [version("evt_2", NOW + 4, "b")])

    assert (decision.last_event_id, decision.sure) == ("evt_2", False)
    assert decision.columns == columns("b")


def test_one_request_told_in_two_events_is_one_change() -> None:
    before = version("evt_0", NOW - 100, "a")
    there = version("evt_1", NOW, "b", "a", request=b"req1")
    there_again = version("evt_2", NOW + 1, "b", "a", request=b"req1")
    back = version("evt_3", NOW, "a", "b", request=b"req2")

    assert shown_in_every_order(before, there, there_again, back) == ("a", "evt_3", True)


def test_two_requests_that_say_the_same_are_two_changes() -> None:
    before = version("evt_0", NOW - 100, "a")
    there = version("evt_1", NOW, "b", "a", request=b"req1")
    there_again = version("evt_2", NOW, "b", "a", request=b"req3")
    back = version("evt_3", NOW, "a", "b", request=b"req2")

    assert shown_in_every_order(before, there, there_again, back) == ("b", "evt_2", True)


def test_one_request_told_in_two_events_far_apart_shows_the_row_all_the_same() -> None:
    told = version("evt_1", NOW, "b", "a", request=b"req1")
    again = version("evt_2", NOW + 9, "b", "a", request=b"req1")

    assert shown_in_every_order(told, again) == ("b", "evt_2", True)


def test_an_update_of_nothing_we_keep_changes_only_the_shown_event() -> None:
    first = version("evt_1", NOW, "a")
    self_loop = version("evt_2", NOW + 5, "a", "a")

    assert shown_in_every_order(first, self_loop) == ("a", "evt_2", True)
    assert reasons([first], [self_loop]) == [Reason.UNCHANGED]


def test_an_object_with_more_items_than_the_event_carries_is_never_sure() -> None:
    whole = version("evt_1", NOW, "a")
    partial = replace(version("evt_2", NOW + 60, "b", "a"), partial=True)

    assert shown_in_every_order(whole, partial) == ("b", "evt_2", False)


def test_case_9_the_slower_of_two_workers_cannot_write_the_older_state() -> None:
    older, newer = version("evt_1", NOW, "a"), version("evt_2", NOW + 60, "b", "a")

    decision = last_step([newer], [older])

    assert (decision.last_event_id, decision.changed) == ("evt_2", False)
    assert [verdict.reason for verdict in decision.verdicts] == [Reason.STALE]


def test_case_8_two_versions_of_one_row_in_a_batch_become_one_write() -> None:
    older, newer = version("evt_1", NOW, "a"), version("evt_2", NOW + 60, "b", "a")

    first, second = last_step([older, newer]).verdicts

    assert (first.reason, first.superseded_by) == (Reason.SUPERSEDED, "evt_2")
    assert (second.reason, second.superseded_by) == (Reason.FIRST, None)


# The same with whole Stripe objects.


def test_case_4_a_stale_creation_cannot_bring_back_an_old_item() -> None:
    old = subscription(items=[item("si_a", product="prod_a")], period=(NOW, NOW + 10))
    new = subscription(items=[item("si_b", product="prod_b")], period=(NOW + 5, NOW + 15))
    creation = read("customer.subscription.created", old, id_="evt_2", created=NOW)
    update = read("customer.subscription.updated", new, id_="evt_1", created=NOW, before=old)

    row = only(rows_of_every_order([creation, update]))

    assert row.columns == update.columns


@pytest.mark.parametrize("seconds", [0, 60])
def test_case_5_a_basil_event_after_a_legacy_one_keeps_the_period(seconds: int) -> None:
    period = (NOW, NOW + 100)
    legacy = subscription(shape=Shape.LEGACY, period=period, status="incomplete")
    basil = subscription(shape=Shape.BASIL, period=period, status="active")
    told_in_basil = subscription(shape=Shape.BASIL, period=period, status="incomplete")
    versions = [
        read("customer.subscription.updated", legacy, id_="evt_2"),
        read(
            "customer.subscription.updated", basil, id_="evt_1", created=NOW + seconds, before=told_in_basil
        ),
    ]

    row = only(rows_of_every_order(versions))

    assert (row.last_event_id, row.sure) == ("evt_1", True)
    assert getattr(row.columns, "current_period_start", None) == NOW


def test_a_shape_without_period_and_product_never_writes_null_over_good_values() -> None:
    bare = item("si_1", product=None, current_period_start=None, current_period_end=None)
    versions = [
        read("customer.subscription.updated", subscription(period=(NOW, NOW + 9)), id_="evt_1"),
        read("customer.subscription.updated", subscription(items=[bare]), id_="evt_2", created=NOW + 60),
    ]

    row = only(rows_of_every_order(versions))

    bare_items = read_subscription(subscription(items=[bare])).items
    assert row.columns == replace(versions[0].columns, items=bare_items)
    assert row.last_event_id == "evt_2"


def activation_told_in(shape: Shape) -> Version:
    active, incomplete = (subscription(shape=shape, status=status) for status in ("active", "incomplete"))
    return read("customer.subscription.updated", active, id_="evt_1", before=incomplete)


def test_case_7_two_renderings_of_one_change_are_one_state_and_count_once() -> None:
    legacy, dahlia = activation_told_in(Shape.LEGACY), activation_told_in(Shape.DAHLIA)

    assert (legacy.state, legacy.before) == (dahlia.state, dahlia.before)
    assert only(rows_of_every_order([legacy, dahlia])).sure
    assert reasons([legacy], [dahlia]) == [Reason.DUPLICATE]


def test_a_deleted_customer_stays_deleted_whatever_the_seconds() -> None:
    update = read("customer.updated", customer(name="Late"), id_="evt_2", created=NOW + 900)
    deletion = read("customer.deleted", customer(), id_="evt_1", created=NOW)
    creation = read("customer.created", customer(), id_="evt_3", created=NOW + 901)

    row = only(rows_of_every_order([update, deletion, creation]))

    assert (row.columns, row.last_event_id, row.sure) == (deletion.columns, "evt_1", True)


def test_a_stub_of_a_deleted_customer_keeps_the_date_of_its_creation() -> None:
    update = read("customer.updated", customer(), id_="evt_2", created=NOW + 900)
    deletion = read("customer.deleted", deleted_customer(), id_="evt_1", created=NOW)

    row = only(rows_of_every_order([update, deletion]))

    assert row.columns == replace(deletion.columns, stripe_created_at=NOW - 1000)


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_placeholder_times_leave_the_evidence_to_decide(order: tuple[int, ...]) -> None:
    objects = [customer(name="Ada"), customer(name="Bob"), customer(name="Cyd")]
    versions = [
        read("customer.created", objects[0], id_="evt_9", created=1_326_853_478),
        read("customer.updated", objects[1], id_="evt_8", created=1_326_853_478, before=objects[0]),
        read("customer.updated", objects[2], id_="evt_7", created=1_326_853_478, before=objects[1]),
    ]

    row = row_after(one_by_one(versions[i] for i in order))

    assert (row.last_event_id, row.sure) == ("evt_7", True)


# Why: the reason that the ledger keeps.


@pytest.mark.parametrize(
    ("batches", "expected"),
    [
        ([[CREATION]], [Reason.FIRST]),
        ([[CREATION], [replace(ACTIVATION, created=NOW + 60)]], [Reason.NEWER]),
        ([[CREATION], [ACTIVATION]], [Reason.FOLLOWS]),
        ([[ACTIVATION], [CREATION]], [Reason.STALE]),
        ([[CREATION], [CREATION]], [Reason.DUPLICATE]),
        ([[CREATION, CREATION]], [Reason.FIRST, Reason.DUPLICATE]),
        ([[ACTIVATION], [CANCELLATION]], [Reason.FOLLOWS]),
        ([[ACTIVATION, CANCELLATION]], [Reason.SUPERSEDED, Reason.FIRST]),
        ([[CANCELLATION], [ACTIVATION, CREATION]], [Reason.AFTER_DELETE, Reason.AFTER_DELETE]),
        ([[version("evt_1", NOW, "b", "a")], [version("evt_2", NOW, "c", "b")]], [Reason.FOLLOWS]),
        ([[version("evt_2", NOW, "c", "b")], [version("evt_1", NOW, "b", "a")]], [Reason.STALE]),
        ([[version("evt_1", NOW, "b", "a")], [version("evt_2", NOW, "a", "b")]], [Reason.TIE_BREAK]),
        ([[version("evt_2", NOW, "a", "a")], [version("evt_1", NOW, "a")]], [Reason.UNCHANGED]),
        (
            [
                [version("evt_5", NOW + 60, "c")],
                [version("evt_1", NOW, "a"), version("evt_9", NOW + 90, "d")],
            ],
            [Reason.STALE, Reason.NEWER],
        ),
    ],
)
def test_every_event_leaves_its_reason(batches: list[list[Version]], expected: list[Reason]) -> None:
    assert reasons(*batches) == expected


def test_a_row_without_evidence_takes_the_first_event_and_keeps_what_that_lacks() -> None:
    first = last_step([version("evt_1", NOW, "a")])
    known = known_after(first)
    assert known is not None
    forgetful = replace(known, evidence=b"", columns=replace(columns("old"), product_id="prod_old"))
    lacking = replace(version("evt_2", NOW, "b"), columns=replace(columns("b"), product_id=None))

    decision = decide(forgetful, [lacking])

    assert decision.columns == replace(columns("b"), product_id="prod_old")
