"""Signed events of unexpected shapes: those that are not ours are acknowledged, whatever they look like.

A destination whose events are answered with errors for days is disabled by Stripe, and our events with it.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from cogento.events.envelope import is_ours
from receiver.metrics import REGISTRY
from tests.support.builders import (
    NOT_OURS_TYPE,
    NOW,
    Json,
    body,
    customer,
    event,
    event_body,
    signed_header,
    subscription,
    thin_event,
)
from tests.support.receiver_fakes import Receiver

if TYPE_CHECKING:
    import httpx

pytestmark = pytest.mark.usefixtures("either_server")
ACCOUNT = {"id": "acct_1", "type": "v2.core.account", "url": "/v2/core/accounts/acct_1"}
STRANGERS = [
    thin_event("v2.core.account[configuration.customer].updated", related_object=ACCOUNT),
    thin_event("v2.core.account[configuration.recipient].capability_status_updated", related_object=ACCOUNT),
    thin_event("v2.core.account_person.updated", related_object=None, data={"account_id": "acct_1"}),
    thin_event("v2.core.account.updated", "id with spaces"),
    thin_event("v3.something:else/entirely", created=NOW, related_object=[{"id": 1}])
    | {"object": "v3.event"},
    thin_event("v2.core.account.updated") | {"created": NOW},
    thin_event("v2.core.account.updated") | {"created": "2026-10-09T08:53:20"},
    thin_event("v2.core.account.updated", livemode="no"),
    thin_event("v2.core.account.updated", context={"account": "acct_1"}),
    thin_event("v2.core.account.updated", id_="ev-2-1"),
    {"type": "x"},
    {"type": NOT_OURS_TYPE, "id": "evt_1", "object": "event"},
    {"type": NOT_OURS_TYPE, "id": 7, "data": None},
    event(NOT_OURS_TYPE.title(), {"object": "balance"}),
    event(f"{NOT_OURS_TYPE}\n", {"object": "balance"}),
    event("x" * 10_000, {"object": "balance"}),
    event("émis", {"object": "balance"}),
    {**event(NOT_OURS_TYPE, {"object": "balance"}), "created": "2026-01-01T00:00:00Z"},
    event(NOT_OURS_TYPE, {"object": "balance"}, created=0),
    event(NOT_OURS_TYPE, {"object": "balance", "id": {"v": 3}}),
    event(NOT_OURS_TYPE, {"object": "balance"}, id_="wh_1"),
    event(NOT_OURS_TYPE, {"object": "balance"}, account={"id": "acct_1"}),
    event("crypto.onramp_session.updated", {"object": "x", "wei": 10**30}),
    {**event(NOT_OURS_TYPE, {}), "data": {"objects": [1, 2]}},
    {**event(NOT_OURS_TYPE, {}), "data": [1, 2]},
    {**event(NOT_OURS_TYPE, {}), "livemode": "yes"},
]

odd_text = st.text(st.characters(), max_size=9)  # lone surrogates among them
numbers = st.floats(allow_nan=False, allow_infinity=False)
odd_json = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**25), 10**25) | numbers | odd_text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(odd_text, inner, max_size=3),
    max_leaves=12,
)
fields = st.sampled_from(
    [
        "id",
        "object",
        "api_version",
        "created",
        "data",
        "livemode",
        "account",
        "context",
        "request",
        "related_object",
    ]
)
odd_fields = st.dictionaries(fields | odd_text, odd_json, max_size=6)
kinds = st.sampled_from(["event", "v2.core.event", "v3.event", None])
strange_types = st.text(st.characters(), min_size=1, max_size=40).filter(lambda type_: not is_ours(type_))
our_types = st.sampled_from(
    [
        "customer.updated",
        "customer.subscription.created",
        "v1.customer.updated",
        "customer.subscription.[x] é",
    ]
)
no_types = st.none() | st.integers() | st.just("") | st.lists(st.text(max_size=3))


def written(document: Any) -> bytes:
    return json.dumps(document).encode()


def posted(raw: bytes, **expected: Any) -> httpx.Response:
    return Receiver(**expected).post(raw, signature=signed_header(raw, timestamp=NOW))


def ignored(reason: str) -> float:
    return (
        REGISTRY.get_sample_value("cogento_webhook_ignored_total", {"reason": reason, "account": ""}) or 0.0
    )


@pytest.mark.parametrize("can_ask", [True, False])
@pytest.mark.parametrize("stranger", STRANGERS, ids=lambda one: str(one["type"])[:50])
def test_t9_what_is_not_ours_is_acknowledged_whatever_it_looks_like(stranger: Json, *, can_ask: bool) -> None:
    response = posted(body(stranger), can_ask=can_ask)

    assert (response.status_code, response.json()["status"]) == (200, "ignored")


@given(odd=odd_fields, kind=kinds, type_=strange_types)
def test_t9_no_signed_event_of_another_type_is_ever_refused(odd: Json, kind: str | None, type_: str) -> None:
    response = posted(written({"object": kind, **odd, "type": type_}))

    assert (response.status_code, response.json()["status"]) == (200, "ignored")


@given(odd=odd_fields, kind=kinds, type_=our_types)
def test_t9_an_odd_event_that_claims_to_be_ours_is_kept_fenced_or_malformed_and_no_mistake(
    odd: Json, kind: str | None, type_: str
) -> None:
    response = posted(written({"object": kind, **odd, "type": type_}), can_ask=True)

    assert (response.status_code, response.json().get("error", {}).get("code")) in {
        (200, None),
        (400, "malformed"),
    }


@given(odd=odd_fields, type_=no_types)
def test_t9_what_has_no_type_at_all_stays_malformed(odd: Json, type_: Any) -> None:
    response = posted(written({**odd, "type": type_}), can_ask=True)

    assert (response.status_code, response.json()["error"]["code"]) == (400, "malformed")


def test_an_unknown_shape_sounds_no_alarm_of_another_mode() -> None:
    raw = written({"id": "evt_1", "type": "x.y", "created": NOW, "data": {"object": {}}})

    with capture_logs() as lines:
        posted(raw)

    assert lines == []


PLACEHOLDERS = [
    event("customer.updated", customer(), id_="evt_00000000000000"),
    event("customer.updated", customer("cus_00000000000000"), id_="evt_00000000000000", livemode=True),
    event("customer.subscription.updated", subscription("sub_00000000000000"), id_="evt_00000000000000"),
    event("customer.updated", customer(), id_="evt_00000000000000", account="acct_00000000000000"),
    event(NOT_OURS_TYPE, {"object": "balance", "id": "ba_00000000000000"}, id_="evt_00000000000000"),
]


@pytest.mark.parametrize("livemode", [True, False])
@pytest.mark.parametrize("placeholder", PLACEHOLDERS)
def test_t10_a_placeholder_is_ignored_in_both_modes_and_said_to_be_one(
    placeholder: Json, *, livemode: bool
) -> None:
    receiver, before = Receiver(livemode=livemode), ignored("placeholder")

    with capture_logs() as lines:
        response = receiver.post(body(placeholder))

    assert response.json() == {"status": "ignored", "event": placeholder["id"]}
    assert [line["event"] for line in lines] == ["placeholder_ignored"]
    assert ignored("placeholder") == before + 1
    assert not receiver.mailbox.kept


def test_t10_two_events_with_one_placeholder_id_sound_no_alarm_of_a_changed_body() -> None:
    receiver = Receiver()
    receiver.post(event_body("customer.updated", customer(), id_="evt_00000000000000"))

    with capture_logs() as lines:
        second = receiver.post(event_body("customer.updated", customer("cus_2"), id_="evt_00000000000000"))

    assert second.json()["status"] == "ignored"
    assert "conflicting_duplicate_received" not in [line["event"] for line in lines]


@pytest.mark.parametrize(
    "id_",
    ["evt_000000001", "evt_1000000000000000", "evt_0", "evt_00000000a00000", f"evt_{0:024}", f"evt_{0:013}"],
)
def test_t10_an_id_that_only_looks_like_the_placeholder_is_an_event(id_: str) -> None:
    assert Receiver().post(event_body("customer.updated", customer(), id_=id_)).json()["status"] == "queued"


@pytest.mark.parametrize(
    "shown",
    [
        event("customer.updated", customer("cus_00000000000000")),
        event("customer.subscription.updated", subscription("sub_00000000000000")),
        event("customer.subscription.updated", subscription(customer="cus_00000000000000")),
    ],
)
def test_t10_an_event_with_an_id_of_its_own_is_kept_whatever_it_shows(shown: Json) -> None:
    assert Receiver().post(body(shown)).json()["status"] == "queued"
