"""The simulated Stripe as tests use it: they control it, and ask it for the truth and its record of deliveries."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.request import Request, urlopen

from cogento.local.stripe.truth import read_truth
from tests.support import servers
from tests.support.ambiguity_oracle import AmbiguityOracle
from tests.support.looking import redis_at
from tests.support.looped import LoopedMailboxes
from tests.support.mailbox_invariants import broken_invariants

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from pathlib import Path

    from cogento.queue.status import MailboxStatus
    from tests.support.checker import Checker, Judgement, Standing

ASK_SECONDS = 900


@dataclass(frozen=True)
class Verdict:
    """How many events were to be sent, how many of them were answered 2xx in how many attempts, and what the checker found.

    Further `lost` events were never to be sent.
    """

    events: int
    accepted: int
    attempts: int
    lost: int
    judgement: Judgement

    @property
    def problems(self) -> list[str]:
        """The problems: those of accepted events, and events that were never accepted."""
        refused = self.events - self.accepted
        return [*self.judgement.problems, *([f"I6: never answered 2xx: {refused}"] if refused else [])]


@dataclass(frozen=True, slots=True)
class Sender:
    """A running simulation, reached by its control URL, and the mailboxes that it fills."""

    control_url: str
    redis_url: str

    def ask(self, path: str, body: object = None) -> bytes:
        """Ask the simulation, or tell it something."""
        request = Request(
            f"{self.control_url}/{path}",
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urlopen(request, timeout=ASK_SECONDS) as answer:
            content: bytes = answer.read()
        return content

    def counters(self) -> dict[str, Any]:
        """How far it is."""
        counters: dict[str, Any] = json.loads(self.ask("counters"))
        return counters

    def status(self) -> MailboxStatus:
        """How much waits."""
        mailboxes = LoopedMailboxes.connect(self.redis_url, ack=None)
        try:
            return mailboxes.status()
        finally:
            mailboxes.close()

    def become_quiet(self, *, seconds: float) -> None:
        """Stop making events, and wait until every delivery is answered 2xx and every mailbox is empty."""
        drained = json.loads(self.ask("drain", {"timeout_seconds": seconds}))
        assert drained["drained"], drained
        try:
            servers.wait_until(self.is_tidy, what="empty mailboxes", seconds=seconds)
        except AssertionError as late:
            raise AssertionError(f"{late}: {self.status()}, {self._broken()[:5]}") from late

    def is_tidy(self) -> bool:
        """Tell whether no event waits, and no damage by lost keys is left to repair."""
        return self.status().waiting == 0 and self._broken() == []

    def _broken(self) -> list[str]:
        with redis_at(self.redis_url) as client:
            tags = {
                key.decode().partition("}")[0] + "}" for key in client.scan_iter("{cogento:*", count=1000)
            }
            return [name for tag in sorted(tags) for name in broken_invariants(client, tag)]

    def last_second(self) -> int:
        """Return the stamp of the last event of objects of which an event is missing, in Unix seconds: perhaps after now."""
        seconds: list[int] = [json.loads(body)["created"] for body in self._events(self._lossy())]
        return max(seconds)

    def _lossy(self) -> list[str]:
        """The objects of which an event is never sent."""
        ids: list[str] = json.loads(self.ask("lost"))
        return ids

    def _events(self, object_ids: Collection[str]) -> list[bytes]:
        return self.ask("events", {"objects": list(object_ids)}).splitlines()

    def oracle(self, standing: Standing, accepted: Collection[str]) -> AmbiguityOracle:
        """Judge the events that came of unsure rows, and of objects of which an event was never sent."""
        lossy = self._lossy()
        bodies = self._events([*standing.unsure, *lossy])
        return AmbiguityOracle.of(bodies, came={*accepted, *standing.outcomes}, lossy=lossy)

    def verdict(
        self,
        checker: Checker,
        *,
        logs: Iterable[Path] = (),
        attempts_allowed: int = 0,
        sources_allowed: Collection[str] = (),
    ) -> Verdict:
        """Judge a system that has become quiet, by the record of deliveries, and by the truth as far as events were sent."""
        attempts = [json.loads(line) for line in self.ask("history").splitlines()]
        accepted = {attempt["event_id"] for attempt in attempts if 200 <= attempt["status"] < 300}
        counters, standing = self.counters(), checker.standing()
        oracle = self.oracle(standing, accepted)
        truth = self.ask("truth", {"told": oracle.told(standing.unsure)})
        return Verdict(
            events=counters["events"] - counters["lost_events"],
            accepted=len(accepted),
            attempts=len(attempts),
            lost=counters["lost_events"],
            judgement=checker.judge(
                accepted=accepted,
                truth=read_truth(truth),
                oracle=oracle,
                logs=logs,
                waiting_allowed=len(oracle.orphans),
                attempts_allowed=attempts_allowed,
                sources_allowed=sources_allowed,
            ),
        )
