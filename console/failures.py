"""What went wrong, told to a person: one line that says what to do, and an exit code.

1: it did not work this time. 2: the command was not understood (click). 78: it cannot work as
configured. A mistake of ours is none of these and keeps its traceback. Never quotes a URL: it holds a password.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from events.retry import FailureClass
from mailboxes.errors import MailboxRefused, MailboxUnavailable
from reconcile.outbox import MailboxFullError
from schema.errors import MigrationError, classify, sqlstate
from settings import EX_CONFIG
from stripeapi.errors import StripeApiError

if TYPE_CHECKING:
    from collections.abc import Iterator

TABLES_MISSING = frozenset({"42P01", "42703"})
ACCESS_REFUSED = ("28", "42501")
NO_DATABASE = "3D000"
BUSY = "PostgreSQL is busy with something that stands in the way. Try again."
BY_CLASS = {
    FailureClass.CONTENTION: BUSY,
    FailureClass.TRANSIENT: BUSY,
    FailureClass.OTHER_RELEASE: "A newer release wrote rows that this one cannot read. Use that release.",
    FailureClass.INFRASTRUCTURE: "PostgreSQL does not answer. Check that it runs and that DATABASE_URL is right.",
}


class Failure(click.ClickException):
    """A failure that an operator can do something about."""

    def __init__(self, message: str, *, exit_code: int = 1) -> None:
        super().__init__(message)
        self.exit_code = exit_code  # type: ignore[misc] # click reads it from the instance


@contextmanager
def told() -> Iterator[None]:
    """Turn what servers do to us inside the block into a Failure."""
    try:
        yield
    except MailboxRefused as error:
        raise Failure(str(error), exit_code=EX_CONFIG) from error
    except MailboxUnavailable as error:
        raise Failure(
            "Redis does not do as asked. Check that it runs and that REDIS_URL is right."
        ) from error
    except MigrationError as error:
        raise Failure(str(error)) from error
    except StripeApiError as error:
        raise _of_stripe(error) from error
    except MailboxFullError as error:
        raise Failure("A mailbox is full: too many events wait to be applied. Try again later.") from error
    except Exception as error:
        known = _of_postgres(error)
        if known is None:
            raise
        raise known from error


def _of_stripe(error: StripeApiError) -> Failure:
    if error.refuses_the_key:
        return Failure(
            "Stripe refuses STRIPE_API_KEY: it was revoked, or may not read customers, subscriptions and events.",
            exit_code=EX_CONFIG,
        )
    return Failure(f"{error}. Try again later; nothing is lost.")


def _of_postgres(error: Exception) -> Failure | None:
    code = sqlstate(error) or ""
    if code in TABLES_MISSING:
        return Failure("The tables are missing or older than this program. Run `cogento migrate`.")
    if code.startswith(ACCESS_REFUSED):
        return Failure("PostgreSQL refuses this user. Check DATABASE_URL.", exit_code=EX_CONFIG)
    if code == NO_DATABASE:
        return Failure("The server has no database of this name. Check DATABASE_URL.", exit_code=EX_CONFIG)
    message = BY_CLASS.get(classify(error))
    return Failure(message) if message else None
