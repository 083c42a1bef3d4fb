"""`cogento changes`: what changed in the tables, from a position on, and as it happens."""

from __future__ import annotations

import json
from contextlib import aclosing
from typing import TYPE_CHECKING

import click

from cogento import runtime
from cogento.cli.options import MAX_NUMBER
from cogento.cli.printing import json_option
from cogento.console.connections import open_store
from cogento.console.errors import Failure
from cogento.console.formatting import plain, printable, second
from cogento.store.changes import Change, ChangesNotKeptError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cogento.store.changes import Changes

LISTED = 100


@click.command()
@click.option(
    "--after",
    "seen",
    type=click.IntRange(0, MAX_NUMBER),
    metavar="N",
    help="Only changes after number N; by default all that are kept, with --follow those from now on.",
)
@click.option("--follow", is_flag=True, help="Then list each change as it is committed, until Ctrl-C.")
@click.option(
    "--limit",
    type=click.IntRange(1, 100_000),
    default=LISTED,
    show_default=True,
    help="At most this many; not with --follow.",
)
@json_option
def changes(*, seen: int | None, follow: bool, limit: int, as_json: bool) -> None:
    """List what changed in the tables, a line each; with --follow as it happens.

    Kept where CHANGES is on (docs/reacting.md). With --json each line is an object of its own; give its change_id to --after to
    continue from there.
    """
    with open_store(name="cogento changes") as store:
        try:
            position = runtime.run(_position(store.changes, follow=follow)) if seen is None else seen
            if follow:
                runtime.run(_follow(store.changes, position, as_json=as_json))
            else:
                page = runtime.run(store.changes.after(position, limit=limit))
                _print(page, as_json=as_json)
                if not page and not as_json:
                    click.echo(f"Nothing has changed after change {position}.")
        except ChangesNotKeptError as error:
            raise Failure(str(error)) from error


async def _position(kept: Changes, *, follow: bool) -> int:
    state = await kept.state()
    return state.newest if follow else state.complete_after


async def _follow(kept: Changes, position: int, *, as_json: bool) -> None:
    async with aclosing(kept.follow(position)) as pages:
        async for page in pages:
            _print(page, as_json=as_json)


def _print(page: Iterable[Change], *, as_json: bool) -> None:
    for change in page:
        click.echo(json.dumps(plain(change), default=plain) if as_json else printable(describe(change)))


def describe(change: Change) -> str:
    """Describe a change in one line."""
    whose = change.object_id or change.customer_id or change.user_id
    what = f"{change.kind} {change.role or ''}".rstrip()
    said = [f"{change.change_id}", f"{second(change.changed_at)}", f"{what} {change.action}", f"{whose}"]
    if change.status_before != change.status_after and change.status_after:
        said.append(f"status {change.status_before or 'none'} -> {change.status_after}")
    if change.columns:
        said.append(", ".join(change.columns))
    return "  ".join(said)
