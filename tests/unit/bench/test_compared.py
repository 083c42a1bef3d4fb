"""The harness of docs/compared.md judges fairly: a correct mirror passes in each shape, and every error of a mirror is found."""

from __future__ import annotations

import json
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from bench.compared import histories, results
from bench.compared.cases import judge, told
from bench.compared.judging import (
    DELETED,
    ITEM_ROWS,
    Found,
    as_stripe_wrote,
    found_in_theirs,
    wanted_of,
    wrong_rows,
)
from cogento.local.stripe.account import Account
from cogento.local.stripe.shapes import DAHLIA, LEGACY, customer_json, subscription_json
from cogento.local.stripe.truth import truth
from tests.support.stripe_histories import lived

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    Json = dict[str, Any]
    Accepts = Callable[[Json, Json], bool]

SUBSCRIPTION, CUSTOMER = "sub_case0000000001", "cus_case0000000001"


@pytest.fixture(scope="module")
def account() -> Account:
    """An account in which the histories have happened, and some hundred others."""
    account = lived(steps=300, seed=7)
    told(account)
    return account


@pytest.fixture
def right(account: Account) -> Mapping[str, Any]:
    """What a right mirror shows."""
    return mirror(account, DAHLIA).shown


def mirror(account: Account, version: str) -> Found:
    """What an engine's tables show that keeps Stripe's last objects as an API version writes them."""
    customers = [customer_json(one, version) | {"deleted": one.deleted} for one in account.customers.values()]
    return rows_of(customers, [subscription_json(one, version) for one in account.subscriptions.values()])


def rows_of(customers: Iterable[Json], subscriptions: Iterable[Json]) -> Found:
    """What an engine's tables show that has these objects, and the items of subscriptions as rows besides."""
    kept = list(subscriptions)
    items = [item | {"price": item["price"]["id"]} for one in kept for item in one["items"]["data"]]
    return found_in_theirs(customers, kept, items)


def wrong_columns(account: Account, shown: Mapping[str, Any]) -> dict[str, set[str]]:
    """What is wrong with each row, by its id."""
    return {one.id: set(one.differences) for one in wrong_rows(wanted_of(truth(account)), Found(shown))}


@pytest.mark.parametrize("version", [DAHLIA, LEGACY])
def test_a_mirror_of_the_last_objects_has_no_wrong_row_in_any_shape(account: Account, version: str) -> None:
    assert wrong_columns(account, mirror(account, version).shown) == {}


@pytest.mark.parametrize(
    ("id_", "column", "value"),
    [
        *((CUSTOMER, column, "other") for column in ("email", "name", "phone", "address", "metadata")),
        *(
            (SUBSCRIPTION, column, "other")
            for column in ("customer", "status", "metadata", "pause_collection")
        ),
        *((SUBSCRIPTION, column, 5) for column in ("cancel_at", "canceled_at", "ended_at", "trial_end")),
        *((SUBSCRIPTION, column, []) for column in ("items", ITEM_ROWS, "period")),
    ],
)
def test_each_wrong_column_is_found(
    account: Account, right: Mapping[str, Any], id_: str, column: str, value: object
) -> None:
    assert wrong_columns(account, {**right, id_: {**right[id_], column: value}}) == {id_: {column}}


def test_a_row_too_few_and_a_row_too_many_are_one_wrong_row_each(
    account: Account, right: Mapping[str, Any]
) -> None:
    shown = {one: row for one, row in right.items() if one != SUBSCRIPTION} | {"cus_nobody": DELETED}

    assert wrong_columns(account, shown) == {SUBSCRIPTION: {"row"}, "cus_nobody": {"row"}}


def test_a_wrong_row_is_told_apart_when_it_calls_itself_unsure(
    account: Account, right: Mapping[str, Any]
) -> None:
    shown = {**right, SUBSCRIPTION: DELETED, CUSTOMER: DELETED}

    wrong = wrong_rows(wanted_of(truth(account)), Found(shown, frozenset({SUBSCRIPTION})))

    assert [(one.id, one.says_so) for one in wrong] == [(CUSTOMER, False), (SUBSCRIPTION, True)]


def test_items_that_are_marked_deleted_do_not_count() -> None:
    subscription = {"id": "sub_1", "items": {"data": []}}
    item = {"id": "si_1", "price": "price_1", "quantity": 1, "subscription": "sub_1"}

    found = found_in_theirs([], [subscription], [item, item | {"id": "si_2", "deleted": True}])

    assert found.shown["sub_1"][ITEM_ROWS] == [("si_1", "price_1", 1)]


