"""The Flask view without the fast path, under other servers: the same bad inputs, the same answers."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.support.bad_inputs import BEFORE, GOOD
from tests.support.receiver_contract import (
    OF_THE_SERVER,
    SCRIPT_NAME,
    BlueprintContract,
    ReceiverContract,
    rows,
)
from tests.support.running_receiver import FLASK_ALONE, FLASK_UNDER_GUNICORN, MOUNTED, RunningReceiver
from tests.support.servers import wait_until
from tests.support.wire import event_request

if TYPE_CHECKING:
    from pathlib import Path

    from cogento.local.valkey import Valkey
    from tests.support.servers import RunningServer
    from tests.support.wire import Request

FENCE = "{cogento:0}:fence"


class WsgiContract(BlueprintContract):
    times = 100
    within_seconds = 10  # a WSGI server reads long bodies in its own time

    def test_two_signatures_count_as_one_list(self, receiver: RunningReceiver) -> None:
        forged = self.at(replace(GOOD, signature="t={t},v1=" + "0" * 64))
        beside = self.at(replace(BEFORE, headers=(f"Stripe-Signature: v1={'0' * 64}",)))
        twice = replace(forged, headers=(f"Stripe-Signature: v1={'1' * 64}",))
        assert receiver.ask(twice).error == (400, "signature_invalid")
        assert receiver.ask(beside).outcome == (200, "duplicate")


class TestUnderGunicorn(WsgiContract, ReceiverContract):
    program = FLASK_UNDER_GUNICORN

    @pytest.mark.usefixtures("untouched")
    @pytest.mark.parametrize(("request_", "status", "code"), rows(*OF_THE_SERVER))
    def test_what_gunicorn_refuses_by_itself_is_stored_neither(
        self, receiver: RunningReceiver, request_: Request | bytes, status: int, code: str
    ) -> None:
        answer = receiver.ask(request_)
        assert 400 <= answer.status < 600, status
        assert code not in answer.body.decode()

    @pytest.mark.usefixtures("untouched")
    def test_b2_two_slashes_are_no_address(self, receiver: RunningReceiver) -> None:
        assert receiver.ask(replace(GOOD, target="//webhooks/stripe")).error == (404, "not_found")

    @pytest.mark.usefixtures("untouched")
    def test_b22_a_client_on_this_machine_may_say_where_the_application_begins(
        self, receiver: RunningReceiver
    ) -> None:
        assert receiver.ask(replace(GOOD, headers=(SCRIPT_NAME,))).error == (404, "not_found")


class TestFlasksOwnServer(WsgiContract, ReceiverContract):
    program = FLASK_ALONE

    def test_b2_two_slashes_are_one(self, receiver: RunningReceiver) -> None:
        assert receiver.ask(replace(BEFORE, target="//webhooks/stripe")).outcome == (200, "duplicate")

    def test_b22_nobody_says_where_the_application_begins(self, receiver: RunningReceiver) -> None:
        assert receiver.ask(replace(BEFORE, headers=(SCRIPT_NAME,))).outcome == (200, "duplicate")


class TestMounted(WsgiContract):
    """The blueprint in tests/support/shop.py, an application of ten lines."""

    program = MOUNTED
    address = "/billing/webhooks/stripe"


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
