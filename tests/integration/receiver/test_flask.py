"""The Flask view without the fast path, under servers of others: the same bad inputs, the same answers.

What a server answers by itself, before the view sees a request, is named here and is its own.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import redis

from tests.integration.receiver.test_chunked import LAST, chunk, chunked, new_event
from tests.support.bad_inputs import (
    BEFORE,
    GOOD,
    HTTP_ROWS,
    JSON_ROWS,
    OLD_SECRET,
    QUEUED_ROWS,
    SIGNATURE_ROWS,
)
from tests.support.running_receiver import FLASK_ALONE, FLASK_UNDER_GUNICORN, MOUNTED, RunningReceiver
from tests.support.servers import wait_until
from tests.support.stripe_files import NAMES, NOT_OURS, answer_to, posted
from tests.support.wire import Request, event_request

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import Any

    from cogento.local.valkey import Valkey
    from tests.support.servers import RunningServer

WEBHOOK = {
    FLASK_UNDER_GUNICORN: "/webhooks/stripe",
    FLASK_ALONE: "/webhooks/stripe",
    MOUNTED: "/billing/webhooks/stripe",
}
FENCE = "{cogento:0}:fence"
IDS = {FLASK_UNDER_GUNICORN: "gunicorn", FLASK_ALONE: "flask", MOUNTED: "mounted"}

OF_THE_SERVER = ("B12-", "B13", "B18-", "B19-", "B20-", "B21-", "B31-1000")
"""Refused by gunicorn in its own words, which are HTML: what is no HTTP, says two lengths, or is too long in its head."""
JOINED = ("B24-two", "B24-two-that-make-one")
"""WSGI joins headers of one name, so that two signatures are one list: it holds what Stripe signed, or it does not."""


def rows(*lists: list[Any], but: tuple[str, ...] = ()) -> list[Any]:
    return [row for rows_ in lists for row in rows_ if not row.id.startswith(but or ("-",))]


@pytest.fixture(scope="module", params=list(WEBHOOK), ids=list(IDS.values()))
def receiver(
    request: pytest.FixtureRequest,
    valkey_server: RunningServer[Valkey],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[RunningReceiver]:
    """One receiver for all rows."""
    with redis.Redis.from_url(valkey_server.url) as client:
        client.flushall()
    log = tmp_path_factory.mktemp("receiver") / "log"
    running = RunningReceiver(
        valkey_server.url, log, request.param, STRIPE_WEBHOOK_SECRET=f"{BEFORE.secret},{OLD_SECRET}"
    )
    running.await_answer()
    yield running
    running.stop()


@pytest.fixture
def address(request: pytest.FixtureRequest, receiver: RunningReceiver) -> str:
    """Where this receiver takes webhooks."""
    return WEBHOOK[request.node.callspec.params["receiver"]]


@pytest.mark.parametrize(
    ("request_", "status", "code"), rows(SIGNATURE_ROWS, JSON_ROWS, but=(*OF_THE_SERVER, *JOINED))
)
def test_what_no_secret_signed_or_is_no_event_is_refused_and_nothing_is_stored(
    receiver: RunningReceiver, address: str, request_: Request, status: int, code: str
) -> None:
    before = receiver.digest()
    assert receiver.ask(replace(request_, target=address)).error == (status, code)
    assert receiver.digest() == before


@pytest.mark.parametrize(("id_", "body"), QUEUED_ROWS)
def test_what_is_signed_is_queued_byte_for_byte(
    receiver: RunningReceiver, address: str, id_: str, body: bytes
) -> None:
    assert receiver.ask(Request(body, target=address)).json == {"status": "queued", "event": id_}
    assert receiver.stored_body(id_) == body


def test_t12_a_chunked_event_is_taken_without_the_fast_path(receiver: RunningReceiver, address: str) -> None:
    id_, body = new_event()
    sent = chunk(body[:100]) + chunk(body[100:]) + LAST
    answer = receiver.ask(replace(chunked(body, sent), target=address))
    assert answer.outcome == (200, "queued")
    assert receiver.stored_body(id_) == body


@pytest.mark.parametrize("name", NAMES)
def test_recorded_payloads_are_answered_as_a_person_reads_them(
    receiver: RunningReceiver, address: str, name: str
) -> None:
    answer = receiver.ask(Request(posted(name), target=address))
    assert answer.status == answer_to(name)[0], answer.body


@pytest.mark.parametrize("name", NOT_OURS)
def test_recorded_payloads_of_others_are_ignored(receiver: RunningReceiver, address: str, name: str) -> None:
    assert receiver.ask(Request(posted(name), target=address)).outcome == answer_to(name)


@pytest.mark.parametrize("receiver", [FLASK_UNDER_GUNICORN], ids=["gunicorn"], indirect=True)
@pytest.mark.parametrize(("request_", "status", "code"), rows(HTTP_ROWS, but=OF_THE_SERVER))
def test_requests_that_the_view_refuses_it_refuses_as_the_fast_path_does(
    receiver: RunningReceiver, request_: Request, status: int, code: str
) -> None:
    before = receiver.digest()
    assert receiver.ask(request_).error == (status, code)
    assert receiver.digest() == before


@pytest.mark.parametrize("receiver", [FLASK_UNDER_GUNICORN], ids=["gunicorn"], indirect=True)
@pytest.mark.parametrize(
    ("request_", "status", "code"),
    [row for row in rows(HTTP_ROWS, SIGNATURE_ROWS) if row.id.startswith(OF_THE_SERVER)],
)
def test_what_gunicorn_refuses_by_itself_is_stored_neither(
    receiver: RunningReceiver, request_: Request | bytes, status: int, code: str
) -> None:
    before = receiver.digest()
    answer = receiver.ask(request_)
    assert 400 <= answer.status < 600, status
    assert code not in answer.body.decode()
    assert receiver.digest() == before


def test_two_signatures_count_as_one_list(receiver: RunningReceiver, address: str) -> None:
    forged = replace(GOOD, target=address, signature="t={t},v1=" + "0" * 64)
    beside = replace(BEFORE, target=address, headers=(f"Stripe-Signature: v1={'0' * 64}",))
    assert receiver.ask(replace(forged, headers=(f"Stripe-Signature: v1={'1' * 64}",))).status == 400
    assert receiver.ask(beside).outcome == (200, "queued")


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_other_methods_are_told_which_one_is_right(
    receiver: RunningReceiver, address: str, method: str
) -> None:
    answer = receiver.ask(replace(GOOD, target=address, method=method))
    assert (answer.status, answer.headers["allow"]) == (405, "POST")


def test_b14_a_body_that_ends_early_is_refused(receiver: RunningReceiver, address: str) -> None:
    with receiver.connect() as connection:
        connection.send(replace(GOOD, target=address, body=b"{}", length="50").wire())
        connection.socket.shutdown(1)
        answer = connection.read()
    assert answer
    assert answer.error == (400, "body_incomplete")


def test_processes_that_gunicorn_forks_afterwards_take_events_and_note_what_the_fence_did(
    valkey_server: RunningServer[Valkey], tmp_path: Path
) -> None:
    program = (*FLASK_UNDER_GUNICORN, "--preload", "--workers", "2")
    running = RunningReceiver(valkey_server.url, tmp_path / "log", program)
    try:
        running.await_answer()
        running.redis.delete(FENCE)
        assert running.ask(event_request("evt_after_a_fork")).outcome == (200, "queued")
        wait_until(lambda: bool(running.redis.exists(FENCE)), what="the note")
    finally:
        running.stop()
