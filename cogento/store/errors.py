"""Postgres's errors by meaning: one table by SQLSTATE, one by type, and the class of any error.

cogento/retries.py says what follows from each class. Anything not in a table is a bug, and never guessed to be harmless.
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING

import asyncpg

from cogento.events.errors import (
    DependencyUnavailableError,
    OtherReleaseError,
    PermanentError,
    TransientError,
)
from cogento.retries import FailureClass
from cogento.tls import is_untrusted

if TYPE_CHECKING:
    from collections.abc import Iterator


class PostgresUnavailableError(DependencyUnavailableError):
    """Postgres is away, does not answer, or has no connection left; no event's fault."""


class PostgresSilentError(PostgresUnavailableError):
    """Postgres gave no connection, or no answer, within its time limit."""


class PostgresRefusedError(PostgresUnavailableError):
    """Postgres, or its driver, takes no connection as it is configured; the message says what to do, and no secret.

    `sqlstate` is what Postgres gave, if it was Postgres.
    """

    def __init__(self, message: str, *, sqlstate: str | None = None) -> None:
        super().__init__(message)
        self.sqlstate = sqlstate


class LedgerRacedError(TransientError):
    """Another transaction has settled the same event; the next run finds its outcome."""


class MigrationError(Exception):
    """The tables could not be brought up to date this time; the message says what to do."""


class MigrationRefusedError(Exception):
    """The tables cannot be brought up to date in this database; the message says what is in the way."""


BY_SQLSTATE = {
    "40001": FailureClass.CONTENTION,  # serialization failure
    "40P01": FailureClass.CONTENTION,  # deadlock
    "55P03": FailureClass.CONTENTION,  # lock not available within lock_timeout
    "0A000": FailureClass.CONTENTION,  # a plan from before a migration; the next one is fresh
    "23505": FailureClass.CONTENTION,  # two transactions made the same row: the second now finds it
    "25006": FailureClass.INFRASTRUCTURE,  # read-only: a standby, or a failover under way
    "25P03": FailureClass.INFRASTRUCTURE,  # idle in transaction for too long: the process was frozen
    "42501": FailureClass.INFRASTRUCTURE,  # a grant is missing
    "42P01": FailureClass.INFRASTRUCTURE,  # a table is missing: not migrated
    "42703": FailureClass.INFRASTRUCTURE,  # a column is missing: not migrated
    "42883": FailureClass.INFRASTRUCTURE,  # a function is missing: not migrated
    "57P01": FailureClass.INFRASTRUCTURE,  # terminated by an administrator
    "57P02": FailureClass.INFRASTRUCTURE,  # another process of the server crashed
    "57P03": FailureClass.INFRASTRUCTURE,  # starting up or shutting down
    "57P04": FailureClass.INFRASTRUCTURE,  # the database was dropped
    "57P05": FailureClass.INFRASTRUCTURE,  # idle for too long
    "25P04": FailureClass.TRANSIENT,  # the transaction took a minute: each half of the batch takes less
    "57014": FailureClass.TRANSIENT,  # statement_timeout, or cancelled by somebody
    "23502": FailureClass.PERMANENT,  # not null
    "23503": FailureClass.PERMANENT,  # foreign key
    "23514": FailureClass.PERMANENT,  # check
    "54000": FailureClass.PERMANENT,  # a value too large for an index
    "54001": FailureClass.PERMANENT,  # too complex
}
"""Exact codes; they come before the classes."""

BY_SQLSTATE_CLASS = {
    "08": FailureClass.INFRASTRUCTURE,  # connection
    "22": FailureClass.PERMANENT,  # a value that no column can hold
    "28": FailureClass.INFRASTRUCTURE,  # password rotated
    "3D": FailureClass.INFRASTRUCTURE,  # no such database
    "53": FailureClass.INFRASTRUCTURE,  # connections, memory or disk used up
    "58": FailureClass.INFRASTRUCTURE,  # the server's own disk or files
}
"""The first two characters of a code, for whole classes of one meaning."""

PROOF_OF_ABSENCE = frozenset({"25006", "57P03"})
"""Read-only, starting or shutting down: one such error is enough to stop claiming mailboxes."""

BY_TYPE = (
    (DependencyUnavailableError, FailureClass.INFRASTRUCTURE),
    (LedgerRacedError, FailureClass.CONTENTION),
    (OtherReleaseError, FailureClass.OTHER_RELEASE),
    (TransientError, FailureClass.TRANSIENT),
    (PermanentError, FailureClass.PERMANENT),
    (asyncpg.OutdatedSchemaCacheError, FailureClass.CONTENTION),  # a type changed; the cache is fresh now
    (OSError, FailureClass.INFRASTRUCTURE),  # refused, reset, no such host; TimeoutError too
)
"""Errors without SQLSTATE; the first that fits counts."""


