"""Subscriptions with several items: every rendering, order of items and form of previous_attributes gives the same state."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations
from typing import TYPE_CHECKING

import pytest

from cogento.events.event import read_event
from cogento.events.kinds.subscription import SUBSCRIPTION, SubscriptionColumns
from cogento.events.names import CustomerId, ObjectId
from cogento.local.stripe.events import previous_attributes
from cogento.local.stripe.objects import CATALOGUE, Item, Subscription
from cogento.local.stripe.shapes import DAHLIA, LEGACY, subscription_json
from cogento.ordering.order import decide
from cogento.reconcile.verify import drifts
from cogento.store.stored_rows import StoredRow
from tests.support import builders
from tests.support.builders import NOW, Json, Shape, item, subscription
from tests.support.model.deliveries import rows_of_every_order

if TYPE_CHECKING:
    from cogento.ordering.order import Version
    from tests.support.model.deliveries import Row

BASIC_MONTHLY, BASIC_YEARLY, PLUS_MONTHLY, TEAM_MONTHLY, TEAM_YEARLY, *_ = CATALOGUE
MONTH = builders.MONTH_SECONDS
STARTED = NOW - 5 * MONTH

YEARLY = Item("si_year", STARTED, TEAM_YEARLY, 1, STARTED, TEAM_YEARLY.end_of_period(STARTED))
MONTHLY = Item("si_month", STARTED + 9, BASIC_MONTHLY, 2, NOW, NOW + MONTH)
SEATS = Item("si_a_seat", STARTED + 9, PLUS_MONTHLY, 3, NOW, NOW + MONTH)

MIXED = Subscription(
    id="sub_1",
    customer="cus_1",
    created=STARTED,
    status="active",
    items=(YEARLY, MONTHLY),
    metadata={},
    billing_cycle_anchor=STARTED,
)
NOTED = replace(MIXED, metadata={"k": "1"})

VERSIONS = (LEGACY, *Shape, DAHLIA)


def told(
    now: Subscription,
    before: Subscription | None = None,
    *,
    api_version: str,
    id_: str = "evt_1",
    created: int = NOW,
) -> Version:
    """Read an event of a subscription as this API version renders it."""
    object_ = subscription_json(now, api_version)
    event = builders.event("customer.subscription.updated", object_, id_=id_, created=created)
    if before:
        event["data"]["previous_attributes"] = previous_attributes(
            subscription_json(before, api_version), object_
        )
    return read_event(builders.body(event)).version


def read(object_: Json, previous: Json | None = None) -> Version:
    """Read an event of this object, changed from what had these attributes."""
    event = builders.event("customer.subscription.updated", object_)
    event["data"]["previous_attributes"] = previous
    return read_event(builders.body(event)).version


def shown(row: Version | Row) -> tuple[str | None, int | None, int | None]:
    """Give product and period."""
    assert isinstance(row.columns, SubscriptionColumns)
    return row.columns.product_id, row.columns.current_period_start, row.columns.current_period_end


# The period of several items.


def test_t2_the_two_renderings_of_one_event_end_in_one_row_in_either_order() -> None:
    renderings = [told(MIXED, api_version=version) for version in VERSIONS]

    (row,) = rows_of_every_order(renderings)

    assert shown(row) == (TEAM_YEARLY.product, NOW, NOW + MONTH)
    assert row.sure


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("other", VERSIONS)
def test_t2_changes_told_in_any_renderings_follow_each_other(version: str, other: str) -> None:
    life = [
        told(MIXED, api_version=other, id_="evt_3", created=NOW - 60),
        told(NOTED, MIXED, api_version=version, id_="evt_2"),
        told(replace(NOTED, status="past_due"), NOTED, api_version=other, id_="evt_1"),
    ]

    (row,) = rows_of_every_order(life)

    assert (row.last_event_id, row.sure) == ("evt_1", True)
    assert shown(row) == (TEAM_YEARLY.product, NOW, NOW + MONTH)


@pytest.mark.parametrize("version", VERSIONS)
def test_t2_a_row_of_one_rendering_equals_what_stripe_says_in_another(version: str) -> None:
    said, row = told(MIXED, api_version=LEGACY), decide(None, [told(MIXED, api_version=version)])

    copy = StoredRow(CustomerId("cus_1"), row.columns, row.last_event_id, NOW, row.evidence, None, None)

    assert drifts(SUBSCRIPTION, ObjectId("sub_1"), said.columns, copy) == []


@pytest.mark.parametrize(
    "before",
    [
        pytest.param(replace(MIXED, items=(MONTHLY,)), id="an item was added"),
        pytest.param(replace(MIXED, items=(MONTHLY, YEARLY)), id="only the list's order differs"),
        pytest.param(replace(MIXED, items=(SEATS, MONTHLY, YEARLY)), id="an item was removed"),
        pytest.param(replace(MIXED, items=(SEATS,)), id="all items were replaced"),
        pytest.param(
            replace(MIXED, items=(replace(MONTHLY, period_start=NOW - MONTH, period_end=NOW), YEARLY)),
            id="one item was renewed",
        ),
        pytest.param(
            replace(
                MIXED,
                items=(
                    replace(MONTHLY, price=BASIC_YEARLY, period_start=STARTED, period_end=YEARLY.period_end),
                    YEARLY,
                ),
            ),
            id="an item's interval changed",
        ),
    ],
)
def test_t2_undoing_a_change_of_items_gives_the_same_state_in_every_rendering(before: Subscription) -> None:
    changes = [told(MIXED, before, api_version=version) for version in VERSIONS]
    states = [told(before, api_version=version) for version in VERSIONS]

    (undone,) = {change.before for change in changes}
    assert {state.state for state in states} == {undone}


def test_t2_where_a_rendering_has_a_period_of_its_own_and_of_its_items_its_own_is_shown() -> None:
    both = subscription(
        current_period_start=NOW,
        current_period_end=NOW + 9,
        items=[item("si_1", period=(NOW - 5, NOW + 50)), item("si_2", period=(NOW, NOW + 9))],
    )

    assert shown(read(both)) == ("prod_1", NOW, NOW + 9)
    assert read(both).state == read({**both, "current_period_start": None, "current_period_end": None}).state


def test_t2_an_item_that_lacks_one_boundary_still_has_the_other() -> None:
    items = [
        item("si_1", current_period_start=None, current_period_end=NOW + 9),
        item("si_2", current_period_start=NOW, current_period_end=None),
        item("si_3", current_period_start=None, current_period_end=None),
    ]

    assert shown(read(subscription(items=items))) == ("prod_1", NOW, NOW + 9)


@pytest.mark.parametrize(
    "bare", [subscription(shape=Shape.LEGACY), subscription(shape=Shape.LEGACY, items=[item(), item("si_2")])]
)
@pytest.mark.parametrize("listing", [{}, {"data": []}, {"data": [], "has_more": True}, {"has_more": True}])
def test_t2_what_carries_no_period_never_puts_null_over_a_good_one(bare: Json, listing: Json) -> None:
    without = {**bare, "current_period_start": None, "current_period_end": None}
    lacking = read({**without, "items": {**bare["items"], **listing}, "status": "past_due"})
    good = told(MIXED, api_version=DAHLIA, id_="evt_0", created=NOW - 60)

    (row,) = rows_of_every_order([good, lacking])

    assert row.last_event_id == "evt_1"
    assert shown(row)[1:] == (NOW, NOW + MONTH)


# What reports show, in every rendering.

LEAVING = replace(
    MIXED,
    cancel_at_period_end=True,
    canceled_at=NOW,
    trial_end=STARTED + 5,
    paused_collection="void",
    collection_method="send_invoice",
)


@pytest.mark.parametrize("version", VERSIONS)
def test_every_rendering_shows_reports_the_same(version: str) -> None:
    read_, other = told(LEAVING, api_version=version), told(LEAVING, api_version=DAHLIA)

    assert read_.columns == other.columns
    assert isinstance(read_.columns, SubscriptionColumns)
    assert read_.columns.cancel_at == NOW + MONTH
    assert read_.columns.pause_collection == '{"behavior":"void","resumes_at":null}'


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    "change", [{"paused_collection": "void"}, {"collection_method": "send_invoice"}], ids=str
)
def test_a_change_that_only_reports_show_is_a_change_and_leads_from_the_state_before(
    change: dict[str, str], version: str
) -> None:
    after = replace(MIXED, **change)  # type: ignore[arg-type]
    there, back = (
        told(after, MIXED, api_version=version, id_="evt_2"),
        told(MIXED, after, api_version=version, id_="evt_1"),
    )

    assert (there.before, back.before) == (back.state, there.state)
    assert there.state != back.state


def test_what_reports_show_adds_nothing_to_the_state_of_most_subscriptions() -> None:
    """A state's hash is remembered: those that the release before this one knew stay as they are."""
    plain = subscription()
    bare = {key: value for key, value in plain.items() if key not in {"collection_method", "start_date"}}

    assert read(plain).state == read({**bare, "pause_collection": None}).state
    assert read(plain).state.hex() == "e1fda35beb79"


