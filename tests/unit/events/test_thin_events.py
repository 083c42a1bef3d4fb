"""A thin event as a worker reads it, and what is a dead letter instead."""

from __future__ import annotations

import json

import pytest

from cogento.events.envelope import parse_envelope
from cogento.events.errors import PermanentError, RejectedError
from cogento.events.event import Event, Notice, read_notice, read_stored_event
from cogento.events.kinds import SUBSCRIPTION
from tests.support.builders import NOT_OURS_TYPE, NOW, Json, body, customer, event_body, thin_event


def test_it_says_of_which_object_stripe_has_to_be_asked() -> None:
    raw = body(thin_event("v1.customer.subscription.deleted", "sub_1", created=NOW + 1))

    notice = read_notice(raw)

    assert (notice.id, notice.created, notice.kind) == ("evt_test_1", NOW + 1, SUBSCRIPTION)
    assert (notice.object_id, notice.customer_id, notice.body) == ("sub_1", "sub_1", raw)


@pytest.mark.parametrize(
    ("type_", "object_id", "ends"),
    [
        ("v1.customer.deleted", "cus_1", True),
        ("v1.customer.subscription.deleted", "sub_1", True),
        ("v1.customer.updated", "cus_1", False),
        ("v1.customer.subscription.past_due", "sub_1", False),
    ],
)
def test_only_a_deletion_says_that_the_object_has_ended(type_: str, object_id: str, *, ends: bool) -> None:
    assert read_notice(body(thin_event(type_, object_id))).ends is ends


@pytest.mark.parametrize(
    ("thin", "reason"),
    [
        (thin_event("v1.customer.updated", "sub_1"), "malformed"),
        (thin_event("v1.customer.subscription.updated", "cus_1"), "malformed"),
        (thin_event(f"v1.{NOT_OURS_TYPE}", "ba_1"), "unknown_type"),
        (thin_event("customer.updated", "cus_1"), "unknown_type"),
        (thin_event(created=NOW) | {"id": "x"}, "malformed"),
    ],
)
def test_what_names_nothing_of_ours_is_a_dead_letter(thin: Json, reason: str) -> None:
    with pytest.raises(PermanentError) as refused:
        read_notice(body(thin))
    assert refused.value.reason == reason


def test_thin_and_snapshot_events_are_recognized() -> None:
    assert isinstance(read_stored_event(body(thin_event())), Notice)
    assert isinstance(read_stored_event(event_body("customer.updated", customer())), Event)


def test_a_name_that_mentions_thin_events_makes_no_thin_event() -> None:
    named = event_body("customer.updated", customer(name='"v2.core.event"'))

    assert isinstance(read_stored_event(named), Event)


def test_a_snapshot_event_that_calls_itself_thin_is_malformed_for_receiver_and_worker() -> None:
    snapshot = json.loads(event_body("customer.updated", customer()))
    odd = body({**snapshot, "object": "v2.core.event"})

    with pytest.raises(RejectedError):
        parse_envelope(odd, now=NOW)
    with pytest.raises(PermanentError) as refused:
        read_stored_event(odd)
    assert refused.value.reason == "malformed"
