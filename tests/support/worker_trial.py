"""A test of one worker: events that are claimed together, and a check of what became of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cogento.events.envelope import parse_envelope
from tests.support.ambiguity_oracle import AmbiguityOracle
from tests.support.builders import NOW, customer, event_body
from tests.support.servers import patiently, wait_until

if TYPE_CHECKING:
    from collections.abc import Collection

    from tests.support.checker import Checker
    from tests.support.post import Post

CUSTOMERS = "SELECT stripe_customer_id AS id, name FROM users ORDER BY id"


@dataclass
class WorkerTrial:
    """Puts histories into mailboxes, and knows their expected results."""

    post: Post
    checker: Checker
    bodies: dict[str, bytes] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)

    @property
    def ids(self) -> list[str]:
        """The events that were put."""
        return [*self.bodies]

    def put(self, *, customers: int = 10, events: int = 2, **fields: Any) -> None:
        """Put so many events of so many customers, evt_cus_0_0 and so on; workers see all of it at once."""
        turns = [(f"cus_{number}", turn) for number in range(customers) for turn in range(events)]
        bodies = {_id(*turn): _renaming(*turn, fields) for turn in turns}
        self.bodies |= bodies
        self.names |= {customer_id: f"Name {turn}" for customer_id, turn in turns}
        envelopes = [parse_envelope(body, now=NOW + events) for body in bodies.values()]
        patiently(lambda: self.post.mailboxes.put(envelopes))

    def await_quiet(self, *, seconds: float = 60) -> None:
        """Wait until no event waits and no customer is leased."""
        wait_until(self._is_quiet, what="empty mailboxes", seconds=seconds)

    def named(self) -> dict[str, str]:
        """Return each customer's name as the tables have it."""
        return {row["id"]: row["name"] for row in self.post.rows(CUSTOMERS)}

    def problems(self, *, attempts_allowed: int = 0, dead_allowed: Collection[str] = ()) -> tuple[str, ...]:
        """Return the problems of what happened; events in `dead_allowed` are not problems."""
        told = (body for id_, body in self.bodies.items() if id_ not in dead_allowed)
        judgement = self.checker.judge(
            accepted=self.ids,
            oracle=AmbiguityOracle.of(told),
            attempts_allowed=attempts_allowed,
            dead_allowed=dead_allowed,
        )
        return judgement.problems

    def _is_quiet(self) -> bool:
        status = self.post.mailboxes.status()
        return status.waiting == status.leased == 0


def _id(customer_id: str, turn: int) -> str:
    return f"evt_{customer_id}_{turn}"


def _renaming(customer_id: str, turn: int, fields: dict[str, Any]) -> bytes:
    """An event that gives the customer another name, from the second turn on with the previous name."""
    before = customer(customer_id, name=f"Name {turn - 1}", **fields) if turn else None
    after = customer(customer_id, name=f"Name {turn}", **fields)
    return event_body(
        "customer.updated", after, id_=_id(customer_id, turn), created=NOW + turn, before=before
    )
