"""The envelope: what every request is read for, and what is refused before anything is stored."""

from __future__ import annotations

from typing import Any

import pytest

from cogento.events.envelope import Envelope, ForeignEvent, is_ours, parse_envelope, parse_foreign_event
from cogento.events.errors import RejectedError
from cogento.events.names import CustomerId, EventId, ObjectId
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
    thin_event,
)


def opened(event_: Json) -> Envelope:
    return parse_envelope(body(event_), now=NOW)


def refusal_of(body_: bytes) -> str:
    with pytest.raises(RejectedError) as refused:
        parse_envelope(body_, now=NOW)
    return refused.value.code


def without(event_: Json, *keys: str) -> Json:
    return {key: value for key, value in event_.items() if key not in keys}


def test_a_customers_envelope_says_which_event_and_whose_it_is() -> None:
    posted = event_body("customer.updated", customer("cus_7"), id_="evt_7", account="acct_1")

    assert parse_envelope(posted, now=NOW) == Envelope(
        event_id=EventId("evt_7"),
        type="customer.updated",
        created=NOW,
        livemode=False,
        account="acct_1",
        object_id=ObjectId("cus_7"),
        customer_id=CustomerId("cus_7"),
        body=posted,
    )


@pytest.mark.parametrize("owner", ["cus_7", customer("cus_7"), deleted_customer("cus_7")])
def test_a_subscriptions_envelope_belongs_to_its_customer_by_id_or_expanded(owner: str | Json) -> None:
    envelope = opened(event("customer.subscription.updated", subscription("sub_1", customer=owner)))

    assert (envelope.object_id, envelope.customer_id) == ("sub_1", "cus_7")


@pytest.mark.parametrize(
    "type_",
    [
        "customer.created",
        "customer.updated",
        "customer.deleted",
        "customer.subscription.created",
        "customer.subscription.deleted",
        "customer.subscription.paused",
        "customer.subscription.trial_will_end",
        "customer.subscription.not_invented_yet",
    ],
)
def test_customers_and_all_that_happens_to_subscriptions_are_ours(type_: str) -> None:
    assert is_ours(type_)


@pytest.mark.parametrize(
    "type_",
    [
        "",
        "customer",
        "customer.subscription",
        "customer.subscriptions.created",
        "customer.source.deleted",
        "customer.discount.created",
        "customer.tax_id.created",
        "subscription_schedule.released",
        NOT_OURS_TYPE,
    ],
)
def test_everything_else_is_not(type_: str) -> None:
    assert not is_ours(type_)


@pytest.mark.parametrize("id_", [None, 5, "", "evt_", "cus_1", "evt_" + "a" * 10_000, "evt_a b", "evt_../x"])
def test_an_impossible_event_id_is_malformed(id_: Any) -> None:
    assert refusal_of(event_body("customer.updated", customer(), id_=id_)) == "malformed"


@pytest.mark.parametrize("id_", ["evt_1\x00", "evt_1\ud800", "evt_1\n", "evt_é"])
def test_an_event_id_has_plain_characters_only(id_: str) -> None:
    assert refusal_of(event_body("customer.updated", customer(), id_=id_)) == "malformed"


@pytest.mark.parametrize("type_", [None, 5, "", "customer updated", "customer.é", "a" * 101, "a\n"])
def test_an_impossible_type_is_malformed(type_: Any) -> None:
    assert refusal_of(event_body(type_, customer())) == "malformed"


@pytest.mark.parametrize(
    "created",
    [None, 0, -1, 1.5, float(NOW), str(NOW), True, 253_402_300_799, 1_293_839_999, NOW + 86_401, 10**19 - 1],
)
def test_an_impossible_time_is_malformed(created: Any) -> None:
    assert refusal_of(event_body("customer.updated", customer(), created=created)) == "malformed"


@pytest.mark.parametrize("created", [1_293_840_000, NOW + 86_400])
def test_a_time_from_2011_to_tomorrow_is_possible(created: int) -> None:
    assert opened(event("customer.updated", customer(), created=created)).created == created


