"""`cogento roles`: who may do what, by the address that a person signs in with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from cogento import runtime
from cogento.cli.options import reason_option, who_option
from cogento.cli.printing import json_option, print_json, print_table
from cogento.console.connections import open_store
from cogento.console.errors import Failure
from cogento.store.activity import Action
from cogento.store.roles import Role

if TYPE_CHECKING:
    from cogento.events.names import CustomerId
    from cogento.store.store import Store

NAME = "cogento roles"

email_argument = click.argument("email")
role_argument = click.argument("role", type=click.Choice([role.value for role in Role]))


@click.group()
def roles() -> None:
    """List, grant and revoke users' roles."""


@roles.command("list")
@click.argument("email", required=False)
@json_option
def list_(email: str | None, *, as_json: bool) -> None:
    """List the roles of EMAIL, or everyone's."""
    with open_store(name=NAME) as store:
        granted = runtime.run(store.roles.granted(email))
    if as_json:
        print_json(granted)
    elif granted:
        rows = [(role.email, role.role, f"{role.created_at:%Y-%m-%d}", role.granted_by) for role in granted]
        print_table(("EMAIL", "ROLE", "SINCE", "BY"), rows)
    else:
        click.echo("No roles are granted." if email is None else "Nobody with this address has a role.")


@roles.command()
@email_argument
@role_argument
@reason_option
@who_option
@json_option
def grant(email: str, role: str, *, why: str, who: str, as_json: bool) -> None:
    """Grant ROLE to the user who signs in with EMAIL."""
    with open_store(name=NAME) as store:
        if not runtime.run(store.roles.grant(email, Role(role))):
            raise Failure(
                "No live customer signs in with this address. `cogento explain` finds customers by id."
            )
        (holder, *_) = runtime.run(store.roles.granted(email))
        _record(store, holder.customer_id, who=who, why=why, granted=role)
    _print_change(email, role, granted=True, as_json=as_json)


@roles.command()
@email_argument
@role_argument
@reason_option
@who_option
@json_option
def revoke(email: str, role: str, *, why: str, who: str, as_json: bool) -> None:
    """Take ROLE from the user who signs in with EMAIL."""
    with open_store(name=NAME) as store:
        before = runtime.run(store.roles.granted(email))
        if not runtime.run(store.roles.revoke(email, Role(role))):
            raise Failure("Nobody with this address has this role. `cogento roles list` shows who has which.")
        if before:
            _record(store, before[0].customer_id, who=who, why=why, revoked=role)
    _print_change(email, role, granted=False, as_json=as_json)


def _record(store: Store, customer_id: CustomerId, *, who: str, why: str, **details: str) -> None:
    record = store.activity.record
    runtime.run(record(who=who, action=Action.ROLES, about=customer_id, why=why, details=details))


def _print_change(email: str, role: str, *, granted: bool, as_json: bool) -> None:
    if as_json:
        print_json({"email": email, "role": role, "granted": granted})
    else:
        click.echo(f"{'Granted' if granted else 'Revoked'} {role}.")
