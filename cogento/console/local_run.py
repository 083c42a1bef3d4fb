"""The `cogento run` of this folder, as its run.json describes it: the servers of commands when the environment names none.

Knows the file, and nothing of the servers.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cogento.accounts import DEFAULT_ACCOUNT, account_name, own_variable
from cogento.console.formatting import printable

if TYPE_CHECKING:
    from collections.abc import Mapping, MutableMapping

DEFAULT_DATA = Path(".data")
RUN_FILE = "run.json"
SERVERS = {"DATABASE_URL": "database_url", "REDIS_URL": "redis_url"}
WITH_SERVERS = {
    "DATABASE_SCHEMA": "database_schema",
    "BROKER_URL": "broker_url",
    "MAILBOX_SHARDS": "mailbox_shards",
}
CHOSEN = "cogento.data"
"""The key in click's context for the folder that --data names."""

STRIPE = {"STRIPE_API_KEY": "stripe_api_key", "STRIPE_API_BASE": "stripe_api_url"}
OWN = frozenset({"DATABASE_SCHEMA", "STRIPE_API_KEY"})
"""Those of these facts that each account has of its own."""


def read_run(data: Path = DEFAULT_DATA) -> dict[str, str]:
    """Read the strings of run.json; empty when nothing runs there. Raises ClickException for a file that can't be read."""
    return _in_words(_read(data))


def read_accounts(data: Path = DEFAULT_DATA) -> dict[str, dict[str, str]]:
    """Read them for each account of the run, by its name: its own, and those that all accounts share.

    A run of one account has `default`; the result is empty where nothing runs. Raises as `read_run` does.
    """
    found = _read(data)
    accounts = found.get("accounts")
    own = accounts if isinstance(accounts, dict) and accounts else {DEFAULT_ACCOUNT: {}}
    try:
        return {account_name(name): _in_words(found | _facts(own[name])) for name in own} if found else {}
    except ValueError as error:
        raise click.ClickException(f"{printable(data / RUN_FILE)} can't be read: {error}") from error


def _read(data: Path) -> dict[str, Any]:
    file = data / RUN_FILE
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError) as error:
        raise click.ClickException(printable(f"{file} can't be read: {error}")) from error
    return _facts(found)


def _facts(found: object) -> dict[str, Any]:
    return found if isinstance(found, dict) else {}


def _in_words(facts: Mapping[str, Any]) -> dict[str, str]:
    return {name: fact for name, fact in facts.items() if isinstance(fact, str) and fact.isprintable()}


def data_option() -> click.Option:
    """Make the option that names a local run, for any command."""
    return click.Option(
        ["--data"],
        type=click.Path(path_type=Path),
        expose_value=False,
        callback=_choose,
        help="Use the servers of the `cogento run` with this data folder, whatever the environment names.",
    )


def _choose(context: click.Context, _option: click.Parameter, data: Path | None) -> None:
    if data is not None:
        context.meta[CHOSEN] = data


def adopt_local_run(environment: MutableMapping[str, str] = os.environ) -> None:
    """Let the settings name the servers of this folder's `cogento run`, unless the environment names any.

    The run's accounts come with its servers, its receiver's ACK_DURABILITY comes with its Redis, and its simulated Stripe with
    its tables. A run that --data names takes precedence over the environment.
    """
    if _adopt_chosen_run(environment):
        return
    if not any(environment.get(variable) for variable in SERVERS):
        stripe = {} if environment.get("STRIPE_API_KEY") else STRIPE
        _adopt(read_accounts(), {**SERVERS, **WITH_SERVERS, **stripe}, environment)
    facts = read_run()
    if "ack_durability" in facts and environment.get("REDIS_URL") == facts.get("redis_url"):
        environment.setdefault("ACK_DURABILITY", facts["ack_durability"])


def _adopt_chosen_run(environment: MutableMapping[str, str] = os.environ) -> bool:
    """Let the settings name the servers of the run that --data chose; False where none was."""
    context = click.get_current_context(silent=True)
    data = context.meta.get(CHOSEN) if context else None
    if data is None:
        return False
    accounts = read_accounts(data)
    if not accounts:
        raise click.ClickException(
            printable(
                f"Nothing runs with the data folder {data}: it has no run.json. Start `cogento run --data {data}`."
            )
        )
    known = {**SERVERS, **WITH_SERVERS, **STRIPE, "ACK_DURABILITY": "ack_durability"}
    _adopt(accounts, known, environment)
    return True


def _adopt(
    accounts: Mapping[str, Mapping[str, str]], known: Mapping[str, str], environment: MutableMapping[str, str]
) -> None:
    """Set each of these facts in the environment under its variable, and name the run's accounts where it has several."""
    for account, facts in accounts.items():
        for variable, fact in known.items():
            if facts.get(fact):
                name = own_variable(variable, account) if variable in OWN else variable
                environment[name] = facts[fact]
    if len(accounts) > 1:
        environment["STRIPE_ACCOUNTS"] = ",".join(accounts)
    elif accounts:
        environment.pop("STRIPE_ACCOUNTS", None)
