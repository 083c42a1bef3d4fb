"""Everything at once, as `cogento run` starts it, with the checker's triggers.

Its supervisor restarts what dies; tests/support/stack.py has the same processes without one.
"""

from __future__ import annotations

import signal
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from cogento.local.process import Command, Process
from cogento.local.services import ROOT
from tests.support import servers
from tests.support.checker import Checker
from tests.support.local_run import NOTHING_GIVEN, LocalRun
from tests.support.sender import Sender

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

    from tests.support.sender import Verdict

WORKER = (sys.executable, "-m", "worker")


class WholeSystem:
    """One `cogento run`, with a simulated Stripe or without.

    Nothing asks that Stripe unless `--ask` is among the options: a sweep would bring back lost events before they are judged,
    and an answer would decide what the events should decide.
    """

    def __init__(self, data: Path, *options: str) -> None:
        self.data = data
        self.added: list[Process] = []
        self.run = LocalRun(data, "--no-ask", *options).until_ready()
        facts = self.facts
        self.checker = Checker(
            facts["database_url"],
            facts["redis_url"],
            logs=data / "logs",
            secrets=set(filter(None, (facts["webhook_secret"], facts["stripe_api_key"]))),
        )
        self.checker.install()

    @property
    def facts(self) -> dict[str, Any]:
        """What run.json says now."""
        return self.run.facts

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
        stores = {"DATABASE_URL": facts["database_url"], "REDIS_URL": facts["redis_url"]}
        environment = NOTHING_GIVEN | stores
        for number in range(count):
            log = self.data / "logs" / f"worker-{number + 2}.log"
            command = Command(argv=WORKER, log=log, environment=environment, folder=ROOT)
            self.added.append(Process(command))

    @property
    def sender(self) -> Sender:
        """The simulated Stripe."""
        return Sender(self.facts["stripe_control_url"], self.facts["redis_url"])

    def check(self, *, sources_allowed: Collection[str] = ()) -> Verdict:
        """Judge what has become quiet."""
        return self.sender.verdict(self.checker, logs=[self._printed()], sources_allowed=sources_allowed)

    def _printed(self) -> Path:
        """What `cogento run` printed, but for its servers' URLs, which it is to show to whoever started it."""
        printed, facts = self.run.output.read_text(), self.facts
        for url in (facts["database_url"], facts["redis_url"]):
            printed = printed.replace(url, "")
        without_urls = self.run.output.with_name("printed")
        without_urls.write_text(printed)
        return without_urls

    def end(self) -> None:
        """Kill it and all that it started."""
        for process in self.added:
            process.kill()
        self.run.end()


@contextmanager
def whole_system(*options: str) -> Iterator[WholeSystem]:
    """A whole system in a folder of its own, that ends with the block; KEEP=1 keeps the folder."""
    home = servers.make_home()
    system = WholeSystem(home / "data", *options)
    try:
        yield system
    finally:
        system.end()
        servers.leave_home(home)
