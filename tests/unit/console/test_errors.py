"""Messages for failures that people can do something about."""

from __future__ import annotations

import asyncpg
import pytest

from cogento.console.errors import Failure, friendly_errors, postgres_problem
from cogento.events.errors import OtherReleaseError, TransientError
from cogento.store.errors import PostgresRefusedError, PostgresUnavailableError


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            OtherReleaseError("evidence"),
            "A newer release wrote rows that this one cannot read. Use that release.",
        ),
        (TransientError("busy"), "PostgreSQL is busy with something that stands in the way. Try again."),
    ],
)
def test_a_failure_says_what_to_do(error: Exception, said: str) -> None:
    with pytest.raises(Failure) as failure, friendly_errors():
        raise error

    assert failure.value.message == said


def _too_large() -> asyncpg.DataError:
    """What the driver raises for a number that it cannot send."""
    error = asyncpg.DataError("invalid input for query argument $1: 9223372036854775808")
    error.__cause__ = OverflowError("value out of int64 range")
    return error


@pytest.mark.parametrize(
    "error",
    [asyncpg.NumericValueOutOfRangeError("x"), asyncpg.DatetimeFieldOverflowError("x"), _too_large()],
)
def test_a_number_out_of_range_is_not_called_a_character(error: Exception) -> None:
    with pytest.raises(Failure) as failure, friendly_errors():
        raise error

    assert (
        failure.value.message
        == "What was asked for has a number or a time that is beyond what the tables can have."
    )
    assert failure.value.exit_code == 2


def test_a_mistake_of_ours_keeps_its_traceback() -> None:
    with pytest.raises(KeyError), friendly_errors():
        raise KeyError("x")


@pytest.mark.parametrize(
    ("error", "trouble"),
    [
        (
            asyncpg.TooManyConnectionsError('too many connections for role "x"'),
            "too many connections for role",
        ),
        (PostgresRefusedError("PostgreSQL refuses the password."), "PostgreSQL refuses the password."),
        (asyncpg.UndefinedTableError("x"), "Run `cogento migrate`"),
        (
            asyncpg.InsufficientPrivilegeError("permission denied for table users"),
            "permission denied for table users",
        ),
    ],
)
def test_a10_what_a_server_said_that_is_there_is_told(error: Exception, trouble: str) -> None:
    assert trouble in (postgres_problem(error) or "")


@pytest.mark.parametrize(
    "error", [ConnectionRefusedError("x"), TimeoutError("x"), PostgresUnavailableError("x")]
)
def test_a10_one_that_does_not_answer_said_nothing(error: Exception) -> None:
    assert postgres_problem(error) is None
