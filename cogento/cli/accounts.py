"""The option that says which account of a deployment a command is about.

In a module of its own, because every command has it and it must load nothing else.
"""

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
        help="Which of STRIPE_ACCOUNTS it is about; by default COGENTO_ACCOUNT.",
    )


def _choose(_context: click.Context, _option: click.Parameter, name: str | None) -> None:
    """Make every part of the command read that account's settings."""
    if name is not None:
        os.environ[VARIABLE] = name
