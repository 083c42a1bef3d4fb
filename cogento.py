"""The command `cogento`: gathers the commands of the packages that have some."""

from __future__ import annotations

import click


@click.group()
def main() -> None:
    """Keep a Postgres copy of Stripe's customers and subscriptions right."""
