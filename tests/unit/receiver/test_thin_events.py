"""Thin events at the receiver: taken where Stripe can be asked, with a secret of their own."""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING

import pytest

from cogento.settings import ReceiverSettings
from receiver.composition import accept_policy
from receiver.metrics import REGISTRY
from tests.support.builders import NOW, SECRET, body, customer, event_body, signed_header, thin_event
from tests.support.receiver_fakes import Receiver

if TYPE_CHECKING:
    import httpx

pytestmark = pytest.mark.usefixtures("either_server")
THIN_SECRET = "whsec_thin_0123456789abcdef0123456789"
STRANGE_SECRET = "whsec_strange_0123456789abcdef01234567"
THIN = body(thin_event())
SNAPSHOT = event_body("customer.updated", customer())


def receiver(*, thin_secrets: tuple[str, ...] = (THIN_SECRET,), can_ask: bool = True) -> Receiver:
    return Receiver(thin_secrets=thin_secrets, can_ask=can_ask)


def composed(**environment: str | None) -> Receiver:
    """A receiver with what these settings make of the secrets, and a key."""
    settings = ReceiverSettings.model_validate(
        {name.lower(): value for name, value in environment.items()}
        | {"redis_url": "redis://localhost", "stripe_api_key": "rk_test_1"}
    )
    policy = accept_policy(settings)
    return Receiver(
        secrets=tuple(one.decode() for one in policy.secrets),
        thin_secrets=tuple(one.decode() for one in policy.thin_secrets),
        can_ask=policy.can_ask,
    )


def counted_for(secret_index: int) -> float:
    sample = REGISTRY.get_sample_value(
        "cogento_signature_secret_matches_total", {"secret_index": str(secret_index), "account": ""}
    )
    return sample or 0.0


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


@pytest.mark.parametrize("raw", [THIN, SNAPSHOT])
@pytest.mark.parametrize("secret", [SECRET, THIN_SECRET])
def test_t11_each_secret_vouches_for_both_kinds(raw: bytes, secret: str) -> None:
    taking = receiver()

    assert taking.post(raw, signature=signed(raw, secret)).json()["status"] == "queued"
    assert list(taking.mailbox.kept.values()) == [raw]


@pytest.mark.parametrize("raw", [THIN, SNAPSHOT])
@pytest.mark.parametrize("thin_secret", [SECRET, None, THIN_SECRET, f"{THIN_SECRET},{SECRET}"])
def test_t11_one_secret_for_both_kinds_takes_both(raw: bytes, thin_secret: str | None) -> None:
    taking = composed(STRIPE_WEBHOOK_SECRET=SECRET, STRIPE_THIN_WEBHOOK_SECRET=thin_secret)

    assert taking.post(raw, signature=signed(raw, SECRET)).json()["status"] == "queued"


@pytest.mark.parametrize("raw", [THIN, SNAPSHOT])
def test_t11_the_thin_secret_alone_takes_both(raw: bytes) -> None:
    taking = composed(STRIPE_THIN_WEBHOOK_SECRET=THIN_SECRET)

    assert taking.post(raw, signature=signed(raw, THIN_SECRET)).json()["status"] == "queued"


@pytest.mark.parametrize("raw", [THIN, SNAPSHOT])
def test_a_strangers_secret_vouches_for_neither(raw: bytes) -> None:
    taking = receiver()

    assert error_of(taking.post(raw, signature=signed(raw, STRANGE_SECRET))) == (400, "signature_invalid")
    assert not taking.mailbox.kept


@pytest.mark.parametrize(
    ("raw", "secret", "signatures"),
    [(SNAPSHOT, SECRET, 1), (THIN, SECRET, 1), (THIN, THIN_SECRET, 2), (SNAPSHOT, THIN_SECRET, 2)],
)
def test_a_body_is_signed_with_thin_events_secrets_only_where_no_other_matches(
    raw: bytes, secret: str, signatures: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[bytes] = []
    digest = hmac.digest

    def counted(key: bytes, message: bytes, algorithm: str) -> bytes:
        made.append(key)
        return digest(key, message, algorithm)

    header = signed(raw, secret)
    monkeypatch.setattr("receiver.signature.hmac.digest", counted)
    receiver().post(raw, signature=header)

    assert len(made) == signatures


def test_t11_a_secret_that_stands_in_both_settings_is_tried_once() -> None:
    taking = composed(STRIPE_WEBHOOK_SECRET=SECRET, STRIPE_THIN_WEBHOOK_SECRET=f"{SECRET},{THIN_SECRET}")

    assert (taking.secrets, taking.thin_secrets) == ((SECRET,), (THIN_SECRET,))


def test_the_secrets_of_thin_events_are_counted_behind_the_others() -> None:
    before = counted_for(1)

    receiver().post(THIN, signature=signed(THIN, THIN_SECRET))

    assert counted_for(1) == before + 1


def test_a_thin_event_that_is_not_ours_needs_no_key() -> None:
    ping = body(thin_event("v2.core.event_destination.ping", "ed_1"))

    response = receiver(can_ask=False).post(ping, signature=signed(ping, THIN_SECRET))

    assert response.json()["status"] == "ignored"


def test_a_thin_event_of_ours_that_cannot_be_read_is_malformed_where_it_would_be_taken() -> None:
    odd = body(thin_event() | {"created": "yesterday"})

    assert error_of(receiver().post(odd, signature=signed(odd, THIN_SECRET))) == (400, "malformed")


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