@pytest.mark.parametrize("key", ["id", "type", "created", "data"])
def test_an_event_without_what_routing_needs_is_malformed(key: str) -> None:
    assert refusal_of(body(without(event("customer.updated", customer()), key))) == "malformed"


@pytest.mark.parametrize("data", [None, [], "x", {}, {"object": None}, {"object": []}, {"object": "cus_1"}])
def test_an_event_without_an_object_is_malformed(data: Any) -> None:
    assert refusal_of(body({**event("customer.updated", customer()), "data": data})) == "malformed"


@pytest.mark.parametrize("id_", [None, 5, "", "cus_\x00", "cus_\ud800", "cus 1", "c" * 256, {"id": "cus_1"}])
def test_an_object_without_a_storable_id_is_malformed(id_: Any) -> None:
    assert refusal_of(event_body("customer.updated", customer(id=id_))) == "malformed"


def test_an_event_that_is_not_ours_may_have_an_object_without_id() -> None:
    envelope = opened(event(NOT_OURS_TYPE, {"object": "balance", "customer": "cus_1"}))

    assert (envelope.object_id, envelope.customer_id) == ("", "")


@pytest.mark.parametrize("livemode", [True, False, None])
def test_livemode_is_passed_on_for_the_fence(livemode: Any) -> None:
    assert opened(event("customer.updated", customer(), livemode=livemode)).livemode is livemode


def test_an_event_that_does_not_say_its_mode_has_none() -> None:
    assert opened(without(event("customer.updated", customer()), "livemode")).livemode is None


@pytest.mark.parametrize("livemode", ["false", 0, {}])
def test_an_impossible_mode_is_malformed(livemode: Any) -> None:
    assert refusal_of(event_body("customer.updated", customer(), livemode=livemode)) == "malformed"


def test_an_event_of_our_own_account_names_none() -> None:
    assert opened(event("customer.updated", customer())).account is None


@pytest.mark.parametrize("account", [5, "", "acct 1", "acct_\x00", {"id": "acct_1"}])
def test_an_impossible_account_is_malformed(account: Any) -> None:
    assert refusal_of(event_body("customer.updated", customer(), account=account)) == "malformed"


@pytest.mark.parametrize("context", [5, "acct 1", "acct_1/", {"id": "acct_1"}])
def test_a_context_that_leads_to_no_account_is_malformed(context: Any) -> None:
    assert refusal_of(event_body("customer.updated", customer(), context=context)) == "malformed"


@pytest.mark.parametrize(
    ("named", "account"),
    [
        ({"context": "acct_1"}, "acct_1"),
        ({"context": "acct_platform/acct_1"}, "acct_1"),
        ({"context": "org_1"}, "org_1"),
        ({"context": "acct_platform/acct_1", "account": "acct_1"}, "acct_1"),
        ({"context": "acct_2", "account": "acct_1"}, "acct_1"),
        ({"context": None, "account": "acct_1"}, "acct_1"),
        ({"context": "acct_1", "account": None}, "acct_1"),
        ({"context": None}, None),
        ({"context": ""}, None),
    ],
)
def test_t6_an_event_is_of_the_account_that_it_names_or_else_of_the_last_of_its_context(
    named: Json, account: str | None
) -> None:
    assert opened(event("customer.updated", customer(), **named)).account == account


