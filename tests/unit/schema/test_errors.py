"""The class of errors that carry no SQLSTATE of a server; those that do are raised by one in the integration tests."""

from __future__ import annotations

import socket

import asyncpg
import pytest

from events.errors import PermanentError, TransientError
from events.retry import FailureClass
from schema.errors import LedgerRacedError, PostgresUnavailableError, classify, sqlstate


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (PostgresUnavailableError("away"), FailureClass.INFRASTRUCTURE),
        (ConnectionRefusedError("refused"), FailureClass.INFRASTRUCTURE),
        (ConnectionResetError("reset"), FailureClass.INFRASTRUCTURE),
        (socket.gaierror("no such host"), FailureClass.INFRASTRUCTURE),
        (TimeoutError("connect, acquire or command"), FailureClass.INFRASTRUCTURE),
        (asyncpg.ConnectionDoesNotExistError("lost in mid-statement"), FailureClass.INFRASTRUCTURE),
        (asyncpg.OutdatedSchemaCacheError("a type changed"), FailureClass.CONTENTION),
        (LedgerRacedError("settled meanwhile"), FailureClass.CONTENTION),
        (TransientError("later"), FailureClass.TRANSIENT),
        (PermanentError("malformed", "never"), FailureClass.PERMANENT),
        (asyncpg.DataError("a value that the client cannot encode"), FailureClass.PERMANENT),
        (asyncpg.InterfaceError("a mistake of ours"), FailureClass.BUG),
        (AttributeError("x"), FailureClass.BUG),
        (KeyError("x"), FailureClass.BUG),
        (AssertionError("an invariant"), FailureClass.BUG),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else str(value),
)
def test_the_class_of_an_error_follows_from_its_type(error: Exception, expected: FailureClass) -> None:
    assert classify(error) is expected


def test_the_sqlstate_of_an_error_is_told_and_others_have_none() -> None:
    assert sqlstate(asyncpg.DeadlockDetectedError("x")) == "40P01"
    assert sqlstate(KeyError("x")) is None
