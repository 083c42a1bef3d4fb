"""`cogento roles-sql`: the SQL by which each process gets a role of its own. Connects to nothing."""

from __future__ import annotations

import click

from cogento.accounts import DEFAULT_ACCOUNT
from cogento.settings import SchemaSettings, load_chosen
from cogento.store import process_roles
from cogento.store.process_roles import ProcessRole

READER = "cogento_reader"


@click.command("roles-sql")
@click.option("--worker", default="cogento_worker", show_default=True, help="The role of workers.")
@click.option(
    "--console",
    default="cogento_console",
    show_default=True,
    help="The role of the console and of the commands that look or act.",
)
@click.option(
    "--reader",
    help="The role of readers of the tables: analysts and sign-in.  [default: cogento_reader, with _NAME for an account]",
)
def roles_sql(*, worker: str, console: str, reader: str | None) -> None:
    """Print SQL that gives each process a role of its own, with the least rights.

    Changes nothing: read the SQL and pipe it into psql, after `cogento migrate`. Roles that exist are kept. One crew of workers
    and one console serve all accounts; each account's readers see its tables alone.
    """
    for settings in load_chosen(SchemaSettings):
        readers = reader or READER
        if reader is None and settings.account != DEFAULT_ACCOUNT:
            readers = f"{READER}_{settings.account}"
        roles = {ProcessRole.WORKER: worker, ProcessRole.CONSOLE: console, ProcessRole.READER: readers}
        click.echo(process_roles.roles_sql(roles, settings.database_schema))
