"""Every description is whole, and fits the others."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from cogento.events.kinds import CUSTOMER, KINDS, OWNED_KINDS, SUBSCRIPTION, kind_of, kind_of_thin
from cogento.events.kinds.kind import Kind

every_kind = pytest.mark.parametrize("kind", KINDS, ids=str)


class Asked(dict[str, Any]):
    """An empty object that remembers what it was asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.keys_asked: set[str] = set()

    def get(self, key: str, default: Any = None) -> Any:
        self.keys_asked.add(key)
        return default


@every_kind
def test_a_projection_reads_nothing_that_can_change_and_is_not_named(kind: Kind) -> None:
    obj = Asked()
    kind.project(obj)
    assert obj.keys_asked - {"created"} <= kind.projected


@every_kind
def test_every_column_that_is_named_is_there(kind: Kind) -> None:
    named = {kind.ended_by, *kind.not_in_every_shape, *kind.shown.values()}
    assert named <= kind.column_types().keys()


@every_kind
def test_when_the_object_was_created_in_stripe_is_never_forgotten(kind: Kind) -> None:
    assert "stripe_created_at" in kind.not_in_every_shape


@pytest.mark.parametrize("kind", OWNED_KINDS, ids=str)
def test_columns_begin_with_whose_the_object_is(kind: Kind) -> None:
    assert kind.columns.__struct_fields__ == ("customer_id", *kind.column_types())


@every_kind
def test_its_events_are_its_own_whatever_their_form(kind: Kind) -> None:
    assert {kind_of(type_) for type_ in (*kind.types, kind.fetched)} == {kind}
    assert {kind_of_thin(f"v1.{type_}") for type_ in kind.types} == {kind}
    assert kind_of_thin(f"v1.{kind.fetched}") is None


def test_no_two_kinds_share_a_name_a_table_a_path_or_ids() -> None:
    names = Counter(name for kind in KINDS for name in {kind.name, kind.table, kind.path, kind.id_prefix})
    assert set(names.values()) == {1}


def test_a_kind_whose_objects_never_end_is_refused() -> None:
    with pytest.raises(ValueError, match="subscription: ended_values names no value"):
        replace(SUBSCRIPTION, ended_values=())


def test_customers_come_first() -> None:
    assert KINDS[0] is CUSTOMER
