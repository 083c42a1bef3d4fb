"""The class of errors without a server's SQLSTATE; in the integration tests a real server raises those with one."""

from __future__ import annotations

import socket

import asyncpg
import pytest

from cogento.events.errors import (
    DependencyUnavailableError,
    OtherReleaseError,
    PermanentError,
    TransientError,
)
from cogento.events.letters import LetterReason
from cogento.retries import FailureClass
from cogento.store.errors import (
    LedgerRacedError,
    PostgresRefusedError,
    PostgresSilentError,
    PostgresUnavailableError,
    as_refusal,
    classify,
    code_of,
    refusals_named,
    says_away,
    sqlstate,
)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (PostgresUnavailableError("away"), FailureClass.INFRASTRUCTURE),
        (DependencyUnavailableError("anything else that is away"), FailureClass.INFRASTRUCTURE),
        (ConnectionRefusedError("refused"), FailureClass.INFRASTRUCTURE),
        (ConnectionResetError("reset"), FailureClass.INFRASTRUCTURE),
        (socket.gaierror("no such host"), FailureClass.INFRASTRUCTURE),
        (TimeoutError("connect, acquire or command"), FailureClass.INFRASTRUCTURE),
        (asyncpg.ConnectionDoesNotExistError("lost in mid-statement"), FailureClass.INFRASTRUCTURE),
        (asyncpg.OutdatedSchemaCacheError("a type changed"), FailureClass.CONTENTION),
        (LedgerRacedError("settled meanwhile"), FailureClass.CONTENTION),
        (OtherReleaseError("newer"), FailureClass.OTHER_RELEASE),
        (TransientError("later"), FailureClass.TRANSIENT),
        (PermanentError(LetterReason.MALFORMED, "never"), FailureClass.PERMANENT),
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


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (asyncpg.DeadlockDetectedError, FailureClass.CONTENTION),
        (asyncpg.SerializationError, FailureClass.CONTENTION),
        (asyncpg.LockNotAvailableError, FailureClass.CONTENTION),
        (asyncpg.InvalidCachedStatementError, FailureClass.CONTENTION),
        (asyncpg.UniqueViolationError, FailureClass.CONTENTION),
        (asyncpg.AdminShutdownError, FailureClass.INFRASTRUCTURE),
        (asyncpg.CrashShutdownError, FailureClass.INFRASTRUCTURE),
        (asyncpg.CannotConnectNowError, FailureClass.INFRASTRUCTURE),
        (asyncpg.ConnectionFailureError, FailureClass.INFRASTRUCTURE),
        (asyncpg.TooManyConnectionsError, FailureClass.INFRASTRUCTURE),
        (asyncpg.DiskFullError, FailureClass.INFRASTRUCTURE),
        (asyncpg.OutOfMemoryError, FailureClass.INFRASTRUCTURE),
        (asyncpg.ReadOnlySQLTransactionError, FailureClass.INFRASTRUCTURE),
        (asyncpg.IdleInTransactionSessionTimeoutError, FailureClass.INFRASTRUCTURE),
        (asyncpg.InvalidPasswordError, FailureClass.INFRASTRUCTURE),
        (asyncpg.InsufficientPrivilegeError, FailureClass.INFRASTRUCTURE),
        (asyncpg.UndefinedTableError, FailureClass.INFRASTRUCTURE),
        (asyncpg.UndefinedColumnError, FailureClass.INFRASTRUCTURE),
        (asyncpg.QueryCanceledError, FailureClass.TRANSIENT),
        (asyncpg.NotNullViolationError, FailureClass.PERMANENT),
        (asyncpg.ForeignKeyViolationError, FailureClass.PERMANENT),
        (asyncpg.CheckViolationError, FailureClass.PERMANENT),
        (asyncpg.StringDataRightTruncationError, FailureClass.PERMANENT),
        (asyncpg.NumericValueOutOfRangeError, FailureClass.PERMANENT),
        (asyncpg.CharacterNotInRepertoireError, FailureClass.PERMANENT),
        (asyncpg.InvalidTextRepresentationError, FailureClass.PERMANENT),
        (asyncpg.UntranslatableCharacterError, FailureClass.PERMANENT),
        (asyncpg.StatementTooComplexError, FailureClass.PERMANENT),
        (asyncpg.PostgresSyntaxError, FailureClass.BUG),
        (asyncpg.AmbiguousColumnError, FailureClass.BUG),
    ],
    ids=lambda value: getattr(value, "__name__", str(value)),
)
def test_the_class_of_a_named_error_of_the_driver(
    kind: type[asyncpg.PostgresError], expected: FailureClass
) -> None:
    assert classify(kind("x")) is expected


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (asyncpg.ReadOnlySQLTransactionError("standby"), True),
        (asyncpg.CannotConnectNowError("starting"), True),
        (ConnectionRefusedError("refused"), True),
        (PostgresSilentError("no answer in time"), True),
        (PostgresUnavailableError("cut"), False),
        (asyncpg.ConnectionDoesNotExistError("cut"), False),
        (asyncpg.TooManyConnectionsError("full"), False),
        (TimeoutError("slow"), False),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else str(value),
)
def test_which_single_errors_prove_that_postgres_is_away(error: Exception, expected: object) -> None:
    assert says_away(error) is expected


