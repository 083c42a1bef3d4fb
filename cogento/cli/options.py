"""Options and arguments that commands share: who does it, why, and which customer it is about."""

from __future__ import annotations

import getpass
import os

import click

from cogento.console.formatting import printable
from cogento.console.queue_actions import is_customer_id
from cogento.events.names import CustomerId
from cogento.queue.pauses import MAX_REASON_CHARACTERS

MAX_NUMBER = 2**63 - 1
"""The largest number that a row can have."""
row_number = click.IntRange(1, MAX_NUMBER)


def current_user() -> str:
    """Return the name of the system's user, or the user's number where there is no name, as in a bare container."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return f"uid {os.getuid()}"


def read_customer_id(text: str | None) -> CustomerId:
    """Read what must be a customer's id; raises UsageError that says what to do."""
    if text is None or not is_customer_id(text):
        shown = printable(text or "")
        raise click.UsageError(
            f"{shown} is not a customer id, which begins with cus_. `cogento explain {shown}` finds the customer "
            "of a subscription, an event or an e-mail address."
        )
    return CustomerId(text)


def _reason(_context: click.Context, _option: click.Parameter, why: str) -> str:
    if len(why) > MAX_REASON_CHARACTERS:
        raise click.BadParameter(f"{len(why):,} characters; at most {MAX_REASON_CHARACTERS} are kept.")
    return why.strip()


who_option = click.option(
    "--who", default=current_user, metavar="NAME", help="Who does it; by default the system's user."
)
reason_option = click.option(
    "--reason",
    "why",
    default="",
    metavar="TEXT",
    callback=_reason,
    help="Why, for whoever looks at it later.",
)