@pytest.mark.parametrize(
    ("raw", "id_", "type_"),
    [
        (b'{"type": "v9.x[y].z"}', "", "v9.x[y].z"),
        (b'{"id": {"a": 1}, "type": "x", "created": "soon"}', "", "x"),
        (b'{"id": "evt_1", "type": "x", "data": null}', "evt_1", "x"),
        (b'{"id": "not one of ours", "type": "x y"}', "", "x y"),
        (b'{"id": "wevt-1", "type": "\xc3\xa9"}', "wevt-1", "\u00e9"),
        (b'{"id": "evt_1", "type": "x", "amount": 123456789012345678901234567890}', "evt_1", "x"),
        (b'{"id": "evt_1", "type": "x", "a": ' + b"[" * 100 + b"]" * 100 + b"}", "evt_1", "x"),
        (b'{"id": "evt_1\\ud800", "type": "x"}', "", "x"),
    ],
)
def test_a_stranger_of_any_shape_is_read_for_its_type(raw: bytes, id_: str, type_: str) -> None:
    assert parse_foreign_event(raw) == ForeignEvent(EventId(id_), type_)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"[]",
        b"null",
        b"{}",
        b'{"type": 5}',
        b'{"type": ""}',
        b'{"type": "x"',
        b'{"type": "x", "a": NaN}',
        b'{"type": "x", "a": "\xff"}',
        b'{"type": "customer.updated"}',
        b'{"type": "customer.subscription.[new]"}',
        b'{"type": "v1.customer.updated"}',
        b'{"type": "x", "a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    ],
)
def test_what_has_no_type_or_claims_to_be_ours_is_no_stranger(raw: bytes) -> None:
    assert parse_foreign_event(raw) is None


def test_a_charge_in_a_customer_event_waits_under_its_own_id_to_be_a_dead_letter() -> None:
    envelope = opened(event("customer.updated", {"id": "ch_1", "object": "charge", "customer": "cus_1"}))

    assert (envelope.object_id, envelope.customer_id) == ("ch_1", "ch_1")


@pytest.mark.parametrize("owner", [None, 5, "", "cus 1", [], {}, {"id": None}, {"id": "cus_\x00"}])
def test_a_subscription_without_customer_waits_under_its_own_id_to_be_a_dead_letter(owner: Any) -> None:
    envelope = opened(event("customer.subscription.updated", subscription("sub_1", customer=owner)))

    assert envelope.customer_id == "sub_1"


def test_a_thin_event_waits_under_the_id_of_the_object_that_it_names() -> None:
    raw = body(thin_event("v1.customer.subscription.updated", "sub_1", created=NOW + 1))

    envelope = parse_envelope(raw, now=NOW)

    assert (envelope.event_id, envelope.type) == ("evt_test_1", "v1.customer.subscription.updated")
    assert (envelope.object_id, envelope.customer_id) == ("sub_1", "sub_1")
    assert (envelope.created, envelope.livemode, envelope.account) == (NOW + 1, False, None)
    assert envelope.body == raw


@pytest.mark.parametrize(
    ("context", "account"), [(None, None), ("acct_1", "acct_1"), ("org_1/acct_2", "acct_2")]
)
def test_a_thin_events_context_names_its_account(context: str | None, account: str | None) -> None:
    assert opened(thin_event(context=context)).account == account


def test_the_fraction_of_a_thin_events_second_is_dropped() -> None:
    assert opened(thin_event() | {"created": "2025-10-09T08:53:20.999Z"}).created == NOW


@pytest.mark.parametrize(
    "type_", ["v1.customer.created", "v1.customer.deleted", "v1.customer.subscription.item_price_changed"]
)
def test_thin_events_about_customers_and_subscriptions_are_ours(type_: str) -> None:
    assert is_ours(type_)


@pytest.mark.parametrize(
    "type_",
    [f"v1.{NOT_OURS_TYPE}", "v1.customer.tax_id.created", "v1.customer.fetched", "v2.core.account.updated"],
)
def test_other_thin_events_are_not_ours(type_: str) -> None:
    assert not is_ours(type_)


def test_a_ping_names_no_object_of_ours_and_is_no_mistake() -> None:
    ping = thin_event("v2.core.event_destination.ping", related_object=None)

    assert opened(ping).object_id == ""


@pytest.mark.parametrize(
    "fields",
    [
        {"id": "cus_1"},
        {"created": NOW},
        {"created": "yesterday"},
        {"created": "2025-10-09T08:53:20"},
        {"created": "1999-10-09T08:53:20Z"},
        {"context": "acct 1"},
        {"related_object": None},
        {"related_object": {"id": "cus 1", "type": "customer"}},
        {"related_object": "cus_1"},
    ],
)
def test_an_impossible_thin_event_is_malformed(fields: Json) -> None:
    assert refusal_of(body(thin_event() | fields)) == "malformed"


