"""`cogento sweep`: look now for what webhooks did not bring."""

from __future__ import annotations

import datetime as dt
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from cogento.cli.printing import json_option, print_facts, print_json
from cogento.cli.progress import percent_bar
from cogento.console.failures import Failure
from cogento.console.opening import open_reconciliation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cogento.reconcile.sweep import Swept


@click.command()
@json_option
def sweep(*, as_json: bool) -> None:
    """Look for events that no webhook brought.

    They are put into their mailboxes, as their webhooks would have been. Workers do so every five minutes by themselves.
    Needs STRIPE_API_KEY. Ctrl-C is safe: the next sweep goes on from there. While another sweep is under way
    nothing is done.
    """
    with open_reconciliation(name="cogento sweep") as reconciliation, _shown() as report:
        swept = reconciliation.sweep(grace_seconds=0, report=report)
    if as_json:
        print_json(swept)
    elif swept is None:
        click.echo("Another sweep is under way.")
    else:
        print_facts(_facts(swept))
    if swept is not None and not swept.is_whole:
        raise Failure("The workers are behind: too many events wait to be applied. Sweep again later.")


def _facts(swept: Swept) -> list[tuple[str, str]]:
    return [
        ("from", _second(swept.since)),
        ("to", _second(swept.at)),
        ("listed", f"{swept.listed:,} events of ours"),
        ("missing", f"{swept.missing:,} events, now in their mailboxes"),
    ]


def _second(second: int) -> str:
    return f"{dt.datetime.fromtimestamp(second, dt.UTC):%Y-%m-%d %H:%M:%S} UTC"


@contextmanager
def _shown() -> Iterator[Callable[[Swept], object]]:
    """Tell how far it is."""
    with percent_bar() as tell:
        yield lambda swept: tell(f"{swept.listed:,} listed, {swept.missing:,} missing", swept.share)
