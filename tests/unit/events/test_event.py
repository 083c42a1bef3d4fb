"""A stored body read whole, and what is a dead letter instead."""

from __future__ import annotations

from typing import Any

import pytest

from cogento.events.envelope import parse_envelope
from cogento.events.errors import PermanentError
from cogento.events.event import read_event
from cogento.events.kinds import CUSTOMER, SUBSCRIPTION
from cogento.events.kinds.customer import CustomerColumns
from cogento.events.kinds.subscription import SubscriptionColumns
from tests.support.builders import (
    NOT_OURS_TYPE,
    NOW,
    Json,
    body,
    customer,
    deleted_customer,
    event,
    event_body,
    subscription,
)


def why_dead(body_: bytes) -> tuple[str, str]:
    with pytest.raises(PermanentError) as refused:
        read_event(body_)
    return refused.value.reason, refused.value.message


@pytest.mark.parametrize("type_", ["customer.created", "customer.updated"])
def test_reads_a_customers_event(type_: str) -> None:
    read = read_event(event_body(type_, customer("cus_7", name="Ada"), id_="evt_7", created=NOW + 1))

    assert (read.id, read.type, read.created) == ("evt_7", type_, NOW + 1)
    assert (read.kind, read.object_id, read.customer_id) == (CUSTOMER, "cus_7", "cus_7")
    assert isinstance(read.columns, CustomerColumns)
    assert (read.columns.name, read.columns.deleted) == ("Ada", False)


@pytest.mark.parametrize("last", [customer("cus_7"), deleted_customer("cus_7")])
def test_reads_a_customers_deletion_in_both_its_shapes(last: Json) -> None:
    read = read_event(event_body("customer.deleted", last))

    assert isinstance(read.columns, CustomerColumns)
    assert (read.customer_id, read.columns.deleted, read.columns.stripe_email) == ("cus_7", True, None)


@pytest.mark.parametrize(
    "type_",
    [
        "customer.subscription.created",
        "customer.subscription.updated",
        "customer.subscription.deleted",
        "customer.subscription.paused",
        "customer.subscription.resumed",
        "customer.subscription.pending_update_applied",
        "customer.subscription.pending_update_expired",
        "customer.subscription.trial_will_end",
        "customer.subscription.not_invented_yet",
    ],
)
def test_reads_every_event_of_a_subscription(type_: str) -> None:
    read = read_event(event_body(type_, subscription("sub_7", customer="cus_7", status="past_due")))

    assert (read.kind, read.object_id, read.customer_id) == (SUBSCRIPTION, "sub_7", "cus_7")
    assert isinstance(read.columns, SubscriptionColumns)
    assert (read.columns.customer_id, read.columns.status) == ("cus_7", "past_due")


def test_the_version_is_evidence_about_the_same_event() -> None:
    before, after = customer(name="Ada"), customer(name="Bob")

    first = read_event(event_body("customer.updated", before, id_="evt_1"))
    second = read_event(event_body("customer.updated", after, id_="evt_2", created=NOW + 1, before=before))

    assert (second.version.event_id, second.version.created) == ("evt_2", NOW + 1)
    assert second.version.columns == second.columns
    assert second.version.before == first.version.state


def test_an_api_version_that_is_no_text_is_malformed() -> None:
    body = event_body("customer.updated", customer("cus_7"), api_version=20250630)
    with pytest.raises(PermanentError) as caught:
        read_event(body)
    assert caught.value.reason == "malformed"


@pytest.mark.parametrize("api_version", [None, "2011-01-01", "2099-12-31.xenon"])
def test_any_api_version_is_read(api_version: str | None) -> None:
    assert (
        read_event(event_body("customer.updated", customer("cus_7"), api_version=api_version)).object_id
        == "cus_7"
    )