def classify(error: BaseException) -> FailureClass:
    """Say whose fault an error is.

    A bare TimeoutError counts as the server's: whoever limits the time of one event must catch its own.
    """
    if isinstance(error, PostgresUnavailableError):
        return FailureClass.INFRASTRUCTURE  # whatever its SQLSTATE: no event was being written
    code = sqlstate(error)
    if code is not None:
        return BY_SQLSTATE.get(code) or BY_SQLSTATE_CLASS.get(code[:2], FailureClass.BUG)
    return next((found for kind, found in BY_TYPE if isinstance(error, kind)), FailureClass.BUG)


REFUSALS = {
    "28P01": "PostgreSQL refuses the password of this user (28P01). Put the right one into DATABASE_URL.",
    "28": "PostgreSQL does not let this user in from here ({code}). Check the user in DATABASE_URL, its right to log in, "
    "sslmode, and the server's pg_hba.conf.",
    "3D": "The server has no database of this name ({code}). Make it, or correct DATABASE_URL.",
    "42501": "PostgreSQL does not let this user into this database (42501). GRANT CONNECT to it, or correct DATABASE_URL.",
}
"""What Postgres says to a new connection and will say again until somebody changes something, by code or class."""
OTHER_REFUSAL = (
    "PostgreSQL takes no connection with these settings ({code}). Check what stands after the ? of DATABASE_URL, and "
    "the environment variables PG…"
)
UNTRUSTED = (
    "The certificate of the server at DATABASE_URL is not one that this machine trusts. Name who signed it, by sslrootcert in "
    "the URL."
)
UNENCRYPTED = (
    "The server at DATABASE_URL does not speak TLS, which its sslmode demands. Name another server or port, or where nobody "
    "can listen in write sslmode=prefer."
)
NO_TLS = "rejected SSL upgrade"
"""How asyncpg says that a server does not speak TLS."""
POOLER_CODE = "08P01"
"""The one code of PgBouncer before 1.20: only its words, and those of the server that it passes on, say what was wrong."""
POOLER_WORDS = {
    r"(password|SASL) authentication failed": "28P01",
    r"no such user|login rejected|no pg_hba.conf entry|role \".*\" (does not exist|is not permitted to log in)": "28000",
    r"no such database|database \".*\" does not exist": "3D000",
    r"permission denied for database": "42501",
    r"unsupported startup parameter": "22023",
}
"""Patterns of those words, and the code that PostgreSQL itself would have given."""


def as_refusal(error: Exception) -> Exception:
    """Return the error to raise where no connection could be made: a PostgresRefusedError when trying again is no use.

    Anything else means that Postgres is away for now. No error of connecting is an event's fault or a mistake of ours:
    what a driver makes of settings that it cannot use is a refusal, too.
    """
    code = sqlstate(error) or ""
    failure = classify(error)
    if code == POOLER_CODE:
        said = (known for words, known in POOLER_WORDS.items() if re.match(words, str(error)))
        code = next(said, code)
    sentence = REFUSALS.get(code) or REFUSALS.get(code[:2]) or _of_tls(error)
    if failure in (FailureClass.BUG, FailureClass.PERMANENT) or code == "22023":
        sentence = sentence or OTHER_REFUSAL
    if sentence:
        return PostgresRefusedError(sentence.format(code=code or type(error).__name__), sqlstate=code or None)
    if failure is FailureClass.INFRASTRUCTURE:
        return error
    return PostgresUnavailableError(f"no connection to Postgres could be set up ({code_of(error)})")


@contextmanager
def refusals_named() -> Iterator[None]:
    """Raise what `as_refusal` makes of each error; one that stays as it is must not become its own cause."""
    try:
        yield
    except Exception as error:
        refusal = as_refusal(error)
        if refusal is error:
            raise
        raise refusal from error


def _of_tls(error: Exception) -> str | None:
    if NO_TLS in str(error):
        return UNENCRYPTED
    return UNTRUSTED if is_untrusted(error) else None


def sqlstate(error: BaseException) -> str | None:
    """Return the SQLSTATE that Postgres or asyncpg gave, if either did."""
    return getattr(error, "sqlstate", None)


def says_away(error: BaseException) -> bool:
    """Tell whether one error is proof enough that Postgres takes no writes for now.

    Silence is proof: each takes so long to notice that several would never come within a few seconds.
    """
    proof = (ConnectionRefusedError, PostgresSilentError)
    return sqlstate(error) in PROOF_OF_ABSENCE or isinstance(error, proof)


def ran_out_of_time(error: BaseException) -> bool:
    """Tell whether a statement was cancelled, by its time limit or by somebody."""
    return sqlstate(error) == "57014"


def code_of(error: BaseException) -> str:
    """Name an error for people: its SQLSTATE, or else its type."""
    return sqlstate(error) or type(error).__name__
