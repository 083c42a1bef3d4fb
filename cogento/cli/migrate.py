"""`cogento migrate`, in a module of its own: its imports take longer than those of any other command."""

from __future__ import annotations

import click

from cogento.console.errors import Failure, friendly_errors
from cogento.console.local_run import adopt_local_run
from cogento.settings import MigrationSettings, load_chosen
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

    Safe while everything runs, and safe to run twice at once. Of several accounts each has tables of its own: without
    --account all of them are brought up to date.
    """
    adopt_local_run()
    failures = []
    for settings in load_chosen(MigrationSettings):
        try:
            _migrate(settings, with_views=with_views)
        except Failure as failure:
            failures.append(failure)
            if settings.account_label:
                click.echo(f"{settings.account_label}: {failure.message}", err=True)
    if failures:
        raise failures[0]


def _migrate(settings: MigrationSettings, *, with_views: bool) -> None:
    """Bring one account's tables up to date, and say so."""
    whose = f"{settings.account_label}: " if settings.account_label else ""
    with friendly_errors():
        done = bring_up_to_date(
            settings.database_url.get_secret_value(), with_views=with_views, changes=settings.changes
        )
    if done.before == done.after:
        click.echo(f"{whose}The tables are up to date (revision {done.after}).")
    else:
        click.echo(f"{whose}The tables went from revision {done.before or 'none'} to {done.after}.")
    if done.announces_changes:
        click.echo(f"{whose}What changes in them is kept and announced (CHANGES).")
    elif settings.changes is False:
        click.echo(f"{whose}What changes in them is not kept (CHANGES).")
    if done.old_sessions:
        click.echo(
            f"{whose}Sessions of an earlier release are connected ({done.old_sessions}). The ledger and the other tables of "
            "ours stay where it looks for them; the next `cogento migrate` without such sessions moves them."
        )
