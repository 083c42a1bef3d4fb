"""The mailboxes and the tables, opened for the length of one command.

A composition module: reads the settings, which name the servers of this folder's `cogento run` when nothing
else does. Whatever goes wrong with the servers is reported in one line.
"""

from __future__ import annotations

import logging
import os
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, TypeVar

import click
from pydantic_settings import BaseSettings

from cogento import runtime
from cogento.console.dead_letters import DeadLetterService
from cogento.console.errors import KEY_MISSING, Failure, friendly_errors
from cogento.console.local_run import SERVERS, adopt_local_run
from cogento.queue.claims import Limits
from cogento.queue.durable_scripts import TIMEOUT_SECONDS
from cogento.queue.errors import MailboxDenied, MailboxUnavailable
from cogento.queue.mailboxes import Mailboxes
from cogento.reconcile.reconciliation import Reconciliation
from cogento.reporting import logs_aside
from cogento.settings import (
    EX_CONFIG,
    ConsoleSettings,
    DatabaseSettings,
    MailboxSettings,
    ReconcileSettings,
    load,
)
from cogento.store.connecting import check_connection_if_there
from cogento.store.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

S = TypeVar("S", bound=BaseSettings)

CONNECTIONS = 2
REDIS_CONNECTIONS = 4  # several pages at once, and the poller beside them
COMMAND_SECONDS = 5
"""How long a command waits for Redis; a server that is busy for a second is no reason to end a backfill of hours."""
NOTHING_HERE = "or start `make run` in this folder; --data DIR names the folder of another run"
ASKING_CONNECTIONS = 6  # one for the leader lease, the others to write with


def _load_for_command(kind: type[S]) -> S:
    """Read settings; where they name no server, the error says how else a command finds one."""
    adopt_local_run()
    try:
        return load(kind)
    except SystemExit:
        if not any(map(os.environ.get, SERVERS)):
            click.echo(f"cogento: {NOTHING_HERE}", err=True)
        raise


@contextmanager
def open_store(*, name: str) -> Iterator[Store]:
    """Open the tables; `name` is what pg_stat_activity shows."""
    settings = _load_for_command(DatabaseSettings)
    with friendly_errors():
        store = runtime.run(
            Store.open(settings.database_url.get_secret_value(), pool_size=CONNECTIONS, application_name=name)
        )
        try:
            yield store
        finally:
            runtime.run(store.close())


@contextmanager
def open_store_if_configured(*, name: str) -> Iterator[Store | None]:
    """Open the tables for a command that also works without them; yields None where no setting names them."""
    adopt_local_run()
    if not os.environ.get("DATABASE_URL"):
        yield None
        return
    with open_store(name=name) as store:
        yield store


@contextmanager
def open_mailboxes() -> Iterator[Mailboxes]:
    """Open the mailboxes as this process's settings name them."""
    settings = _load_for_command(MailboxSettings)
    with friendly_errors():
        mailboxes = connect(settings, timeout_seconds=COMMAND_SECONDS)
        try:
            yield mailboxes
        finally:
            runtime.run(mailboxes.close())


@contextmanager
def open_dead_letters(*, name: str) -> Iterator[DeadLetterService]:
    """Open mailboxes and tables, for work on dead letters."""
    with open_mailboxes() as mailboxes, open_store(name=name) as store:
        yield DeadLetterService(mailboxes, store)


def silent_logs() -> AbstractContextManager[None]:
    """Log nothing, for a command that prints everything itself."""
    return logs_aside(least=logging.CRITICAL)


@contextmanager
def open_reconciliation(*, name: str) -> Iterator[Reconciliation]:
    """Open everything that asking Stripe needs: mailboxes, tables, and access to Stripe."""
    settings = _load_for_command(ReconcileSettings)
    key_variable = settings.variable("stripe_api_key")
    with friendly_errors(key_variable=key_variable):
        mailboxes = connect(settings, timeout_seconds=COMMAND_SECONDS)
        try:
            runtime.run(mailboxes.check_at_start())
            reconciliation = runtime.run(
                Reconciliation.open(settings, mailboxes, name=name, connections=ASKING_CONNECTIONS)
            )
            if reconciliation is None:
                raise Failure(KEY_MISSING.format(variable=key_variable), exit_code=EX_CONFIG)
            try:
                yield reconciliation
            finally:
                runtime.run(reconciliation.close())
        finally:
            runtime.run(mailboxes.close())


def require_access(each: Sequence[ConsoleSettings]) -> None:
    """End the process where a server does not let us in as configured; a server that is away is shown as such."""
    with friendly_errors():
        runtime.run(_ask_for_access(each))


async def _ask_for_access(each: Sequence[ConsoleSettings]) -> None:
    settings = each[0]
    mailboxes = connect(settings)
    try:
        for one in each:
            await mailboxes.of_account(one.account).status()
    except MailboxDenied:
        raise
    except MailboxUnavailable:
        pass
    finally:
        await mailboxes.close()
    await check_connection_if_there(
        settings.database_url.get_secret_value(), application_name="cogento console"
    )


def connect(settings: MailboxSettings, *, timeout_seconds: float = TIMEOUT_SECONDS) -> Mailboxes:
    """Connect to the mailboxes; nothing is sent before the first use."""
    return Mailboxes.connect(
        settings.redis_url.get_secret_value(),
        shards=settings.mailbox_shards,
        ack=settings.ack_durability,
        replicas=settings.ack_replicas,
        limits=Limits(
            customer_events=settings.mailbox_customer_limit, total_events=settings.mailbox_total_limit
        ),
        timeout_seconds=timeout_seconds,
        max_connections=REDIS_CONNECTIONS,
        account=settings.account,
    )
