"""`cogento migrate`, alone: what it imports takes longer to load than any other command takes."""

from __future__ import annotations

import click

from cogento.console.errors import friendly_errors
from cogento.console.local_run import adopt_local_run
from cogento.settings import MigrationSettings, load
from cogento.store.migrate import migrate as bring_up_to_date


@click.command()
@click.option(
    "--sync-engine-views",
    "with_views",
    is_flag=True,
    help="Make the views stripe.customers and stripe.subscriptions, named as the tables of the sync engines, too.",
)
def migrate(*, with_views: bool) -> None:
    """Bring the tables up to date.

    Safe while everything runs, and safe to run twice at once.
    """
    adopt_local_run()
    settings = load(MigrationSettings)
    with friendly_errors():
        done = bring_up_to_date(
            settings.database_url.get_secret_value(), with_views=with_views, changes=settings.changes
        )
    if done.before == done.after:
        click.echo(f"The tables are up to date (revision {done.after}).")
    else:
        click.echo(f"The tables went from revision {done.before or 'none'} to {done.after}.")
    if done.announces_changes:
        click.echo("What changes in them is kept and announced (CHANGES).")
    elif settings.changes is False:
        click.echo("What changes in them is not kept (CHANGES).")
    if done.old_sessions:
        click.echo(
            f"Sessions of an earlier release are connected ({done.old_sessions}). The ledger and the other tables of ours "
            "stay where it looks for them; the next `cogento migrate` without such sessions moves them."
        )
