"""`cogento password`: the only way to make a CONSOLE_PASSWORD_HASH."""

from __future__ import annotations

import click

from cogento.console.passwords import hash_password


@click.command()
def password() -> None:
    """Make the console's CONSOLE_PASSWORD_HASH.

    Asks for a password and prints the line to set in the console's environment. The password itself is
    kept nowhere.
    """
    typed = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    try:
        made = hash_password(typed)
    except ValueError as error:
        raise click.UsageError(f"{error}; a few words do it") from error
    click.echo(f"CONSOLE_PASSWORD_HASH={made}")
