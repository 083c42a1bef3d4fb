"""`cogento adopt`: take over tables of another program, after saying what that takes."""

from __future__ import annotations

import click

from cogento.cli.printing import json_option, print_facts, print_json
from cogento.console.errors import Failure, friendly_errors
from cogento.console.local_run import adopt_local_run
from cogento.settings import EX_CONFIG, DatabaseSettings, load
from cogento.store import adopt as tables
from cogento.store.adopt import AdoptionRefusedError


@click.command()
@click.option("--yes", is_flag=True, help="Really do it (without: dry run).")
@json_option
def adopt(*, yes: bool, as_json: bool) -> None:
    """Take over tables that another program made and filled.

    Those are users, subscriptions and user_roles in DATABASE_SCHEMA, with the columns that README.md names. They stay in
    place: every row, user_id and role, your columns, views, grants and triggers. Missing columns are added, and missing tables:
    those of other kinds of objects, the ledger, the dead letters. Stop the other program first, and run `cogento backfill`
    afterwards.
    """
    adopt_local_run()
    settings = load(DatabaseSettings)
    with friendly_errors():
        try:
            done = tables.adopt(settings.database_url.get_secret_value(), is_rehearsal=not yes)
        except AdoptionRefusedError as error:
            sentences = "\n".join(f"  {problem}" for problem in error.problems)
            raise Failure(
                f"The tables cannot be taken over yet. Nothing was changed.\n{sentences}", exit_code=EX_CONFIG
            ) from error
    if as_json:
        print_json({"adopted": yes, "adoption": done})
        return
    click.echo("Took over:" if yes else "This would take over:")
    print_facts([(f"  rows of {table}", count) for table, count in done.rows.items()])
    for title, lines in (("Done:" if yes else "It would:", done.steps), ("Stays as it is:", done.stays)):
        if lines:
            click.echo(f"\n{title}")
            for line in lines:
                click.echo(f"  {line}")
    click.echo(
        "\nNow start the processes, and let `cogento backfill` ask Stripe for everything."
        if yes
        else "\nNothing was changed. Stop the program that fills these tables; then add --yes to do it."
    )
