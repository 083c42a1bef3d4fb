"""Dead letters for tests: written with their own bytes, and retried by commands in processes of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cogento import runtime
from cogento.events.names import CustomerId
from cogento.local.services import ROOT
from tests.support.builders import NOW, customer, event_body
from tests.support.servers import wait_until
from tests.support.store_letters import letter

if TYPE_CHECKING:
    from tests.support.post import Post

STATUSES = "SELECT status, count(*) AS letters FROM dead_letters GROUP BY status"
ENDS = "SELECT event_id, status, resolution FROM dead_letters ORDER BY id"
AGE = (
    "UPDATE dead_letters SET retrying_since = now() - INTERVAL '5 min' RETURNING id",
    "UPDATE dead_letter_actions SET happened_at = happened_at - INTERVAL '5 min' RETURNING id",
    "UPDATE operations SET heartbeat_at = heartbeat_at - INTERVAL '5 min' RETURNING id",
)


class Typed:
    """A `cogento letters` command that somebody typed, while it runs."""

    def __init__(self, environment: dict[str, str], *arguments: str) -> None:
        self.process = subprocess.Popen(
            (sys.executable, "-m", "cogento", "letters", *arguments),
            env=os.environ | environment,
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def ended(self) -> tuple[int, str, str]:
        """Wait for its end: exit code, output, errors."""
        output, errors = self.process.communicate(timeout=60)
        return self.process.returncode, output, errors

    def told(self) -> Any:
        """Wait for its end and read the JSON it printed."""
        return json.loads(self.ended()[1])


@dataclass
class LetterTrial:
    """Dead letters, and the commands that deal with them."""

    post: Post
    redis_url: str

    def insert_letters(self, *, customers: int = 1, events: int = 1) -> None:
        """Make dead letters of so many events of so many customers: each event gives its customer another name."""
        runtime.run(
            self.post.store.insert_dead_letters(
                [self._letter(f"cus_{n}", turn) for turn in range(events) for n in range(customers)]
            )
        )

    def type(self, *arguments: str) -> Typed:
        """Begin a `cogento letters` command."""
        urls = {"DATABASE_URL": self.post.database_url, "REDIS_URL": self.redis_url}
        return Typed(urls, *arguments)

    def statuses(self) -> dict[str, int]:
        """Count the letters by status."""
        return {row["status"]: row["letters"] for row in self.post.rows(STATUSES)}

    def ends(self) -> list[tuple[str, str, str | None]]:
        """Return event, status and resolution of each letter."""
        return [(row["event_id"], row["status"], row["resolution"]) for row in self.post.rows(ENDS)]

    def await_statuses(self, **wanted: int) -> None:
        """Wait until there are so many letters of each status."""
        wait_until(lambda: self.statuses() == wanted, what=f"letters to be {wanted}", seconds=40)

    def age(self) -> None:
        """Make every retry, and every heartbeat of an operation, some minutes older."""
        for statement in AGE:
            self.post.rows(statement)

    def _letter(self, customer_id: str, turn: int) -> Any:
        event, created = f"{customer_id}_{turn}", NOW + 10 * turn
        object_ = customer(customer_id, name=f"Name {turn}")
        body = event_body("customer.updated", object_, id_=f"evt_{event}", created=created)
        return letter(
            event,
            customer_id=CustomerId(customer_id),
            object_id=customer_id,
            created=created,
            raw_body=body,
            attempts=0,
        )
