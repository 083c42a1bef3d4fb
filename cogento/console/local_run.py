"""The `cogento run` of this folder, as its run.json tells it: what commands talk to when nothing else is named.

Knows the file, and nothing of what it leads to.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cogento.console.formatting import printable

if TYPE_CHECKING:
    from collections.abc import MutableMapping

DEFAULT_DATA = Path(".data")
SERVERS = {"DATABASE_URL": "database_url", "REDIS_URL": "redis_url"}
WITH_SERVERS = {
    "DATABASE_SCHEMA": "database_schema",
    "BROKER_URL": "broker_url",
    "MAILBOX_SHARDS": "mailbox_shards",
}
CHOSEN = "cogento.data"
"""Where click's context keeps the folder that --data names."""

STRIPE = {"STRIPE_API_KEY": "stripe_api_key", "STRIPE_API_BASE": "stripe_api_url"}


def read_run(data: Path = DEFAULT_DATA) -> dict[str, str]:
    """Read what run.json tells in words; nothing when nothing runs there. Raises ClickException for one that can't be read."""
    file = data / "run.json"
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError) as error:
        raise click.ClickException(printable(f"{file} can't be read: {error}")) from error
    facts = found.items() if isinstance(found, dict) else ()
    return {name: fact for name, fact in facts if isinstance(fact, str) and fact.isprintable()}


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

    What its receiver promises goes along wherever its Redis is meant, and its simulated Stripe with its tables. The
    run that --data names counts before the environment.
    """
    if _adopt_chosen_run(environment):
        return
    facts = read_run()
    if not any(environment.get(variable) for variable in SERVERS):
        known = {**SERVERS, **WITH_SERVERS}
        environment.update({variable: facts[fact] for variable, fact in known.items() if fact in facts})
        if not environment.get("STRIPE_API_KEY"):
            environment.update(
                {variable: facts[fact] for variable, fact in STRIPE.items() if facts.get(fact)}
            )
    if "ack_durability" in facts and environment.get("REDIS_URL") == facts.get("redis_url"):
        environment.setdefault("ACK_DURABILITY", facts["ack_durability"])


def _adopt_chosen_run(environment: MutableMapping[str, str] = os.environ) -> bool:
    """Let the settings name the servers of the run that --data chose; False where none was."""
    context = click.get_current_context(silent=True)
    data = context.meta.get(CHOSEN) if context else None
    if data is None:
        return False
    facts = read_run(data)
    if not facts:
        raise click.ClickException(
            printable(
                f"Nothing runs with the data folder {data}: it has no run.json. Start `cogento run --data {data}`."
            )
        )
    known = {**SERVERS, **WITH_SERVERS, **STRIPE, "ACK_DURABILITY": "ack_durability"}
    environment.update({variable: facts[fact] for variable, fact in known.items() if facts.get(fact)})
    return True