def test_an_object_is_read_from_one_column_or_from_many() -> None:
    assert as_stripe_wrote({"_raw_data": {"id": "cus_1"}, "id": "x"}) == {"id": "cus_1"}
    assert as_stripe_wrote({"id": "cus_1", "name": "Ada"}) == {"id": "cus_1", "name": "Ada"}


def wrong_of_a_mirror(accepts: Accepts) -> set[Callable[[histories.Story], histories.Deliveries]]:
    """The histories that end wrong where an event is written if it is accepted after the one that is there."""
    account = Account(Random(1))
    cases = told(account)
    kept: dict[str, Json] = {}
    for event in (json.loads(body) for case in cases for body in case.deliveries):
        before = kept.get(event["data"]["object"]["id"])
        kept |= {event["data"]["object"]["id"]: event} if not before or accepts(event, before) else {}
    found = rows_of(
        [shown(one) for one in kept.values() if "subscription" not in one["type"]],
        [shown(one) for one in kept.values() if "subscription" in one["type"]],
    )
    judged = [judge(case, wanted_of(truth(account)), found) for case in cases]
    return {history for history, one in zip(histories.HISTORIES, judged, strict=True) if one.wrong}


def shown(event: Json) -> Json:
    """The object that an event leaves."""
    return {**event["data"]["object"], "deleted": event["type"] == "customer.deleted"}


def test_a_mirror_that_writes_what_is_newer_is_wrong_where_two_events_share_a_second() -> None:
    assert wrong_of_a_mirror(lambda event, before: event["created"] > before["created"]) == {
        histories.created_then_updated,
        histories.updated_then_canceled,
        histories.renamed_then_deleted,
        histories.item_replaced_in_one_second,
        histories.there_and_back,
    }


def test_a_mirror_that_writes_what_comes_is_wrong_where_something_older_comes_last() -> None:
    assert wrong_of_a_mirror(lambda _event, _before: True) == {
        histories.updated_then_created,
        histories.canceled_then_updated,
        histories.deleted_then_renamed,
        histories.canceled_then_an_older_update,
        histories.deleted_then_an_older_rename,
        histories.item_replaced_then_created,
        histories.item_removed_then_an_older_update,
    }


def test_a_history_of_which_no_row_came_is_wrong(account: Account) -> None:
    case = told(Account(Random(1)))[0]

    assert judge(case, wanted_of(truth(account)), Found({})).wrong == [
        f"{id_}: row 'none' instead of 'one'" for id_ in case.ids
    ]


def test_there_are_eighteen_histories_of_as_many_customers() -> None:
    cases = told(Account(Random(1)))

    assert len({case.says for case in cases}) == len({case.ids for case in cases}) == 18


@pytest.fixture
def kept_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Results in a file of the test's own."""
    monkeypatch.setattr(results, "RESULTS", tmp_path / "compared.json")
    return tmp_path


def test_a_part_that_was_kept_is_left_out_when_a_run_is_resumed(kept_here: Path) -> None:
    results.keep("life", {"events": 10}, {"cogento": {}}, load=0)

    assert results.is_kept("life", {"events": 10}, hours=1)
    assert not results.is_kept("life", {"events": 20}, hours=1)
    assert not results.is_kept("speed", {"events": 10}, hours=1)
    assert not results.is_kept("life", {"events": 10}, hours=-1)
    assert list(kept_here.iterdir()) == [results.RESULTS]


def test_a_part_is_kept_beside_the_others(kept_here: Path) -> None:
    results.keep("life", {}, {"rows": 1}, load=0)
    results.keep("speed", {}, {"rate": 2}, load=0)
    results.keep("life", {}, {"rows": 3}, load=0)

    assert kept_here.exists()
    assert {name: part["found"] for name, part in results.kept().items()} == {
        "life": {"rows": 3},
        "speed": {"rate": 2},
    }


def part(ours: tuple[float, float], *theirs: float) -> Json:
    """Rates of one round."""
    runs = dict(zip((results.OLD, results.NEW), theirs, strict=True))
    return {
        "found": {
            results.OURS: {"rounds": [{"accepted_per_s": ours[0], "applied_per_s": ours[1]}]},
            **{name: {"rounds": [{"applied_per_s": rate}]} for name, rate in runs.items()},
        }
    }


def test_our_rates_are_told_over_those_of_each_engine() -> None:
    ratios = results.ratios({"speed": part((5000, 4000), 1000, 500), "growth": part((3000, 2000), 300, 100)})

    assert ratios.pop("rounds") == [ratios]
    assert ratios == {
        "accepted_over_supabase": 5,
        "applied_over_supabase": 4,
        "accepted_over_stripe": 10,
        "applied_over_stripe": 8,
        "accepted_over_stripe_when_full": 30,
        "applied_over_stripe_when_full": 20,
    }
