"""One worker's trial: mail that is claimed as a whole, and a judge of what became of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from events.envelope import open_envelope
from tests.builders import NOW, customer, event_body
from tests.servers import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from events.envelope import Envelope
    from tests.checker import Checker
    from tests.integration.worker.post import Post

CUSTOMERS = "SELECT stripe_customer_id AS id, name FROM users ORDER BY id"


@dataclass
class WorkerTrial:
    """Puts histories into mailboxes, and knows how they must end."""

    post: Post
    checker: Checker
    logs: Path
    ids: list[str] = field(default_factory=list)
    names: dict[str, str] = field(default_factory=dict)

    def put(self, *, customers: int = 10, events: int = 2, **fields: Any) -> None:
        """Put so many events of so many customers, evt_cus_0_0 and so on; workers see all of it at once."""
        turns = [(f"cus_{number}", turn) for number in range(customers) for turn in range(events)]
        envelopes = [_renaming(customer_id, turn, fields) for customer_id, turn in turns]
        self.ids += [envelope.event_id for envelope in envelopes]
        self.names |= {customer_id: f"Name {turn}" for customer_id, turn in turns}
        self.post.mailboxes.put(envelopes)

    def await_quiet(self, *, seconds: float = 60) -> None:
        """Wait until no mail waits and nobody holds any."""
        wait_until(self._is_quiet, what="empty mailboxes", seconds=seconds)

    def named(self) -> dict[str, str]:
        """Return each customer's name as the tables have it."""
        return {row["id"]: row["name"] for row in self.post.rows(CUSTOMERS)}

    def problems(self, *, attempts_allowed: int = 0) -> tuple[str, ...]:
        """Return what is wrong with what happened."""
        judgement = self.checker.judge(
            accepted=self.ids, logs=sorted(self.logs.glob("worker-*.log")), attempts_allowed=attempts_allowed
        )
        return judgement.problems

    def _is_quiet(self) -> bool:
        status = self.post.mailboxes.status()
        return status.waiting == status.leased == 0


def _renaming(customer_id: str, turn: int, fields: dict[str, Any]) -> Envelope:
    """An event from which on the customer has another name."""
    body = event_body(
        "customer.updated",
        customer(customer_id, name=f"Name {turn}", **fields),
        id_=f"evt_{customer_id}_{turn}",
        created=NOW + turn,
    )
    return open_envelope(body, now=NOW + turn)
