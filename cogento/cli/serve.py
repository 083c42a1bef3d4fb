"""`cogento console`: the web pages, behind a password or for this machine alone."""

from __future__ import annotations

import click

from cogento.console.opening import require_access
from cogento.console.passwords import PasswordHash, read_hash
from cogento.console.web.serving import ConsoleServer, Exposure
from cogento.settings import ConsoleSettings, load, refuse


@click.command()
@click.option("--port", type=click.IntRange(1, 65535), help="Where to listen; else PORT, else 8001.")
@click.option("--local", is_flag=True, help="No password; listen to this machine alone.")
def console(port: int | None, *, local: bool) -> None:
    """Serve the console's web pages.

    CONSOLE_PASSWORD_HASH, which `cogento password` makes, is needed unless --local is given.
    """
    settings = load(ConsoleSettings)
    password = None if local else _password(settings)
    exposure = Exposure(port or settings.port, password)
    require_access(settings)
    click.echo(f"The console is at http://localhost:{exposure.port}/console", err=True)
    ConsoleServer(settings, exposure).run()


def _password(settings: ConsoleSettings) -> PasswordHash:
    if settings.console_password_hash is None:
        refuse("CONSOLE_PASSWORD_HASH is not set: `cogento password` makes one, or give --local")
    try:
        return read_hash(settings.console_password_hash.get_secret_value())
    except ValueError as problem:
        refuse(f"CONSOLE_PASSWORD_HASH is not usable: {problem}")
