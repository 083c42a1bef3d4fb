"""Options that commands share: who does it, and why."""

from __future__ import annotations

import getpass
import os

import click

from cogento.queue.pauses import MAX_REASON_CHARACTERS


def current_user() -> str:
    """The system's name of the user, or its number where it has none, as in a bare container."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return f"uid {os.getuid()}"


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
