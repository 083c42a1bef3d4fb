"""I8: nothing that leaves us contains a secret or a person's data, even where an error quotes them.

Unique persons and secrets, made for this test, go through every kind of failure: the database's errors quote rows, an event is
malformed, the receiver has a bug. Then logs, error reports, metrics and lists of dead letters are searched for all of them.
"""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.request import Request as Asking
from urllib.request import urlopen

import psycopg
import pytest

from cogento.events.names import CustomerId
from cogento.local.ports import LOCALHOST, free_port, is_free
from cogento.local.process import Command, Process
from cogento.local.services import ROOT
from tests.support.builders import SECRET, Json, customer, event_body
from tests.support.canaries import leaks, passwords
from tests.support.listeners import Sentry, listening
from tests.support.servers import wait_until
from tests.support.wire import UNSIGNED, Request

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.support.checker import Checker
    from tests.support.post import Post
    from tests.support.running_receiver import RunningReceiver
    from tests.support.running_worker import RunningWorker

METRICS_TOKEN = "canary-token-of-metrics"
KEY = "rk_test_canary0of0the0api"
ROLES = ("well", "refused", "bug", "odd", "forged", "unlucky")
ACCEPTED = [f"evt_{role}" for role in ROLES[:4]]
COMPLAIN = """
CREATE FUNCTION complain() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'a row of % (%)', NEW.name, NEW.stripe_email
    USING ERRCODE = CASE NEW.stripe_customer_id WHEN 'cus_refused' THEN '23514' ELSE 'P0001' END, DETAIL = NEW;
END$$;
CREATE TRIGGER complain BEFORE INSERT ON users
FOR EACH ROW WHEN (NEW.stripe_customer_id IN ('cus_refused', 'cus_bug')) EXECUTE FUNCTION complain();
"""


def person(role: str, **fields: object) -> Json:
    """A person whose address, name and number are unique."""
    number = f"+1555000{ROLES.index(role):04}"
    return customer(
        f"cus_{role}",
        **{
            "email": f"{role}.canary@example.com",
            "name": f"Jürgen {role.title()}",
            "phone": number,
            **fields,
        },
    )


PERSONS = {str(person(role)[field]) for role in ROLES for field in ("email", "name", "phone")}


def webhook(role: str, **changes: Any) -> Request:
    object_ = person(role, metadata=[]) if role == "odd" else person(role)
    return Request(event_body("customer.updated", object_, id_=f"evt_{role}"), **changes)


def is_settled(post: Post) -> bool:
    """End the waits of all customers, and tell whether the ledger has everything."""
    post.mailboxes.replay(CustomerId("cus_bug"))
    return post.ledger().keys() == set(ACCEPTED)


@dataclass(frozen=True)
class Suspect:
    """Everything that runs, and the servers to which it reports."""

    receiver: RunningReceiver
    buggy_receiver: RunningReceiver
    worker: RunningWorker
    console_port: int
    environment: dict[str, str]
    sentry: Sentry

    def secrets(self) -> set[str]:
        return {SECRET, KEY, METRICS_TOKEN, *passwords(self.environment["DATABASE_URL"])}

    def metrics(self) -> bytes:
        """Ask the receiver and the console."""
        asked = self.receiver.get("/metrics", f"Authorization: Bearer {METRICS_TOKEN}")
        assert asked.status == 200
        return asked.body + self._console_metrics()

    def listed_letters(self) -> bytes:
        """List them, as people and as programs read them."""
        words = ((), ("--json",), ("--each", "--json"))
        return b"".join(self._typed("letters", "list", *options) for options in words)

    def _console_metrics(self) -> bytes:
        url = f"http://{LOCALHOST}:{self.console_port}/metrics"
        bearing = {"Authorization": f"Bearer {METRICS_TOKEN}"}
        with urlopen(Asking(url, headers=bearing), timeout=10) as answer:
            content: bytes = answer.read()
        return content

    def _typed(self, *words: str) -> bytes:
        command = (sys.executable, "-m", "cogento", *words)
        return subprocess.run(
            command, env=os.environ | self.environment, cwd=ROOT, capture_output=True, check=True, timeout=60
        ).stdout


@pytest.fixture
def suspect(
    start_receiver: Callable[..., RunningReceiver],
    start_worker: Callable[..., RunningWorker],
    database_url: str,
    redis_url: str,
    tmp_path: Path,
) -> Iterator[Suspect]:
    """A deployment whose database takes any password, and the servers to which it reports errors."""
    port = free_port()
    with listening(Sentry()) as sentry:
        told = {"SENTRY_DSN": sentry.dsn, "LOG_LEVEL": "DEBUG", "METRICS_TOKEN": METRICS_TOKEN}
        stores = {"DATABASE_URL": database_url.replace("@", ":canary-password@"), "REDIS_URL": redis_url}
        asking = {"STRIPE_API_KEY": KEY, "STRIPE_API_BASE": "http://127.0.0.1:9"}
        argv = (sys.executable, "-m", "cogento", "console", "--local", "--port", str(port))
        log = tmp_path / "console.log"
        console = Process(Command(argv=argv, log=log, environment=told | stores, folder=ROOT))
        wait_until(lambda: not is_free(port), what="the console to listen", seconds=30)
        yield Suspect(
            receiver=start_receiver(**told),
            buggy_receiver=start_receiver(**told, FAILPOINTS="before_enqueue=raise:RuntimeError"),
            worker=start_worker(**told, **stores, **asking),
            console_port=port,
            environment=told | stores,
            sentry=sentry,
        )
        console.kill()


def test_i8_no_log_no_metric_no_error_report_and_no_list_of_letters_tells_who_somebody_is_or_a_secret(
    post: Post, checker: Checker, suspect: Suspect
) -> None:
    with psycopg.connect(post.database_url, autocommit=True) as connection:
        connection.execute(COMPLAIN.encode())
    assert suspect.buggy_receiver.ask(webhook("unlucky")).status == 500
    assert suspect.receiver.ask(webhook("forged", signature=UNSIGNED)).status == 400
    answers = [suspect.receiver.ask(webhook(role)) for role in ROLES[:4]]
    assert {answer.status for answer in answers} == {200}
    wait_until(lambda: is_settled(post), what="everything to be settled", seconds=30)
    wait_until(lambda: len(suspect.sentry.envelopes) >= 2, what="both mistakes to be reported", seconds=20)

    outlets = {
        "letters": suspect.listed_letters(),
        "metrics": suspect.metrics(),
        "Sentry": "".join(suspect.sentry.envelopes).encode(),
        **{log.name: log.read_bytes() for log in checker.logs()},
    }
    told = [
        (outlet, one)
        for outlet, content in outlets.items()
        for one in leaks(content, secrets=suspect.secrets(), persons=PERSONS)
    ]

    assert told == []
    assert checker.judge(accepted=ACCEPTED, dead_allowed=ACCEPTED[1:], attempts_allowed=5).problems == ()
    assert b"evt_refused" in outlets["letters"]
    assert b"RuntimeError" in outlets["Sentry"]