@pytest.mark.parametrize("odd", ["\x00", "\ud800"])
def test_what_postgres_refuses_in_texts_is_replaced_in_every_place(odd: str) -> None:
    posted = event_body(
        "customer.updated",
        customer(
            email=f"a{odd}@x",
            name=f"N{odd}",
            phone=f"1{odd}",
            address={"city": f"R{odd}"},
            metadata={f"k{odd}": f"v{odd}"},
        ),
    )

    columns = read_event(posted).columns

    assert columns == CustomerColumns(
        stripe_email="a\ufffd@x",
        name="N\ufffd",
        phone="1\ufffd",
        address='{"city":"R\ufffd"}',
        metadata='{"k\ufffd":"v\ufffd"}',
        stripe_created_at=NOW - 1000,
        deleted=False,
    )


@pytest.mark.parametrize(
    "name",
    ["Zoë 😀", "\u202eadA", "A\u200bda", "\x01\x1b[31m", "<script>", "'; DROP TABLE users;--", "\\u0000"],
)
def test_every_other_text_stays_as_it_is(name: str) -> None:
    columns = read_event(event_body("customer.updated", customer(name=name))).columns

    assert isinstance(columns, CustomerColumns)
    assert columns.name == name


def test_a_number_no_double_can_hold_does_no_harm_where_nobody_reads_it() -> None:
    posted = event_body("customer.updated", customer(balance="HERE")).replace(b'"HERE"', b"1e400")

    assert read_event(posted).object_id == "cus_1"


@pytest.mark.parametrize("type_", [NOT_OURS_TYPE, "customer.source.created", "customer.discount.deleted"])
def test_a_type_without_table_is_unknown(type_: str) -> None:
    assert why_dead(event_body(type_, {"id": "x_1"})) == (
        "unknown_type",
        f"events of type {type_} have no table",
    )


@pytest.mark.parametrize(
    ("type_", "obj", "message"),
    [
        (
            "customer.updated",
            {"id": "ch_1", "object": "charge"},
            "the event is about a customer and carries something else",
        ),
        (
            "customer.deleted",
            {"id": "cus_1", "deleted": True},
            "the event is about a customer and carries something else",
        ),
        (
            "customer.subscription.updated",
            customer(),
            "the event is about a subscription and carries something else",
        ),
        (
            "customer.updated",
            deleted_customer(),
            "the customer is deleted and the event is customer.updated",
        ),
        ("customer.subscription.updated", subscription(customer=None), "the subscription has no customer"),
        (
            "customer.subscription.updated",
            subscription(customer=None, customer_account="acct_1"),
            "the subscription has no customer, only an account (`customer_account`), which has no row",
        ),
        ("customer.updated", customer(email="e" * 513), "`email` is longer than 512 characters"),
    ],
)
def test_an_object_that_does_not_fit_its_type_is_malformed(type_: str, obj: Json, message: str) -> None:
    assert why_dead(event_body(type_, obj)) == ("malformed", message)


@pytest.mark.parametrize("previous", [[], "name", 1])
def test_previous_attributes_that_are_no_hash_are_malformed(previous: Any) -> None:
    posted = event("customer.updated", customer())

    assert (
        why_dead(body({**posted, "data": {**posted["data"], "previous_attributes": previous}}))[0]
        == "malformed"
    )


@pytest.mark.parametrize("body_", [b"", b"rubbish", b"[]", b"{}", b"\x01\x00envelope", b'{"a":NaN}'])
def test_what_the_receiver_would_not_have_stored_is_malformed(body_: bytes) -> None:
    assert why_dead(body_)[0] == "malformed"


def test_an_event_from_ahead_of_every_clock_is_read_if_a_table_can_hold_its_time() -> None:
    assert (
        read_event(event_body("customer.updated", customer(), created=253_402_300_799)).created
        == 253_402_300_799
    )
    assert why_dead(event_body("customer.updated", customer(), created=253_402_300_800))[0] == "malformed"


def test_envelope_and_event_agree_on_every_name() -> None:
    posted = event_body("customer.subscription.updated", subscription("sub_7", customer=customer("cus_7")))

    envelope, read = parse_envelope(posted, now=NOW), read_event(posted)

    assert (envelope.event_id, envelope.object_id, envelope.customer_id) == (
        read.id,
        read.object_id,
        read.customer_id,
    )
