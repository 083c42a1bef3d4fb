"""Everything at once, as `cogento run` starts it, with faults to do to it and a checker at the end.

The checker is the promise: what was answered 2xx is in the ledger (a dead letter has its row there too), and
the rows equal the simulated Stripe's truth.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.request import Request, urlopen

import psycopg

from local.ports import free_port
from local.process import Command, Process
from local.program import ROOT
from local.stripe.compare import Comparison, compare
from local.stripe.truth_lines import read_truth
from mailboxes.durability import AckDurability
from mailboxes.mailboxes import Mailboxes
from tests import servers

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from mailboxes.status import MailboxStatus

READY_SECONDS = 90
ASK_SECONDS = 300
WORKER = (
    sys.executable,
    *("-m", "celery", "--app", "worker.app", "worker", "--pool=threads"),
    *("--without-gossip", "--without-mingle", "--without-heartbeat"),
)
NOTHING_GIVEN = dict.fromkeys(("DATABASE_URL", "REDIS_URL", "STRIPE_WEBHOOK_SECRET", "STRIPE_API_KEY"), "")


@dataclass(frozen=True)
class Verdict:
    """What the checker found; `unaccounted` were answered 2xx and are nowhere."""

    events: int
    accepted: int
    attempts: int
    unaccounted: frozenset[str]
    outcomes: dict[str, int]
    comparison: Comparison


class WholeSystem:
    """One `cogento run`, with a simulated Stripe or without."""

    def __init__(self, data: Path, *options: str) -> None:
        self.data = data
        self.output = data.with_name("output")
        self.added: list[Process] = []
        argv = (
            sys.executable,
            "-m",
            "cogento",
            "run",
            "--data",
            str(data),
            "--port",
            str(free_port()),
        )
        self.process = Process(
            Command(argv=(*argv, *options), log=self.output, environment=NOTHING_GIVEN, folder=ROOT)
        )
        servers.wait_until(self._is_ready, what="cogento run to be ready", seconds=READY_SECONDS)

    @property
    def facts(self) -> dict[str, Any]:
        """What run.json says now."""
        facts: dict[str, Any] = json.loads((self.data / "run.json").read_text())
        return facts

    def kill(self, name: str) -> None:
        """SIGKILL one of its processes with all its children, and wait until another has taken its place."""
        pid = self.facts["pids"][name]
        for victim in servers.processes_under(pid):
            servers.send(victim, signal.SIGKILL)
        servers.wait_until(
            lambda: self.facts["pids"].get(name) not in (None, pid),
            what=f"{name} to be restarted",
            seconds=30,
        )

    def add_workers(self, count: int) -> None:
        """Start further worker processes beside the one that `cogento run` supervises."""
        facts = self.facts
        environment = {"DATABASE_URL": facts["database_url"], "REDIS_URL": facts["redis_url"]}
        for number in range(count):
            log = self.data / "logs" / f"worker-{number + 2}.log"
            command = Command(argv=WORKER, log=log, environment=environment, folder=ROOT)
            self.added.append(Process(command))

    def ask(self, path: str, body: object = None) -> bytes:
        """Ask the simulated Stripe."""
        request = Request(
            f"{self.facts['stripe_control_url']}/{path}",
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urlopen(request, timeout=ASK_SECONDS) as answer:
            content: bytes = answer.read()
        return content

    def status(self) -> MailboxStatus:
        """How much waits."""
        mailboxes = Mailboxes.connect(self.facts["redis_url"], ack=AckDurability.REDIS)
        try:
            return mailboxes.status()
        finally:
            mailboxes.close()

    def become_quiet(self, *, seconds: float) -> None:
        """End the account's life, let every delivery be answered 2xx, and every mailbox empty."""
        drained = json.loads(self.ask("drain", {"timeout_seconds": seconds}))
        assert drained["drained"], drained
        servers.wait_until(lambda: self.status().waiting == 0, what="empty mailboxes", seconds=seconds)

    def check(self) -> Verdict:
        """Hold the sender's record against the ledger, and the tables against the truth."""
        attempts = [json.loads(line) for line in self.ask("history").splitlines()]
        accepted = {attempt["event_id"] for attempt in attempts if 200 <= attempt["status"] < 300}
        ledger = self._ledger()
        return Verdict(
            events=len({attempt["event_id"] for attempt in attempts}),
            accepted=len(accepted),
            attempts=len(attempts),
            unaccounted=frozenset(accepted - ledger.keys()),
            outcomes={
                outcome: list(ledger.values()).count(outcome) for outcome in sorted(set(ledger.values()))
            },
            comparison=asyncio.run(compare(self.facts["database_url"], read_truth(self.ask("truth")))),
        )

    def end(self) -> None:
        """Kill it and all that it started."""
        family = servers.processes_under(self.process.pid)
        for process in (*self.added, self.process):
            process.kill()
        for pid in family:
            servers.send(pid, signal.SIGKILL)
        servers.wait_until(lambda: not any(map(servers.is_alive, family)), what="all processes to end")

    def _ledger(self) -> dict[str, str]:
        with psycopg.connect(self.facts["database_url"]) as connection:
            return dict(connection.execute("SELECT event_id, outcome FROM webhook_events").fetchall())

    def _is_ready(self) -> bool:
        assert self.process.exit_code() is None, self.output.read_text()
        return (self.data / "run.json").exists() and self.facts["pid"] == self.process.pid


@contextmanager
def whole_system(*options: str) -> Iterator[WholeSystem]:
    """A whole system in a folder of its own, that ends with the block; KEEP=1 keeps the folder."""
    home = servers.make_home()
    system = WholeSystem(home / "data", *options)
    try:
        yield system
    finally:
        system.end()
        if not os.environ.get("KEEP"):
            shutil.rmtree(home, ignore_errors=True)
