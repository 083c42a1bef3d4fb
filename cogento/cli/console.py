"""`cogento console` serves the web pages, behind a password or for this machine alone; `cogento password` makes the hash."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from cogento.cli.options import current_user
from cogento.console.connections import require_access
from cogento.console.local_run import adopt_local_run
from cogento.console.passwords import hash_password, read_hash
from cogento.console.web.access import LocalAccess, ProxyAccess
from cogento.console.web.composition import Exposure
from cogento.console.web.login import ConsoleRole, User
from cogento.console.web.proxies import Proxies
from cogento.console.web.server import run_console
from cogento.serving.server import listen
from cogento.settings import ConsoleSettings, load_each, refuse

if TYPE_CHECKING:
    import socket

    from cogento.console.passwords import PasswordHash


@click.command()
@click.option("--port", type=click.IntRange(1, 65535), help="Where to listen; else PORT, else 8001.")
@click.option("--local", is_flag=True, help="No password; listen to this machine alone.")
def console(port: int | None, *, local: bool) -> None:
    """Serve the console's web pages.

    CONSOLE_PASSWORD_HASH, which `cogento password` makes, is needed unless --local is given;
    CONSOLE_READ_ONLY_PASSWORD_HASH is that of viewers, who change nothing. A proxy that logs people
    in can take their place: CONSOLE_TRUSTED_HEADER and CONSOLE_TRUSTED_PROXY.
    """
    adopt_local_run()
    each = load_each(ConsoleSettings)
    settings = each[0]
    exposure = Exposure(port or settings.port, _access(settings, local=local))
    require_access(each)
    listener = _listen(exposure)
    click.echo(f"The console is at http://localhost:{exposure.port}/console", err=True)
    run_console(each, exposure, listener)


def _listen(exposure: Exposure) -> socket.socket:
    try:
        return listen(exposure.host, exposure.port)
    except OSError as error:
        raise click.ClickException(
            f"cannot listen on port {exposure.port}: {os.strerror(error.errno or 0)}. --port or PORT says another."
        ) from error


def _access(
    settings: ConsoleSettings, *, local: bool
) -> dict[ConsoleRole, PasswordHash] | ProxyAccess | LocalAccess:
    """Return who gets in; --local takes precedence over any setting."""
    if local:
        return LocalAccess(User(current_user(), ConsoleRole.OPERATOR))
    if settings.console_trusted_header:
        proxies = Proxies(settings.console_trusted_proxy)
        return ProxyAccess(settings.console_trusted_header, proxies, settings.operators)
    return _passwords(settings)


def _passwords(settings: ConsoleSettings) -> dict[ConsoleRole, PasswordHash]:
    """Read each role's password, or end the process with what is wrong."""
    given = {
        ConsoleRole.OPERATOR: ("CONSOLE_PASSWORD_HASH", settings.console_password_hash),
        ConsoleRole.VIEWER: ("CONSOLE_READ_ONLY_PASSWORD_HASH", settings.console_read_only_password_hash),
    }
    passwords = {}
    for role, (variable, secret) in given.items():
        if secret is not None:
            try:
                passwords[role] = read_hash(secret.get_secret_value())
            except ValueError as problem:
                refuse(f"{variable} is not usable: {problem}")
    if not passwords:
        refuse("CONSOLE_PASSWORD_HASH is not set: `cogento password` makes one, or give --local")
    if len(set(passwords.values())) < len(passwords):
        refuse(
            "CONSOLE_READ_ONLY_PASSWORD_HASH is CONSOLE_PASSWORD_HASH: give viewers a password of their own"
        )
    return passwords


@click.command()
def password() -> None:
    """Make the console's CONSOLE_PASSWORD_HASH.

    Asks for a password and prints the line to set in the console's environment. The password itself is
    kept nowhere. Viewers have one of their own, whose
    hash is set as CONSOLE_READ_ONLY_PASSWORD_HASH.
    """
    typed = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    try:
        made = hash_password(typed)
    except ValueError as error:
        raise click.UsageError(f"{error}; a few words do it") from error
    click.echo(f"CONSOLE_PASSWORD_HASH={made}")
