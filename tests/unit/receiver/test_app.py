"""What the receiver answers, on the ASGI level, with fakes around it."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

import pytest
from structlog.testing import capture_logs

from cogento.events.errors import TransientError
from cogento.metrics.declarations import Sample, pack
from cogento.queue.figures import KeptTables
from receiver import metrics, probes
from tests.support.builders import (
    NOT_OURS_TYPE,
    NOW,
    SECRET,
    customer,
    event_body,
    signed_header,
    subscription,
)
from tests.support.receiver_fakes import FakeMailbox, Receiver, SettableClock

if TYPE_CHECKING:
    from collections.abc import Mapping

    import httpx

    from cogento.queue.figures import QueueFigures

pytestmark = pytest.mark.usefixtures("either_server")
BODY = event_body("customer.updated", customer())


def answer(response: httpx.Response) -> tuple[int, Any]:
    return response.status_code, response.json()


def error_code(response: httpx.Response) -> tuple[int, str]:
    status, content = answer(response)
    return status, content["error"]["code"]


def test_a_signed_event_is_queued_with_its_exact_bytes() -> None:
    receiver = Receiver()
    assert answer(receiver.post(BODY)) == (200, {"status": "queued", "event": "evt_1"})
    assert receiver.mailbox.kept == {"evt_1": BODY}


def test_the_same_event_again_is_a_duplicate() -> None:
    receiver = Receiver()
    receiver.post(BODY)
    assert answer(receiver.post(BODY)) == (200, {"status": "duplicate", "event": "evt_1"})


def test_a_wakeup_is_sent_when_the_mailbox_asks_for_it_and_only_then() -> None:
    receiver = Receiver()
    receiver.post(BODY)
    receiver.post(event_body("customer.updated", customer(), id_="evt_2"))
    assert receiver.wakeup.sent == 1


def test_an_event_whose_body_changed_is_a_duplicate_and_an_alarm() -> None:
    receiver = Receiver()
    receiver.post(BODY)
    with capture_logs() as lines:
        changed = receiver.post(event_body("customer.updated", customer(name="Eve")))
    assert answer(changed) == (200, {"status": "duplicate", "event": "evt_1"})
    assert receiver.mailbox.kept == {"evt_1": BODY}
    assert [line["event"] for line in lines] == ["conflicting_duplicate_received"]


def test_an_event_of_another_type_is_ignored() -> None:
    receiver = Receiver()
    body = event_body(NOT_OURS_TYPE, {"object": "balance"})
    assert answer(receiver.post(body)) == (200, {"status": "ignored", "event": "evt_1"})
    assert not receiver.mailbox.kept


@pytest.mark.parametrize(
    ("expected", "fields", "alarm"),
    [
        pytest.param({"livemode": False}, {"livemode": True}, "other_mode_fenced", id="B60-live"),
        pytest.param({"livemode": True}, {"livemode": False}, "other_mode_fenced", id="B60-test"),
        pytest.param({"livemode": False}, {"livemode": None}, "other_mode_fenced", id="B60-missing"),
        pytest.param({"account": None}, {"account": "acct_1"}, "other_account_fenced", id="B61-unexpected"),
        pytest.param({"account": "acct_1"}, {"account": "acct_2"}, "other_account_fenced", id="B61-other"),
        pytest.param({"account": "acct_1"}, {}, "other_account_fenced", id="B61-missing"),
    ],
)
def test_events_of_another_mode_or_account_are_acknowledged_and_fenced(
    expected: dict[str, Any], fields: dict[str, Any], alarm: str
) -> None:
    receiver = Receiver(**expected)
    with capture_logs() as lines:
        response = receiver.post(event_body("customer.updated", customer(), **fields))
    assert answer(response) == (200, {"status": "ignored", "event": "evt_1"})
    assert not receiver.mailbox.kept
    assert [line["event"] for line in lines] == [alarm]


def test_events_of_the_expected_account_are_queued() -> None:
    receiver = Receiver(account="acct_1")
    response = receiver.post(event_body("customer.updated", customer(), account="acct_1"))
    assert answer(response)[1]["status"] == "queued"


@pytest.mark.parametrize(
    "signature",
    [
        pytest.param("", id="missing"),
        pytest.param("t=1,v1=", id="unreadable"),
        pytest.param(signed_header(b"{}", timestamp=NOW), id="of-another-body"),
        pytest.param(signed_header(BODY, timestamp=NOW - 301), id="too-old"),
        pytest.param(signed_header(BODY, timestamp=NOW + 301), id="too-new"),
    ],
)
def test_every_failure_of_a_signature_gets_the_same_answer(signature: str) -> None:
    receiver = Receiver()
    response = receiver.post(BODY, signature=signature)
    message = "Invalid signature."
    assert answer(response) == (400, {"error": {"code": "signature_invalid", "message": message}})
    assert not receiver.mailbox.kept


@pytest.mark.parametrize(
    ("signature", "counted"),
    [
        (signed_header(BODY, timestamp=NOW, secret=f"whsec_{'w' * 32}"), 1),
        ("t=1,v1=", 0),
        (signed_header(BODY, timestamp=NOW - 301), 0),
    ],
)
def test_only_what_may_be_a_wrong_secret_is_noted_for_people(signature: str, counted: int) -> None:
    receiver = Receiver()
    receiver.post(BODY, signature=signature)
    assert receiver.tally.bad_signatures == counted


@pytest.mark.parametrize("shift", [-600, 600])
def test_a_wrong_clock_of_ours_is_an_alarm_of_its_own(shift: int) -> None:
    """F39."""
    receiver = Receiver(clock=SettableClock(NOW + shift))
    with capture_logs() as lines:
        response = receiver.post(BODY)
    assert error_code(response) == (400, "signature_invalid")
    assert [line["event"] for line in lines] == ["timestamp_outside_window"]


def test_both_secrets_of_a_rotation_are_accepted_and_counted_apart() -> None:
    """B35."""
    old = "whsec_fedcba9876543210fedcba9876543210"
    receiver = Receiver(secrets=(SECRET, old))
    before = _count('cogento_signature_secret_matches_total{secret_index="1"}')
    response = receiver.post(BODY, signature=signed_header(BODY, timestamp=NOW, secret=old))
    assert response.status_code == 200
    assert _count('cogento_signature_secret_matches_total{secret_index="1"}') == before + 1


@pytest.mark.parametrize(
    ("body", "code"),
    [
        pytest.param(b"[]", "malformed", id="no-event"),
        pytest.param(b'{"id": "evt_1"', "malformed", id="cut"),
        pytest.param(b'{"id": "evt_1", "object": "v2.core.event"}', "thin_event_unsupported", id="thin"),
    ],
)
def test_a_signed_body_that_is_no_event_is_refused_with_an_alarm(body: bytes, code: str) -> None:
    receiver = Receiver()
    with capture_logs() as lines:
        response = receiver.post(body)
    assert error_code(response) == (400, code)
    assert [(line["event"], line["code"]) for line in lines] == [("signed_body_refused", code)]


def test_a_full_mailbox_sends_stripe_away_for_a_while() -> None:
    receiver = Receiver(mailbox=FakeMailbox(room=0))
    response = receiver.post(BODY)
    assert error_code(response) == (503, "mailbox_full")
    assert response.headers["Retry-After"] == "5"


def test_a_mailbox_in_trouble_sends_stripe_away_for_a_while() -> None:
    receiver = Receiver(mailbox=FakeMailbox(failure=TransientError("connection refused")))
    response = receiver.post(BODY)
    assert error_code(response) == (503, "mailbox_unavailable")
    assert response.headers["Retry-After"] == "5"
    assert receiver.wakeup.sent == 0


@pytest.mark.parametrize("path", ["/webhooks/stripe", "/readyz"])
def test_a_mistake_of_ours_is_answered_and_logged_without_its_text(path: str) -> None:
    receiver = Receiver(mailbox=FakeMailbox(failure=ZeroDivisionError("ada@example.com")))
    with capture_logs() as lines:
        response = receiver.post(BODY) if path == "/webhooks/stripe" else receiver.get(path)
    assert error_code(response) == (500, "internal_error")
    assert [line["event"] for line in lines] == ["request_failed"]
    assert "ada@example.com" not in response.text


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE", "FOO"])
def test_other_methods_are_told_which_one_is_right(method: str) -> None:
    response = Receiver().ask(method, "/webhooks/stripe")
    assert response.status_code == 405
    assert response.headers["Allow"] == "POST"


@pytest.mark.parametrize("path", ["/", "//webhooks/stripe", "/webhooks/stripe/"])
def test_other_addresses_are_unknown(path: str) -> None:
    response = Receiver().ask("POST", f"http://receiver{path}")
    assert error_code(response) == (404, "not_found")


def test_health_asks_nobody() -> None:
    receiver = Receiver(mailbox=FakeMailbox(failure=TransientError("away")))
    assert answer(receiver.get("/healthz")) == (200, {"status": "ok"})


def test_readiness_tells_what_a_2xx_promises() -> None:
    assert answer(Receiver().get("/readyz")) == (200, {"status": "ready", "ack_durability": "redis_fsync"})


def test_readiness_is_lost_with_the_mailbox() -> None:
    response = Receiver(mailbox=FakeMailbox(failure=TransientError("away"))).get("/readyz")
    assert error_code(response) == (503, "mailbox_unavailable")
    assert response.headers["Retry-After"] == "5"


INTERNET: dict[str, Any] = {"caller": "203.0.113.9"}
PROXIED: dict[str, Any] = {"X-Forwarded-For": "203.0.113.9"}
BEARER: dict[str, Any] = {"Authorization": "Bearer let-me-in"}


@pytest.mark.parametrize("path", ["/metrics", "/readyz?verbose"])
@pytest.mark.parametrize(
    ("token", "caller", "status"),
    [
        pytest.param(None, {}, 200, id="loopback"),
        pytest.param(None, INTERNET, 404, id="B89-internet"),
        pytest.param(None, PROXIED, 404, id="B89-internet-through-a-proxy-here"),
        pytest.param(None, INTERNET | BEARER, 404, id="bearer-of-nothing"),
        pytest.param("let-me-in", INTERNET | BEARER, 200, id="bearer"),
        pytest.param("let-me-in", {}, 404, id="loopback-without-the-token"),
        pytest.param("let-me-in", {"Authorization": "Bearer \u00e9".encode()}, 404, id="other-bearer"),
    ],
)
def test_details_are_for_those_who_may_see_them(
    path: str, token: str | None, caller: dict[str, Any], status: int
) -> None:
    assert Receiver(metrics_token=token).get(path, **caller).status_code == status


def test_metrics_are_the_receiver_s_own_and_what_redis_knows() -> None:
    tables = KeptTables(pack({"cogento_ambiguous_rows": [Sample((), 4)]}), age_seconds=1)
    lines = Receiver(mailbox=FakeMailbox(tables=tables)).get("/metrics").text.splitlines()
    assert {"cogento_queue_events 0.0", "cogento_ambiguous_rows 4.0"} <= set(lines)
    assert any(line.startswith("cogento_clock_skew_seconds ") for line in lines)


def test_metrics_without_redis_are_the_receiver_s_own_and_that_it_is_away() -> None:
    away = FakeMailbox(failure=TransientError("away"))
    lines = Receiver(mailbox=away).get("/metrics").text.splitlines()
    assert 'cogento_up{dependency="redis"} 0.0' in lines
    assert any(line.startswith("cogento_clock_skew_seconds ") for line in lines)
    assert not [line for line in lines if line.startswith("cogento_queue")]


def test_metrics_do_not_wait_for_a_redis_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probes, "SCRAPE_SECONDS", 0.05)
    stuck = StuckMailbox()
    lines = Receiver(mailbox=stuck).get("/metrics").text.splitlines()
    assert not stuck.answers.is_set()
    stuck.answers.set()
    assert 'cogento_up{dependency="redis"} 0.0' in lines


class StuckMailbox(FakeMailbox):
    """Gives no figures before a test lets it."""

    def __init__(self) -> None:
        super().__init__()
        self.answers = threading.Event()

    async def figures(self) -> Mapping[str | None, tuple[QueueFigures, KeptTables | None]]:
        await asyncio.to_thread(self.answers.wait, 10)
        return await super().figures()


def test_answers_are_counted_by_outcome() -> None:
    receiver = Receiver()
    before = _count('cogento_webhook_requests_total{outcome="queued"}')
    receiver.post(event_body("customer.subscription.updated", subscription()))
    assert _count('cogento_webhook_requests_total{outcome="queued"}') == before + 1


def _count(sample: str) -> float:
    lines = metrics.exposition().decode().splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(sample))
