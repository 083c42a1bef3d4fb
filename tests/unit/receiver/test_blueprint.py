"""The receiver's blueprint in an application that looks at requests before it."""

from __future__ import annotations

from operator import attrgetter, methodcaller
from typing import TYPE_CHECKING

import pytest
from flask import Flask, request

from cogento.accounts import WEBHOOK_PATH
from receiver.app import webhook_blueprint
from tests.support.builders import NOW, customer, event_body, signed_header
from tests.support.receiver_fakes import Receiver

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask import Request
    from werkzeug.test import TestResponse

    Look = Callable[[Request], object]

BODY = event_body("customer.updated", customer())


def post(receiver: Receiver, body: bytes, look: Look) -> TestResponse:
    parts = receiver.parts
    app = Flask("shop")

    @app.before_request
    def look_first() -> None:
        look(request)

    app.register_blueprint(webhook_blueprint(lambda: parts, paths=[WEBHOOK_PATH]))
    headers = {"Stripe-Signature": signed_header(BODY, timestamp=NOW)}
    return app.test_client().post(WEBHOOK_PATH, data=body, content_type="application/json", headers=headers)


LOOKS: list[Look] = [methodcaller("get_data"), attrgetter("data"), methodcaller("get_json")]


@pytest.mark.parametrize("look", LOOKS, ids=["get_data", "data", "get_json"])
def test_an_event_whose_body_was_looked_at_before_is_queued_byte_for_byte(look: Look) -> None:
    receiver = Receiver()
    assert post(receiver, BODY, look).json == {"status": "queued", "event": "evt_1"}
    assert receiver.mailbox.kept == {"evt_1": BODY}


def test_a_body_that_was_looked_at_before_has_the_same_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("receiver.reading.MAX_BODY_BYTES", len(BODY) - 1)
    assert post(Receiver(), BODY, LOOKS[0]).status_code == 413


def test_a_changed_body_that_was_looked_at_before_is_refused() -> None:
    assert post(Receiver(), BODY + b" ", LOOKS[0]).status_code == 400
