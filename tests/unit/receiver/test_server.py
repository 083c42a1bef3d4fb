"""What gunicorn's worker answers by itself; the rest of it is tested on a whole server."""

from __future__ import annotations

import json
import socket
from typing import TYPE_CHECKING

import pytest
from gevent import GreenletExit
from gunicorn.config import Config
from gunicorn.glogging import Logger
from gunicorn.http import errors
from structlog.testing import capture_logs

from receiver.server import Worker

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def worker() -> Iterator[Worker]:
    config = Config()
    config.set("errorlog", None)
    made = Worker(0, 1, [], None, 30, config, Logger(config))
    yield made
    made.tmp.close()


def said_after(worker: Worker, error: BaseException) -> bytes:
    """Return what a client that sends nothing more is told when this happens."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.shutdown(socket.SHUT_WR)
        worker.handle_error(None, ours, ("203.0.113.9", 1), error)
        ours.close()
        return theirs.makefile("rb").read()


def test_a_mistake_of_ours_is_answered_and_logged_without_its_text(worker: Worker) -> None:
    with capture_logs() as lines:
        said = said_after(worker, ZeroDivisionError("ada@example.com"))
    head, _, body = said.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 500 Internal Server Error\r\nConnection: close\r\n")
    assert json.loads(body)["error"]["code"] == "internal_error"
    assert b"ada@example.com" not in said
    assert [line["event"] for line in lines] == ["request_failed"]


def test_what_is_no_http_is_answered_and_logged_without_a_quotation(worker: Worker) -> None:
    with capture_logs() as lines:
        said = said_after(worker, errors.InvalidRequestLine("ada@example.com"))
    assert said.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert lines == [
        {
            "event": "request_refused",
            "log_level": "warning",
            "count": 1,
            "code": "bad_request",
            "flaw": "InvalidRequestLine",
        }
    ]
    assert b"ada@example.com" not in said


def test_a_connection_that_is_told_to_end_says_nothing(worker: Worker) -> None:
    assert said_after(worker, GreenletExit()) == b""
