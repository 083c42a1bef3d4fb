"""One receiver for several accounts: the path decides to which account an event belongs, and only that account's secrets count."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import redis

from tests.support.builders import SECRET, customer, event_body
from tests.support.forked_process import start_from_nothing
from tests.support.running_receiver import FASTPATH, FLASK_UNDER_GUNICORN, RunningReceiver
from tests.support.servers import wait_until
from tests.support.wire import Request

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cogento.local.valkey import Valkey
    from tests.support.servers import RunningServer

SECRETS = {"default": SECRET, "eu": f"whsec_{'e' * 32}", "us": f"whsec_{'u' * 32}"}
PATHS = {"default": "/webhooks/stripe", "eu": "/webhooks/stripe/eu", "us": "/webhooks/stripe/us"}
ENVIRONMENT = {
    "STRIPE_ACCOUNTS": "default,eu,us",
    "STRIPE_WEBHOOK_SECRET__EU": SECRETS["eu"],
    "STRIPE_WEBHOOK_SECRET__US": SECRETS["us"],
    "STRIPE_ACCOUNT__US": "acct_us",
    "STRIPE_LIVEMODE__EU": "true",
}
OTHERS = [(signer, path) for signer in SECRETS for path in PATHS if signer != path]

BODY = event_body("customer.created", customer())


@pytest.fixture(scope="module", params=[FASTPATH, FLASK_UNDER_GUNICORN], ids=["fast path", "Flask"])
def receiver(
    request: pytest.FixtureRequest,
    valkey_server: RunningServer[Valkey],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[RunningReceiver]:
    log = tmp_path_factory.mktemp("receiver") / "log"
    running = RunningReceiver(valkey_server.url, log, request.param, **ENVIRONMENT)
    running.await_answer()
    yield running
    running.end()


@pytest.fixture(autouse=True)
def _emptied(receiver: RunningReceiver) -> None:
    with redis.Redis.from_url(str(receiver.process.command.environment["REDIS_URL"])) as client:
        client.flushall()


def waiting(receiver: RunningReceiver) -> dict[str, int]:
    """How many events wait, by account."""
    accounts = {name: receiver.mailboxes.of_account(name) for name in SECRETS}
    return {name: mailboxes.status().waiting for name, mailboxes in accounts.items()}


def test_event_is_queued_for_the_account_whose_path_it_came_to(receiver: RunningReceiver) -> None:
    body = event_body("customer.created", customer(), livemode=True)
    answer = receiver.ask(Request(body, target=PATHS["eu"], secret=SECRETS["eu"]))
    assert answer.outcome == (200, "queued")
    assert waiting(receiver) == {"default": 0, "eu": 1, "us": 0}


def test_same_event_at_two_accounts_is_queued_for_both(receiver: RunningReceiver) -> None:
    us = event_body("customer.created", customer(), account="acct_us")
    assert receiver.ask(Request(BODY)).outcome == (200, "queued")
    assert receiver.ask(Request(us, target=PATHS["us"], secret=SECRETS["us"])).outcome == (200, "queued")
    assert waiting(receiver) == {"default": 1, "eu": 0, "us": 1}


@pytest.mark.parametrize(("signer", "path"), OTHERS)
def test_event_that_another_accounts_secret_signed_is_refused(
    receiver: RunningReceiver, signer: str, path: str
) -> None:
    answer = receiver.ask(Request(BODY, target=PATHS[path], secret=SECRETS[signer]))
    assert answer.error == (400, "signature_invalid")
    assert waiting(receiver) == {"default": 0, "eu": 0, "us": 0}


def test_each_account_keeps_out_what_is_not_its_own(receiver: RunningReceiver) -> None:
    test_mode = receiver.ask(Request(BODY, target=PATHS["eu"], secret=SECRETS["eu"]))
    nameless = receiver.ask(Request(BODY, target=PATHS["us"], secret=SECRETS["us"]))
    assert [test_mode.outcome, nameless.outcome] == [(200, "ignored"), (200, "ignored")]
    assert waiting(receiver) == {"default": 0, "eu": 0, "us": 0}


@pytest.mark.parametrize("path", ["/webhooks/stripe/asia", "/webhooks/stripe/EU", "/webhooks/stripe/default"])
def test_nothing_is_at_the_path_of_an_account_that_is_not_named(receiver: RunningReceiver, path: str) -> None:
    answer = receiver.ask(Request(BODY, target=path, secret=SECRETS["default"]))
    assert answer.error == (404, "not_found")


def test_metrics_say_whose_they_are(receiver: RunningReceiver) -> None:
    queued = 'cogento_webhook_requests_total{account="us",outcome="queued"}'
    before = receiver.metric(queued)
    us = event_body("customer.created", customer(), account="acct_us")
    receiver.ask(Request(us, target=PATHS["us"], secret=SECRETS["us"]))
    assert receiver.metric(queued) == before + 1
    assert receiver.metric('cogento_queue_events{account="us"}') == 1
    assert receiver.metric('cogento_queue_events{account="eu"}') == 0


def test_log_says_whose_signature_was_refused(receiver: RunningReceiver) -> None:
    receiver.ask(Request(BODY, target=PATHS["eu"], secret=SECRETS["us"]))
    wait_until(lambda: bool(receiver.lines("signature_refused")), what="the line of the log")
    assert any('"account_name": "eu"' in line for line in receiver.lines("signature_refused"))


def test_what_keeps_one_accounts_events_out_is_noted_for_it_alone(receiver: RunningReceiver) -> None:
    receiver.ask(Request(BODY, target=PATHS["eu"], secret=SECRETS["eu"]))
    eu = receiver.mailboxes.of_account("eu").fence_notes
    wait_until(lambda: eu.everything_kept_out() is not None, what="what was kept out")
    assert receiver.mailboxes.fence_notes.everything_kept_out() is None


def test_account_without_a_secret_ends_the_receiver_with_one_sentence(
    valkey_server: RunningServer[Valkey], tmp_path_factory: pytest.TempPathFactory
) -> None:
    log = tmp_path_factory.mktemp("refused") / "log"
    refused = RunningReceiver(
        valkey_server.url, log, FASTPATH, start_from_nothing, STRIPE_ACCOUNTS="default,eu"
    )
    wait_until(lambda: refused.process.exit_code() is not None, what="the receiver to end")
    assert refused.process.exit_code() == 78
    assert "cogento: STRIPE_WEBHOOK_SECRET__EU is not set; docs/settings.md" in log.read_text()
    refused.stop()
