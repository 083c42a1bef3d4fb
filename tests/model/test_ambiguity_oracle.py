"""What events say when others are missing: tested alone, so that the checker's judgement can be trusted."""

from __future__ import annotations

from tests.support.ambiguity_oracle import AmbiguityOracle
from tests.support.builders import NOW, customer, event_body, subscription

ADA, BOB, CY = (customer(name=name) for name in ("Ada", "Bob", "Cy"))
BORN = event_body("customer.created", ADA, id_="evt_1", created=NOW)
RENAMED = event_body("customer.updated", BOB, id_="evt_2", created=NOW + 60, before=ADA)
THERE = event_body("customer.updated", CY, id_="evt_3", created=NOW + 90, before=BOB)
BACK = event_body("customer.updated", BOB, id_="evt_4", created=NOW + 90, before=CY)
SUBSCRIBED = event_body("customer.subscription.created", subscription(), id_="evt_5")


def test_a_whole_story_is_not_open_and_tells_its_last_state() -> None:
    oracle = AmbiguityOracle.of([BORN, RENAMED, THERE, BACK])

    assert oracle.open == set()
    assert oracle.told({}) == {"cus_1": ("evt_4", "evt_2")}
    assert oracle.orphans == set()


def test_what_did_not_come_counts_for_nothing() -> None:
    oracle = AmbiguityOracle.of([BORN, RENAMED], came=["evt_1"], lossy=["cus_1"])

    assert oracle.told({}) == {"cus_1": ("evt_1",)}


def test_of_an_open_story_the_end_that_the_row_shows_is_told() -> None:
    oracle = AmbiguityOracle.of([THERE, BACK])

    assert oracle.open == {"cus_1"}
    assert oracle.told({"cus_1": "evt_3"}) == {"cus_1": ("evt_3",)}
    assert oracle.told({"cus_1": "evt_4"}) == {"cus_1": ("evt_4",)}
    assert oracle.stories["cus_1"].allows("evt_3")


def test_a_missing_link_leaves_a_story_open_that_nobody_contests() -> None:
    dan = customer(name="Dan")
    first = event_body("customer.updated", BOB, id_="evt_6", created=NOW, before=ADA)
    last = event_body("customer.updated", dan, id_="evt_7", created=NOW, before=CY)

    oracle = AmbiguityOracle.of([BORN, first, last])

    assert (oracle.open, oracle.contested) == ({"cus_1"}, set())
    assert oracle.told({}) == {"cus_1": ("evt_7",)}
    assert AmbiguityOracle.of([THERE, BACK]).contested == {"cus_1"}


def test_what_was_left_in_between_cannot_be_the_end() -> None:
    oracle = AmbiguityOracle.of([BORN, RENAMED, THERE])

    assert not oracle.stories["cus_1"].allows("evt_2")


def test_an_object_without_all_of_its_parts_leaves_its_story_open() -> None:
    some_items = {**subscription()["items"], "has_more": True}
    body = event_body("customer.subscription.created", subscription() | {"items": some_items}, id_="evt_5")

    assert AmbiguityOracle.of([body]).open == {"sub_1"}


def test_a_subscription_waits_for_a_customer_of_whom_nothing_came() -> None:
    oracle = AmbiguityOracle.of([BORN, SUBSCRIBED], came=["evt_5"], lossy=["cus_1"])

    assert oracle.orphans == {"evt_5"}
    assert oracle.told({}) == {"cus_1": (), "sub_1": ("evt_5",)}