# The product of several items, and their order.

PLAN = Item("si_plan", STARTED, TEAM_MONTHLY, 1, NOW, NOW + MONTH)
METER = Item("si_meter", STARTED + 1, PLUS_MONTHLY, 1, NOW, NOW + MONTH)
METERED = replace(MIXED, items=(PLAN, METER))


@pytest.mark.parametrize("version", VERSIONS)
def test_t5_a_list_in_another_order_is_no_change_and_leaves_no_doubt(version: str) -> None:
    first = replace(METERED, metadata={"a": "1"})
    second = replace(METERED, metadata={"a": "1", "b": "1"}, items=(METER, PLAN))
    changes = [
        told(first, METERED, api_version=version, id_="evt_2"),
        told(second, replace(first, items=(METER, PLAN)), api_version=version, id_="evt_1"),
    ]

    (row,) = rows_of_every_order(changes)

    assert (row.last_event_id, row.sure) == ("evt_1", True)
    assert shown(row) == (TEAM_MONTHLY.product, NOW, NOW + MONTH)


@pytest.mark.parametrize("order", [*permutations((YEARLY, MONTHLY, SEATS))])
@pytest.mark.parametrize("version", VERSIONS)
def test_t5_the_product_is_that_of_the_oldest_item_wherever_it_is_listed(
    order: tuple[Item, ...], version: str
) -> None:
    read_ = told(replace(MIXED, items=order), api_version=version)
    younger = told(
        replace(MIXED, items=tuple(one for one in order if one is not YEARLY)), api_version=version
    )

    assert shown(read_)[0] == TEAM_YEARLY.product
    assert shown(younger)[0] == PLUS_MONTHLY.product  # as old as the other, and of the smaller id


