from __future__ import annotations

from cogento.local.stripe.events import previous_attributes


def test_equal_objects_have_no_previous_attributes() -> None:
    assert previous_attributes({"a": {"b": [1]}}, {"a": {"b": [1]}}) == {}


def test_a_hash_is_written_partially() -> None:
    before, after = {"address": {"city": "Lund", "line1": "A"}}, {"address": {"city": "Lund", "line1": "B"}}
    assert previous_attributes(before, after) == {"address": {"line1": "A"}}


def test_what_was_absent_is_null() -> None:
    assert previous_attributes({"metadata": {}}, {"metadata": {"foo": "bar"}}) == {"metadata": {"foo": None}}


def test_what_was_removed_has_its_old_value() -> None:
    assert previous_attributes({"metadata": {"a": "1"}}, {"metadata": {}}) == {"metadata": {"a": "1"}}


def test_a_hash_that_came_from_null_was_null() -> None:
    assert previous_attributes({"address": None}, {"address": {"city": "Lund"}}) == {"address": None}


def test_an_array_is_written_whole() -> None:
    assert previous_attributes({"tags": ["a", "b"]}, {"tags": ["a"]}) == {"tags": ["a", "b"]}


def test_a_list_object_is_a_hash_that_holds_its_data() -> None:
    before = {"items": {"object": "list", "data": [{"id": "si_1"}], "total_count": 1}}
    after = {"items": {"object": "list", "data": [{"id": "si_1"}, {"id": "si_2"}], "total_count": 2}}
    assert previous_attributes(before, after) == {"items": {"data": [{"id": "si_1"}], "total_count": 1}}


def test_an_object_replaced_by_another_is_written_whole() -> None:
    before = {"plan": {"id": "price_1", "object": "plan", "currency": "eur"}}
    after = {"plan": {"id": "price_2", "object": "plan", "currency": "eur"}}
    assert previous_attributes(before, after) == before
