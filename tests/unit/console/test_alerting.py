"""Alerts to a webhook: each once when it begins and once when it is over, by whichever process."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import fakeredis
import pytest
from structlog.testing import capture_logs

from cogento.console.alerting import HOLD_SECONDS, PAUSES_SECONDS, Alerts, AlertWebhook
from cogento.console.attention import Attention, Seen, judge
from cogento.queue.alerts import SentAlerts
from cogento.queue.keys import tags
from tests.support.fake_redis import client_on
from tests.support.figures import letters, queue_figures, table_figures, worker, workforce
from tests.support.listeners import Webhook, listening

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    Make = Callable[..., Alerts]

QUEUE, TABLES = queue_figures(), table_figures()


def lines(**seen: object) -> Sequence[Attention]:
    return judge(Seen(**{"queue": QUEUE, "tables": TABLES, **seen})).lines  # type: ignore[arg-type]


WELL = lines()
NO_WORKER = lines(queue=replace(QUEUE, workforce=workforce(worker(is_alive=False))))
REDIS_AWAY = lines(queue=None)
POSTGRES_AWAY = lines(tables=None)


class Clock:
    """A clock that the test moves."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    with listening(Webhook()) as told:
        yield told


@pytest.fixture
def server() -> fakeredis.FakeServer:
    return fakeredis.FakeServer()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def slept() -> list[float]:
    return []


@pytest.fixture
def make(webhook: Webhook, server: fakeredis.FakeServer, clock: Clock, slept: list[float]) -> Make:
    def make_one(*, hold_seconds: float = 0) -> Alerts:
        sent = SentAlerts(client_on(fakeredis.FakeRedis(server=server)), tags(1)[0])
        return Alerts(
            AlertWebhook(webhook.url, sleep=slept.append),
            sent,
            deployment="Cogento live",
            hold_seconds=hold_seconds,
            clock=clock,
        )

    return make_one


def test_what_begins_and_ends_is_told_once_each(make: Make, webhook: Webhook) -> None:
    alerts = make()
    for seen in (WELL, NO_WORKER, NO_WORKER, WELL, WELL):
        alerts.update(seen)
    assert webhook.told == [("no worker", "firing"), ("no worker", "resolved")]


def test_message_is_one_that_slack_takes_and_says_what_is_wrong(make: Make, webhook: Webhook) -> None:
    make().update(NO_WORKER)
    (message,) = webhook.messages
    assert message == {
        "text": "Cogento live, no worker (needs attention): No worker is running. Events are still received and queued.",
        "alert": "no worker",
        "status": "firing",
        "summary": "No worker is running. Events are still received and queued.",
        "deployment": "Cogento live",
    }
    assert webhook.targets == ["/services/T0/B0?key=secret"]


def test_another_process_or_the_same_one_started_anew_tells_nothing_twice(
    make: Make, webhook: Webhook
) -> None:
    make().update(NO_WORKER)
    make().update(NO_WORKER)
    make().update(WELL)
    make().update(WELL)
    assert webhook.told == [("no worker", "firing"), ("no worker", "resolved")]


def test_what_comes_and_goes_within_the_minute_wakes_nobody(
    make: Make, webhook: Webhook, clock: Clock
) -> None:
    alerts = make(hold_seconds=HOLD_SECONDS)
    for seconds, seen in ((0, NO_WORKER), (59, NO_WORKER), (60, WELL), (61, NO_WORKER), (120, NO_WORKER)):
        clock.now = seconds
        alerts.update(seen)
    assert webhook.told == []
    clock.now = 121
    alerts.update(NO_WORKER)
    assert webhook.told == [("no worker", "firing")]


def test_what_is_over_for_a_moment_is_not_over(make: Make, webhook: Webhook, clock: Clock) -> None:
    make().update(NO_WORKER)
    alerts = make(hold_seconds=HOLD_SECONDS)
    for seconds, seen in ((0, WELL), (59, WELL), (60, NO_WORKER), (61, WELL), (120, WELL)):
        clock.now = seconds
        alerts.update(seen)
    assert webhook.told == [("no worker", "firing")]
    clock.now = 121
    alerts.update(WELL)
    assert webhook.told == [("no worker", "firing"), ("no worker", "resolved")]


def test_more_of_the_same_is_no_new_alert(make: Make, webhook: Webhook) -> None:
    alerts = make()
    for removals in (1, 2, 1):
        alerts.update(lines(tables=replace(TABLES, letters=(letters(3, removals=removals),))))
    assert webhook.told == [("access not removed", "firing")]


def test_what_can_wait_until_morning_is_not_sent(make: Make, webhook: Webhook) -> None:
    make().update(lines(tables=replace(TABLES, letters=(letters(30),))))
    assert webhook.told == []


def test_what_a_server_that_is_away_would_tell_is_not_over(make: Make, webhook: Webhook) -> None:
    alerts = make()
    alerts.update(NO_WORKER)
    alerts.update(REDIS_AWAY)
    assert webhook.told == [("no worker", "firing"), ("Redis", "firing")]
    alerts.update(NO_WORKER)
    assert webhook.told[2:] == [("Redis", "resolved")]


def test_one_server_may_come_back_while_the_other_is_away(make: Make, webhook: Webhook) -> None:
    alerts = make()
    alerts.update(POSTGRES_AWAY)
    alerts.update(REDIS_AWAY)
    assert webhook.told == [("PostgreSQL", "firing"), ("PostgreSQL", "resolved"), ("Redis", "firing")]


def test_without_redis_a_process_tells_each_once_by_itself(
    make: Make, webhook: Webhook, server: fakeredis.FakeServer
) -> None:
    alerts = make()
    server.connected = False
    alerts.update(REDIS_AWAY)
    alerts.update(REDIS_AWAY)
    server.connected = True
    alerts.update(WELL)
    alerts.update(WELL)
    assert webhook.told == [("Redis", "firing"), ("Redis", "resolved")]


def test_what_was_sent_is_known_while_redis_is_away(
    make: Make, webhook: Webhook, server: fakeredis.FakeServer
) -> None:
    alerts = make()
    alerts.update(NO_WORKER)
    server.connected = False
    alerts.update(NO_WORKER)
    assert webhook.told == [("no worker", "firing")]


def test_delivery_is_tried_again_and_told_once(make: Make, webhook: Webhook, slept: list[float]) -> None:
    webhook.answers = [503, 500]
    make().update(NO_WORKER)
    assert webhook.told == [("no worker", "firing")]
    assert slept == [0.0, *PAUSES_SECONDS]


def test_alert_that_nobody_took_is_tried_at_the_next_look(make: Make, webhook: Webhook) -> None:
    webhook.answers = [503] * 3
    alerts = make()
    with capture_logs() as logs:
        alerts.update(NO_WORKER)
    assert webhook.told == []
    (line,) = (line for line in logs if line["event"] == "alert_not_sent")
    assert (line["alert"], line["problem"]) == ("no worker", "HTTP 503")
    assert "secret" not in str(logs)
    make().update(NO_WORKER)
    assert webhook.told == [("no worker", "firing")]


def test_address_that_does_not_answer_is_no_mistake_of_ours(make: Make, webhook: Webhook) -> None:
    webhook.server_close()
    with capture_logs() as logs:
        make().update(NO_WORKER)
    assert [line["problem"] for line in logs if line["event"] == "alert_not_sent"] == [
        "ConnectionRefusedError"
    ]
