"""The option that says which account of a deployment a command is about; apart from other options, for it is on every command and loads nothing."""

from __future__ import annotations

import os

import click

VARIABLE = "COGENTO_ACCOUNT"


def account_option() -> click.Option:
    """Make the option that names an account, for any command."""
    return click.Option(
        ["--account"],
        metavar="NAME",
        expose_value=False,
        callback=_choose,
        help="Which of STRIPE_ACCOUNTS it is about; else COGENTO_ACCOUNT says it.",
    )


def _choose(_context: click.Context, _option: click.Parameter, name: str | None) -> None:
    """Let the settings be that account's, whoever reads them."""
    if name is not None:
        os.environ[VARIABLE] = name