@pytest.mark.parametrize(
    ("items", "product"),
    [
        ([item("si_2", created=NOW, product="prod_2"), item("si_1", created=NOW, product="prod_1")], "prod_1"),
        ([item("si_1", created=None, product="prod_1"), item("si_2", created=NOW, product="prod_2")], "prod_2"),
        ([item("si_2", created=None, product="prod_2"), item("si_1", created=None, product="prod_1")], "prod_1"),
        ([item("si_2", created="x", product="prod_2"), item("si_1", created=True, product="prod_1")], "prod_1"),
        ([item("si_2", created=0, product="prod_2"), item("si_1", created=1, product="prod_1")], "prod_2"),
        ([{"price": {"id": "p_2", "product": "prod_2"}}, {"price": {"id": "p_1", "product": "prod_1"}}], "prod_1"),
    ],
)  # fmt: skip
def test_t5_the_oldest_item_is_the_same_in_any_order_also_where_items_say_little(
    items: list[Json], product: str
) -> None:
    one, other = read(subscription(items=items)), read(subscription(items=items[::-1]))

    assert shown(one)[0] == shown(other)[0] == product
    assert one.state == other.state


# Items told in part, in another order, or with their count.


def listed(id_: str, *, age: int, product: str, price: str = "price_1") -> Json:
    return item(id_, created=NOW - age, product=product, price=price, period=(NOW, NOW + MONTH))


FIRST, SECOND = listed("si_1", age=8, product="prod_1"), listed("si_2", age=7, product="prod_2")
THIRD = listed("si_0", age=9, product="prod_0")
OTHER_PRICE = listed("si_2", age=7, product="prod_9", price="price_9")
LISTED = [FIRST, SECOND]


@pytest.mark.parametrize(
    ("previous", "before"),
    [
        pytest.param({"data": [FIRST, OTHER_PRICE]}, [FIRST, OTHER_PRICE], id="whole"),
        pytest.param({"data": [OTHER_PRICE, FIRST]}, [FIRST, OTHER_PRICE], id="reordered"),
        pytest.param({"data": LISTED[::-1]}, LISTED, id="only reordered"),
        pytest.param({"data": [OTHER_PRICE]}, [FIRST, OTHER_PRICE], id="in part, as up to 2017-04-06"),
        pytest.param({"data": [FIRST], "total_count": 1}, [FIRST], id="whole, one was added"),
        pytest.param(
            {"data": [THIRD, *LISTED], "total_count": 3}, [THIRD, *LISTED], id="whole, one was removed"
        ),
        pytest.param({"data": [THIRD], "total_count": 3}, [THIRD, *LISTED], id="in part, one was removed"),
        pytest.param({"url": "/v1/before"}, LISTED, id="nothing of the items themselves"),
    ],
)  # fmt: skip
def test_t5_items_told_whole_in_part_or_reordered_lead_from_the_same_state(
    previous: Json, before: list[Json]
) -> None:
    update = read(subscription(items=LISTED), {"items": previous})

    assert update.before == read(subscription(items=before)).state


def test_of_a_list_too_long_to_be_told_nothing_is_made_up() -> None:
    long = subscription(items=LISTED)
    long["items"] |= {"has_more": True, "total_count": 25}

    update = read(long, {"items": {"data": [THIRD, FIRST]}})

    assert update.partial
    assert update.before == read(subscription(items=[THIRD, FIRST])).state
