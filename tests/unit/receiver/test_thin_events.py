"""Thin events at the receiver: taken where Stripe can be asked, with a secret of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs

from tests.builders import NOW, SECRET, body, customer, event_body, signed_header, thin_event
from tests.unit.receiver.fakes import Receiver

if TYPE_CHECKING:
    import httpx

THIN_SECRET = "whsec_thin_0123456789abcdef0123456789"
THIN = body(thin_event())
SNAPSHOT = event_body("customer.updated", customer())


def receiver(*, thin_secrets: tuple[str, ...] = (THIN_SECRET,), can_ask: bool = True) -> Receiver:
    return Receiver(thin_secrets=thin_secrets, can_ask=can_ask)


def signed(raw: bytes, secret: str) -> str:
    return signed_header(raw, timestamp=NOW, secret=secret)


def error_of(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, response.json()["error"]["code"]


def test_a_thin_event_is_queued_with_its_exact_bytes() -> None:
    taking = receiver()

    response = taking.post(THIN, signature=signed(THIN, THIN_SECRET))

    assert (response.status_code, response.json()["status"]) == (200, "queued")
    assert taking.mailbox.kept == {"evt_test_1": THIN}


def test_without_a_key_the_answer_says_that_one_is_needed() -> None:
    taking = receiver(can_ask=False)

    response = taking.post(THIN, signature=signed(THIN, THIN_SECRET))

    assert error_of(response) == (400, "thin_event_unsupported")
    assert "STRIPE_API_KEY" in response.json()["error"]["message"]
    assert not taking.mailbox.kept


def test_without_a_secret_of_their_own_the_answer_says_that_one_is_needed() -> None:
    taking = receiver(thin_secrets=())

    response = taking.post(THIN, signature=signed(THIN, SECRET))

    assert error_of(response) == (400, "thin_event_unsupported")
    assert "STRIPE_THIN_WEBHOOK_SECRET" in response.json()["error"]["message"]


@pytest.mark.parametrize(("raw", "secret"), [(THIN, SECRET), (SNAPSHOT, THIN_SECRET)])
def test_the_other_kinds_secret_vouches_for_nothing(raw: bytes, secret: str) -> None:
    taking = receiver()

    with capture_logs() as lines:
        response = taking.post(raw, signature=signed(raw, secret))

    assert error_of(response) == (400, "signature_invalid")
    assert [line["flaw"] for line in lines] == ["other_kind"]
    assert not taking.mailbox.kept


def test_snapshot_events_are_taken_beside_thin_ones() -> None:
    assert receiver().post(SNAPSHOT).json()["status"] == "queued"


def test_a_thin_event_of_the_other_mode_is_fenced() -> None:
    taking, live = receiver(), body(thin_event(livemode=True))

    response = taking.post(live, signature=signed(live, THIN_SECRET))

    assert response.json()["status"] == "ignored"
    assert not taking.mailbox.kept


def test_a_ping_is_acknowledged() -> None:
    ping = body(thin_event("v2.core.event_destination.ping", "ed_1"))

    response = receiver().post(ping, signature=signed(ping, THIN_SECRET))

    assert response.json()["status"] == "ignored"
