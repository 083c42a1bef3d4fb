"""`cogento status --check` tells ALERT_WEBHOOK_URL what has changed since the last check."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from cogento.settings import EX_CONFIG
from tests.support import builders
from tests.support.listeners import Webhook, listening

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.integration.console.conftest import Run
    from tests.support.stores import Happened


@pytest.fixture
def webhook(monkeypatch: pytest.MonkeyPatch) -> Iterator[Webhook]:
    with listening(Webhook()) as told:
        monkeypatch.setenv("ALERT_WEBHOOK_URL", told.url)
        monkeypatch.setenv("STRIPE_LIVEMODE", "true")
        yield told


def test_every_check_says_what_is_wrong_and_the_webhook_hears_it_once(
    run: Run, waiting: Happened, webhook: Webhook
) -> None:
    waiting("customer.created", builders.customer())
    ended = [run("status", "--check").exit_code for _ in range(2)]
    assert ended == [2, 2]
    assert webhook.told == [("no worker", "firing")]
    assert webhook.messages[0]["deployment"] == "Cogento live"


def test_webhook_that_does_not_answer_changes_nothing_about_the_check(
    run: Run, waiting: Happened, webhook: Webhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cogento.console.alerting.PAUSES_SECONDS", (0.0,))
    webhook.server_close()
    waiting("customer.created", builders.customer())
    checked = run("status", "--check", "--json")
    assert checked.exit_code == 2
    assert json.loads(checked.stdout)["level"] == "critical"
    assert "alert_not_sent" in checked.stderr


def test_status_without_check_tells_nobody(run: Run, waiting: Happened, webhook: Webhook) -> None:
    waiting("customer.created", builders.customer())
    run("status")
    assert webhook.told == []


def test_address_that_cannot_be_used_is_said_without_it(
    run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ALERT_WEBHOOK_URL", "hooks.example/services/secret")
    assert run("status", "--check").exit_code == 3
    checked = run("console", "--local")
    assert checked.exit_code == EX_CONFIG
    assert "secret" not in checked.output
