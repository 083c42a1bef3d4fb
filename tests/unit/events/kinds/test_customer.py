"""A customer as `users` shows it."""

from __future__ import annotations

from typing import Any

import pytest

from cogento.events.errors import PermanentError
from cogento.events.kinds.customer import CustomerColumns, deleted_customer, live_customer
from tests.support import builders
from tests.support.builders import NOW, Json, customer


def message_about(obj: Json) -> str:
    with pytest.raises(PermanentError) as refused:
        live_customer(obj)
    assert refused.value.reason == "malformed"
    return refused.value.message


def test_shows_what_stripe_has() -> None:
    address = {"city": "Zürich", "line1": "1 Main St", "country": None}

    columns = live_customer(
        customer(
            email="Ada@Example.com",
            name="Ada",
            phone="+41 1",
            address=address,
            metadata={"tier": "gold", "a": "1"},
            created=NOW,
        )
    )

    assert columns == CustomerColumns(
        stripe_email="Ada@Example.com",
        name="Ada",
        phone="+41 1",
        address='{"city":"Zürich","country":null,"line1":"1 Main St"}',
        metadata='{"a":"1","tier":"gold"}',
        stripe_created_at=NOW,
        deleted=False,
    )


NOTHING = CustomerColumns(
    stripe_email=None,
    name=None,
    phone=None,
    address=None,
    metadata="{}",
    stripe_created_at=None,
    deleted=False,
)


@pytest.mark.parametrize(
    "obj",
    [
        {"id": "cus_1", "object": "customer"},
        dict.fromkeys(["email", "name", "phone", "address", "metadata", "created"]),
    ],
)
def test_null_and_absent_are_the_same(obj: Json) -> None:
    assert live_customer(obj) == NOTHING


def test_an_empty_address_is_none() -> None:
    assert live_customer(customer(email="")).stripe_email is None


def test_an_address_of_512_characters_fits() -> None:
    email = "é" * 500 + "@example.com"

    assert live_customer(customer(email=email)).stripe_email == email


def test_metadata_is_kept_whole_whatever_it_holds() -> None:
    metadata = {
        "": "",
        "__proto__": "x",
        "nested": {"b": [1, None], "a": 1.5},
        "'; DROP TABLE users;--": "{{7*7}}",
    }

    assert live_customer(customer(metadata=metadata)).metadata == (
        """{"":"","'; DROP TABLE users;--":"{{7*7}}","__proto__":"x","nested":{"a":1.5,"b":[1,null]}}"""
    )


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("email", "e" * 513, "`email` is longer than 512 characters"),
        ("email", 5, "`email` is not a string"),
        ("name", ["Ada"], "`name` is not a string"),
        ("phone", {}, "`phone` is not a string"),
        ("address", "1 Main St", "`address` is not an object"),
        ("address", [], "`address` is not an object"),
        ("metadata", "a=1", "`metadata` is not an object"),
        ("metadata", {"a": float("inf")}, "`metadata` holds a number that JSON columns cannot hold"),
        ("created", -1, "`created` is not a valid time"),
        ("created", 253_402_300_800, "`created` is not a valid time"),
        ("created", 1.5, "`created` is not a valid time"),
        ("created", "2020-01-01", "`created` is not a valid time"),
        ("created", True, "`created` is not a valid time"),
    ],
)
def test_an_impossible_value_is_malformed_and_the_message_names_the_field(
    field: str, value: Any, message: str
) -> None:
    assert message_about(customer(**{field: value})) == message


ERASED = CustomerColumns(
    stripe_email=None,
    name=None,
    phone=None,
    address=None,
    metadata="{}",
    stripe_created_at=NOW,
    deleted=True,
)


def test_a_deleted_customer_is_erased_though_the_event_carries_all_it_was() -> None:
    last = customer(name="Ada", phone="+41 1", address={"city": "Rome"}, metadata={"a": "1"}, created=NOW)

    assert deleted_customer(last) == ERASED


def test_a_deleted_customer_may_be_no_more_than_a_stub() -> None:
    columns = deleted_customer(builders.deleted_customer())

    assert (columns.deleted, columns.stripe_created_at) == (True, None)


def test_what_a_deleted_customer_was_is_not_even_looked_at() -> None:
    assert deleted_customer(customer(email="e" * 10_000, metadata=5, created=NOW)) == ERASED
