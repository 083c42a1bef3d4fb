"""`cogento roles-sql`: the SQL by which each process gets a role of its own. Connects to nothing."""

from __future__ import annotations

import click

from cogento.settings import SchemaSettings, load
from cogento.store import process_roles
from cogento.store.process_roles import ProcessRole


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
    default="cogento_reader",
    show_default=True,
    help="The role of whoever reads the tables: analysts and sign-in.",
)
def roles_sql(*, worker: str, console: str, reader: str) -> None:
    """Print SQL that gives each process a role of its own, with the least rights.

    Nothing is done: look at it and pipe it into psql, after `cogento migrate`. Roles that exist are kept.
    """
    roles = {ProcessRole.WORKER: worker, ProcessRole.CONSOLE: console, ProcessRole.READER: reader}
    click.echo(process_roles.roles_sql(roles, load(SchemaSettings).database_schema))