@pytest.mark.parametrize(
    "body_",
    [
        b"",
        b"[]",
        b'"x"',
        b"1",
        b"null",
        b"true",
        b"{}",
        b"{",
        b"rubbish",
        b"\xef\xbb\xbf{}",
        b"\xff\xfe",
        b"\x00",
    ],
)
def test_what_is_no_json_object_is_malformed(body_: bytes) -> None:
    assert refusal_of(body_) == "malformed"


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(b"NaN", id="NaN"),
        pytest.param(b"-Infinity", id="-Infinity"),
        pytest.param(b"[" * 62 + b"]" * 62, id="65 levels"),
        pytest.param(b"[" * 100_000 + b"]" * 100_000, id="100,000 levels"),
        pytest.param(b"9" * 20, id="20 digits"),
        pytest.param(b"9" * 1_000_000, id="1,000,000 digits"),
        pytest.param(b'"\xff"', id="not UTF-8"),
        pytest.param(b"01", id="leading zero"),
        pytest.param(b"'x'", id="single quotes"),
        pytest.param(b'"\t"', id="raw control character"),
        pytest.param(b'"\\x"', id="unknown escape"),
        pytest.param(b'"\\ud8"', id="half an escape"),
        pytest.param(b"[1,]", id="trailing comma"),
        pytest.param(b"1}", id="one bracket too many"),
    ],
)
@pytest.mark.timeout(10)
def test_what_is_wrong_deep_inside_is_refused_though_nobody_reads_it_yet(value: bytes) -> None:
    posted = event_body("customer.updated", customer(extra="HERE")).replace(b'"HERE"', value)

    assert refusal_of(posted) == "malformed"


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(b"[" * 61 + b"]" * 61, id="64 levels"),
        pytest.param(b"1e400", id="1e400"),
        pytest.param(b"-0", id="-0"),
        pytest.param(b"9" * 19, id="19 digits"),
        pytest.param(b'"\\u0000"', id="NUL"),
        pytest.param(b'"\\ud800"', id="lone surrogate"),
        pytest.param(b'"\\ud800\\u0000 \\udc00"', id="surrogates in the wrong order"),
        pytest.param(b'"\xf0\x9f\x98\x80"', id="emoji"),
        pytest.param(b'{"\\ud800":"\\udfff", "x":1e400}', id="lone surrogate beside 1e400"),
    ],
)
def test_what_is_odd_deep_inside_travels_on_as_it_came(value: bytes) -> None:
    posted = event_body("customer.updated", customer("cus_1", extra="HERE")).replace(b'"HERE"', value)

    envelope = parse_envelope(posted, now=NOW)

    assert (envelope.customer_id, envelope.body) == ("cus_1", posted)


@pytest.mark.timeout(10)
def test_a_megabyte_of_small_objects_is_opened_within_a_second() -> None:
    posted = event_body("customer.updated", customer(extra="HERE"))

    opened_ = parse_envelope(posted.replace(b'"HERE"', b"[" + b"{}," * 349_000 + b"{}]"), now=NOW)

    assert opened_.customer_id == "cus_1"


def test_of_equal_keys_the_last_one_counts() -> None:
    posted = event_body("customer.updated", customer("cus_1"), id_="evt_1")
    last = b',"id":"evt_2","data":{"object":%s}}' % body(customer("cus_2"))

    envelope = parse_envelope(posted[:-1] + last, now=NOW)

    assert (envelope.event_id, envelope.customer_id) == ("evt_2", "cus_2")


def test_the_message_quotes_nothing_of_the_body() -> None:
    posted = event_body("customer.updated", customer(email="ada@example.com"), created="ada@example.com")

    with pytest.raises(RejectedError) as refused:
        parse_envelope(posted, now=NOW)

    assert "ada" not in refused.value.message
