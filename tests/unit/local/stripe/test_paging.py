from __future__ import annotations

import pytest

from cogento.local.stripe.account import CreationOrder
from cogento.local.stripe.errors import ApiError
from cogento.local.stripe.paging import ListPage, page, read_list_query


@pytest.fixture
def order() -> CreationOrder:
    found = CreationOrder()
    found.add("a", created=10)
    found.add("c", created=30)
    found.add("b", created=20)
    found.add("d", created=30)
    return found


def _page(order: CreationOrder, *query: tuple[str, str]) -> ListPage:
    return page(order, read_list_query(query, filters=()), kind="customer", fits=lambda _: True)


def _refusal(*query: tuple[str, str]) -> dict[str, str]:
    with pytest.raises(ApiError) as refused:
        read_list_query(query, filters={"email"})
    return refused.value.error


def test_lists_run_from_the_newest_whatever_the_order_of_arrival(order: CreationOrder) -> None:
    assert _page(order) == ListPage(("d", "c", "b", "a"), has_more=False)


def test_a_page_says_that_more_follow(order: CreationOrder) -> None:
    assert _page(order, ("limit", "3")) == ListPage(("d", "c", "b"), has_more=True)


def test_starting_after_goes_on_with_what_is_older(order: CreationOrder) -> None:
    assert _page(order, ("starting_after", "c"), ("limit", "1")) == ListPage(("b",), has_more=True)


def test_ending_before_gives_the_nearest_newer_ones_in_the_list_s_order(order: CreationOrder) -> None:
    assert _page(order, ("ending_before", "a"), ("limit", "2")) == ListPage(("c", "b"), has_more=True)


@pytest.mark.parametrize(
    ("bound", "expected"),
    [
        ("created[gte]", ("d", "c", "b")),
        ("created[gt]", ("d", "c")),
        ("created[lt]", ("a",)),
        ("created[lte]", ("b", "a")),
        ("created", ("b",)),
    ],
)
def test_a_stretch_of_seconds_can_be_asked_for(
    order: CreationOrder, bound: str, expected: tuple[str, ...]
) -> None:
    assert _page(order, (bound, "20")).ids == expected


def test_a_cursor_works_inside_a_stretch(order: CreationOrder) -> None:
    assert _page(order, ("created[gte]", "20"), ("starting_after", "c")).ids == ("b",)


def test_an_unknown_cursor_is_a_bad_request(order: CreationOrder) -> None:
    with pytest.raises(ApiError) as refused:
        _page(order, ("starting_after", "z"))
    assert (refused.value.status, refused.value.error["param"]) == (400, "starting_after")


def test_an_unknown_parameter_is_refused() -> None:
    assert _refusal(("colour", "red"))["code"] == "parameter_unknown"


@pytest.mark.parametrize("limit", ["0", "101", "ten", "-1"])
def test_a_limit_outside_one_to_a_hundred_is_refused(limit: str) -> None:
    assert _refusal(("limit", limit))["param"] == "limit"


def test_array_parameters_are_gathered() -> None:
    query = read_list_query([("types[]", "a"), ("types[1]", "b")], filters={"types"})
    assert query.filters["types"] == ("a", "b")
