"""What went wrong, told to a person: one line that says what to do, and an exit code.

1: it did not work this time. 2: the command was not understood (click). 78: it cannot work as configured. An unexpected error is
none of these and keeps its traceback. Never quotes a URL, which may hold a password.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from cogento.console.formatting import join_words, printable
from cogento.queue.errors import MailboxDenied, MailboxRefused, MailboxUnavailable
from cogento.reconcile.enqueue import QueueFullError
from cogento.reconcile.reconciliation import OwnAccountError
from cogento.retries import FailureClass
from cogento.settings import EX_CONFIG
from cogento.store.errors import (
    MigrationError,
    MigrationRefusedError,
    PostgresRefusedError,
    classify,
    sqlstate,
)
from cogento.stripe.account import LISTS
from cogento.stripe.errors import StripeApiError

if TYPE_CHECKING:
    from collections.abc import Iterator

TABLES_MISSING = frozenset({"42P01", "42703", "42883"})
NOT_GRANTED = "42501"
NO_CONNECTION_LEFT = "53300"
NOT_UNDERSTOOD = 2
NO_TEXT = "What was asked for has a character that no text in the tables and mailboxes can have."
OUT_OF_RANGE = frozenset({"22003", "22008"})
TOO_LARGE = "What was asked for has a number or a time that is beyond what the tables can have."
KEY_VARIABLE = "STRIPE_API_KEY"
KEY_REFUSED = (
    "Stripe refuses {variable}: it was revoked, or may not read "
    f"{join_words(name.lower() for name in LISTS.values())}."
)
KEY_REFUSED_BEFORE = (
    "Stripe refused {variable} less than a minute ago, and is not asked until a minute has passed. "
    "Correct the key, unless you have, and try again then."
)
KEY_MISSING = "Stripe is asked only with a key: set {variable}."
BUSY = "PostgreSQL is busy with something that stands in the way. Try again."
BY_CLASS = {
    FailureClass.CONTENTION: BUSY,
    FailureClass.TRANSIENT: BUSY,
    FailureClass.OTHER_RELEASE: "A newer release wrote rows that this one cannot read. Use that release.",
    FailureClass.PERMANENT: NO_TEXT,
    FailureClass.INFRASTRUCTURE: "PostgreSQL is unreachable. Check that it runs and that DATABASE_URL is right.",
}


class Failure(click.ClickException):
    """A failure that an operator can do something about."""

    def __init__(self, message: str, *, exit_code: int = 1) -> None:
        super().__init__(message)
        self.exit_code = exit_code  # type: ignore[misc] # click reads it from the instance


@contextmanager
def friendly_errors(*, key_variable: str = KEY_VARIABLE) -> Iterator[None]:
    """Turn errors of servers inside the block into a Failure; `key_variable` names the variable with the key to Stripe."""
    try:
        yield
    except (
        MailboxRefused,
        MailboxDenied,
        PostgresRefusedError,
        MigrationRefusedError,
        OwnAccountError,
    ) as error:
        raise Failure(str(error), exit_code=EX_CONFIG) from error
    except MailboxUnavailable as error:
        raise Failure(
            "Redis is not reachable, or refuses the command. Check that it runs and that REDIS_URL is right."
        ) from error
    except MigrationError as error:
        raise Failure(str(error)) from error
    except UnicodeError as error:
        raise Failure(NO_TEXT, exit_code=NOT_UNDERSTOOD) from error
    except StripeApiError as error:
        raise _of_stripe(error, key_variable) from error
    except QueueFullError as error:
        raise Failure("A mailbox is full: too many events wait to be applied. Try again later.") from error
    except Exception as error:
        known = _of_postgres(error)
        if known is None:
            raise
        raise known from error


def postgres_problem(error: Exception) -> str | None:
    """Return what PostgreSQL answered, and what to do about it; None where it did not answer."""
    if isinstance(error, PostgresRefusedError):
        return str(error)
    known = _of_postgres(error)
    return None if known is None or known.message == BY_CLASS[FailureClass.INFRASTRUCTURE] else known.message


def _of_stripe(error: StripeApiError, key_variable: str) -> Failure:
    if error.refuses_the_key:
        return Failure(KEY_REFUSED.format(variable=key_variable), exit_code=EX_CONFIG)
    if error.refused_before:
        return Failure(KEY_REFUSED_BEFORE.format(variable=key_variable), exit_code=EX_CONFIG)
    return Failure(f"{error}. Try again later; nothing is lost.")


def _of_postgres(error: Exception) -> Failure | None:
    code = sqlstate(error) or ""
    if code in TABLES_MISSING:
        return Failure("The tables are missing or older than this program. Run `cogento migrate`.")
    if code == NOT_GRANTED:
        return Failure(
            f"PostgreSQL does not let this user do that ({_said(error)}). Grant it, or correct DATABASE_URL.",
            exit_code=EX_CONFIG,
        )
    if code == NO_CONNECTION_LEFT:
        return Failure(
            f"PostgreSQL takes no more connections ({_said(error)}). End some that are idle, or raise the limit."
        )
    if code in OUT_OF_RANGE or isinstance(error.__cause__, OverflowError):
        return Failure(TOO_LARGE, exit_code=NOT_UNDERSTOOD)
    message = BY_CLASS.get(classify(error))
    if message is None:
        return None
    return Failure(message, exit_code=NOT_UNDERSTOOD if message == NO_TEXT else 1)


def _said(error: Exception) -> str:
    """Return Postgres's own message: with these codes it names users, databases and tables, and no values."""
    return printable(f"{sqlstate(error)}: {error}")
