"""`cogento console` serves the web pages, behind a password or for this machine alone; `cogento password` makes the hash."""

from __future__ import annotations

import click

from cogento.console.connections import require_access
from cogento.console.passwords import hash_password, read_hash
from cogento.console.web.server import ConsoleServer, Exposure
from cogento.settings import ConsoleSettings, load, refuse


@click.command()
@click.option("--port", type=click.IntRange(1, 65535), help="Where to listen; else PORT, else 8001.")
@click.option("--local", is_flag=True, help="No password; listen to this machine alone.")
def console(port: int | None, *, local: bool) -> None:
    """Serve the console's web pages.

    CONSOLE_PASSWORD_HASH, which `cogento password` makes, is needed unless --local is given.
    """
    settings = load(ConsoleSettings)
    password = None
    if not local:
        if settings.console_password_hash is None:
            refuse("CONSOLE_PASSWORD_HASH is not set: `cogento password` makes one, or give --local")
        try:
            password = read_hash(settings.console_password_hash.get_secret_value())
        except ValueError as problem:
            refuse(f"CONSOLE_PASSWORD_HASH is not usable: {problem}")
    exposure = Exposure(port or settings.port, password)
    require_access(settings)
    click.echo(f"The console is at http://localhost:{exposure.port}/console", err=True)
    ConsoleServer(settings, exposure).run()


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
