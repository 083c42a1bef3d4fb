"""What a person sees of `cogento run`: lines that stay, addresses, and a status line that is overwritten.

A closed or broken output is no reason to stop.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import threading
import time
from typing import TYPE_CHECKING, TextIO

from cogento import runtime
from cogento.database_schema import for_people, split_schema
from cogento.queue.figures import read_figures
from cogento.queue.mailboxes import Mailboxes
from cogento.store.store import Store

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cogento.local.services import LocalSystem, Servers
    from cogento.queue.figures import QueueFigures
    from cogento.store.figures import TableFigures

ERASE_LINE = "\r\x1b[2K"
ASK_SECONDS = 3.0
SHARE_OF_TIME = 0.02
"""Counting costs more as the ledger grows: at most this share of the time is spent on it."""


class Terminal:
    """The output of `cogento run`; `out` may be closed or broken."""

    def __init__(self, out: TextIO | None) -> None:
        self._out = out
        self.is_live = out is not None and out.isatty() and os.environ.get("TERM") != "dumb"
        self._status = ""

    def say(self, line: str) -> None:
        """Write a line that stays."""
        self._write(f"{ERASE_LINE if self._status else ''}{line}\n{self._status}")

    def show_status(self, line: str) -> None:
        """Write the line over the last one shown, on a terminal; elsewhere as a line of its own."""
        if not self.is_live:
            self.say(line)
            return
        self._status = line[: shutil.get_terminal_size().columns - 1]
        self._write(f"{ERASE_LINE}{self._status}")

    def end_status(self) -> None:
        """Leave the status shown last where it is."""
        if self._status:
            self._status = ""
            self._write("\n")

    def _write(self, text: str) -> None:
        if self._out is None:
            return
        with contextlib.suppress(OSError, ValueError):  # the reader has gone
            self._out.write(text)
            self._out.flush()


def occupy_standard_streams() -> None:
    """Open those of the descriptors 0, 1 and 2 that are closed, so that no file of ours gets one of them, to which children write."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)


def describe_run(system: LocalSystem, given: Mapping[str, str]) -> str:
    """Say where everything is; URLs that came from the environment may hold a real password and are not shown."""
    simulation = system.simulation
    stripe = (
        "not simulated: send events with `cogento send`, or with `stripe listen --events … --forward-to …`"
    )
    if system.fill is not None:
        stripe = "your account; the tables are filled from it, and webhooks are taken"
    if simulation is not None:
        stripe = f"simulated, {simulation.events_per_second:g} events a second, API at {simulation.api_url}"
    if system.poll_seconds is not None:
        stripe += f"; its events are read every {system.poll_seconds} s"
    return "\n".join(
        [
            "Everything runs; Ctrl-C stops it.",
            f"  webhooks   {_places(system)}",
            f"  console    {system.console_url()}",
            f"  Postgres   {'from DATABASE_URL' if given.get('DATABASE_URL') else for_people(system.servers.database_url)}",
            f"  Redis      {'from REDIS_URL' if given.get('REDIS_URL') else system.servers.redis_url}",
            f"  Stripe     {stripe}",
            f"  logs       {system.folder.path / 'logs'}",
            f"  all this, the signing secret and process ids: {system.folder.run_file}",
        ]
    )


def _places(system: LocalSystem) -> str:
    """Say where webhooks go; with several accounts, for each one, and also where its tables are."""
    if len(system.accounts) == 1:
        return system.receiver_url()
    lines = [
        f"{name:<10} {system.receiver_url(name)}, tables in {split_schema(system.servers.tables_of(name))[1]}"
        for name in system.account_names
    ]
    return "\n             ".join([*lines, "commands take --account NAME"])


def describe_status(queues: Sequence[QueueFigures], tables: Sequence[TableFigures]) -> str:
    """Describe the progress of all accounts, added up; the lag is the longest of any."""
    parked = sum(queue.parked for queue in queues)
    lag = max(queue.oldest_event_age_seconds or 0.0 for queue in queues)
    return (
        f"received {sum(queue.received_total for queue in queues):,}"
        f" · processed {sum(queue.settled_total for queue in queues):,}"
        f" (applied {sum(one.applied_total for one in tables):,})"
        f" · waiting {sum(queue.waiting for queue in queues):,}"
        f"{f' · waiting for their customer {parked:,}' if parked else ''}"
        f" · dead {sum(one.dead for one in tables):,} · lag {lag:.1f} s"
    )


class StatusLine:
    """Keeps polling both servers about all accounts, in a thread of its own, so that a slow or absent server delays nothing else.

    `text` has the last figures.
    """

    def __init__(self, servers: Servers, accounts: Sequence[str], *, every_seconds: float) -> None:
        self.text = ""
        self._every_seconds = every_seconds
        mailboxes = Mailboxes.connect(servers.redis_url, shards=servers.mailbox_shards or 1, ack=None)
        first = runtime.run(
            Store.open(
                servers.database_url,
                pool_size=1,
                application_name="cogento run",
                schemas=len(accounts),
            ),
            timeout_seconds=ASK_SECONDS,
        )
        self._mailboxes = [mailboxes.of_account(account) for account in accounts]
        schemas = [split_schema(servers.tables_of(account))[1] for account in accounts]
        self._stores = [first, *map(first.in_schema, schemas[1:])]
        threading.Thread(target=self._keep_asking, name="status-line", daemon=True).start()

    def _keep_asking(self) -> None:
        while True:
            begun = time.monotonic()
            try:
                queues = [runtime.run(read_figures(one)) for one in self._mailboxes]
                tables = [runtime.run(one.figures()) for one in self._stores]
            except Exception as error:  # noqa: BLE001 - whatever it is, the processes go on and so do we
                self.text = f"no numbers just now ({type(error).__name__})"
            else:
                self.text = describe_status(queues, tables)
            took = time.monotonic() - begun
            time.sleep(max(self._every_seconds, took / SHARE_OF_TIME))
