"""`cogento letters`: the dead letters, for the people who deal with them."""

from __future__ import annotations

import click

from cogento.cli.letters.discarding import discard
from cogento.cli.letters.exporting import export
from cogento.cli.letters.listing import list_
from cogento.cli.letters.retrying import retry
from cogento.cli.letters.showing import show


@click.group()
def letters() -> None:
    """List, explain, retry, discard and export dead letters."""


for command in (list_, show, retry, discard, export):
    letters.add_command(command)