def test_an_error_is_named_by_its_sqlstate_or_its_type() -> None:
    assert [code_of(asyncpg.DiskFullError("x")), code_of(KeyError("x"))] == ["53100", "KeyError"]


def test_the_sqlstate_of_an_error_is_told_and_others_have_none() -> None:
    assert sqlstate(asyncpg.DeadlockDetectedError("x")) == "40P01"
    assert sqlstate(KeyError("x")) is None


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (asyncpg.InvalidPasswordError("x"), "28P01"),
        (asyncpg.InvalidAuthorizationSpecificationError("x"), "28000"),
        (asyncpg.InvalidCatalogNameError("x"), "3D000"),
        (asyncpg.InsufficientPrivilegeError("x"), "42501"),
        (asyncpg.InvalidParameterValueError("timezone"), "22023"),
        (asyncpg.UndefinedObjectError("unrecognized configuration parameter"), "42704"),
        (asyncpg.ProtocolViolationError("unsupported startup parameter: geqo"), "22023"),
        (asyncpg.ProtocolViolationError("password authentication failed"), "28P01"),
        (asyncpg.ProtocolViolationError('role "x" does not exist'), "28000"),
        (asyncpg.ProtocolViolationError("no such database: x"), "3D000"),
        (asyncpg.ClientConfigurationError("sslmode"), "ClientConfigurationError"),
        (ValueError("port"), "ValueError"),
        (UnicodeError("label too long"), "UnicodeError"),
        (KeyError("x"), "KeyError"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else str(value),
)
def test_a5_what_no_connection_can_be_made_with_is_a_refusal_and_no_event_s_fault(
    error: Exception, code: str
) -> None:
    refused = as_refusal(error)
    assert isinstance(refused, PostgresRefusedError)
    assert f"({code})" in str(refused)
    assert classify(refused) is FailureClass.INFRASTRUCTURE


@pytest.mark.parametrize(
    "error",
    [
        ConnectionRefusedError("refused"),
        TimeoutError("slow"),
        asyncpg.TooManyConnectionsError("full"),
        asyncpg.CannotConnectNowError("starting"),
        asyncpg.ProtocolViolationError("server login has been failing"),
        PostgresSilentError("no answer"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a10_what_passes_is_no_refusal(error: Exception) -> None:
    assert as_refusal(error) is error


def test_an_error_that_is_raised_as_it_is_does_not_become_its_own_cause() -> None:
    with pytest.raises(ConnectionRefusedError) as raised, refusals_named():
        raise ConnectionRefusedError
    assert raised.value.__cause__ is None


def test_a5_a_time_limit_that_ends_the_setting_up_of_a_session_is_no_event_s_fault() -> None:
    kept_away = as_refusal(asyncpg.QueryCanceledError("statement timeout"))
    assert type(kept_away) is PostgresUnavailableError
    assert classify(kept_away) is FailureClass.INFRASTRUCTURE
