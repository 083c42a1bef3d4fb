"""A harness for tests of the worker: real mailboxes, a real database, batches processed on demand."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

from cogento import runtime
from cogento.events.envelope import parse_envelope
from cogento.queue.circuit import Dependency
from cogento.queue.durability import AckDurability
from cogento.store.store import Store
from tests.support import builders
from tests.support.databases import look
from tests.support.looped import LoopedMailboxes
from tests.support.servers import PATIENT_SECONDS, patiently
from worker.batch import BatchProcessor
from worker.heartbeat import WorkerHeartbeat
from worker.loop import BatchLinger, BatchSize, WorkerLoop, warn_ambiguous
from worker.outages import Backoff, LocalCircuit

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from cogento.events.names import ObjectId
    from tests.support.builders import Json

SIZE = BatchSize(customers=100, events=200, lease_seconds=30)


@dataclass(frozen=True)
class Post:
    """The servers, the mailboxes and the worker loop of a test."""

    mailboxes: LoopedMailboxes
    store: Store
    database_url: str

    @classmethod
    def open(cls, redis_url: str, database_url: str, worker_url: str | None = None) -> Self:
        """Connect to both servers, as a worker does by `worker_url`."""
        mailboxes = LoopedMailboxes.connect(
            redis_url, ack=AckDurability.REDIS, timeout_seconds=PATIENT_SECONDS
        )
        opening = Store.open(worker_url or database_url, pool_size=3, application_name="cogento worker")
        return cls(mailboxes, runtime.run(opening), database_url)

    def close(self) -> None:
        """Close the connections of both."""
        runtime.run(self.store.close())
        self.mailboxes.close()

    @cached_property
    def heartbeat(self) -> WorkerHeartbeat:
        """The heartbeat of the worker that drains here."""
        mailboxes = self.mailboxes
        return WorkerHeartbeat(
            mailboxes.looped.workers,
            worker="post:1",
            version="1",
            shards=1,
            now_ms=mailboxes.looped.now_ms,
            clock=time.monotonic,
        )

    def put(self, type_: str, object_: Json, **fields: Any) -> str:
        """Put one event into its mailbox, and return its id."""
        body = builders.event_body(type_, object_, **fields)
        envelope = parse_envelope(body, now=int(time.time()))
        patiently(lambda: self.mailboxes.put([envelope]))
        return envelope.event_id

    def drain(
        self,
        store: Any = None,
        *,
        size: BatchSize = SIZE,
        on_ambiguous: Callable[[Collection[ObjectId]], object] = warn_ambiguous,
    ) -> None:
        """Process events until none is ready."""
        runtime.run(self.loop(store, size=size, on_ambiguous=on_ambiguous).run())

    def loop(
        self,
        store: Any = None,
        *,
        size: BatchSize = SIZE,
        on_ambiguous: Callable[[Collection[ObjectId]], object] = warn_ambiguous,
    ) -> WorkerLoop:
        """Make a worker's loop between mailboxes and tables."""
        mailboxes = self.mailboxes.looped
        circuit = mailboxes.circuit(Dependency.POSTGRES)
        return WorkerLoop(
            mailboxes,
            BatchProcessor(store or self.store, now_ms=mailboxes.now_ms, jitter=random.random),
            circuit=LocalCircuit(circuit, probe=self.store.ping_write, jitter=random.random),
            backoff=Backoff(clock=time.monotonic, jitter=random.random),
            size=size,
            on_ambiguous=on_ambiguous,
            heartbeat=self.heartbeat,
            linger=BatchLinger(clock=time.monotonic),
        )

    def rows(self, query: str, *parameters: object) -> list[dict[str, Any]]:
        """Read from the tables, over a connection of its own."""
        return runtime.run(_fetch(self.database_url, query, *parameters))

    def ledger(self) -> dict[str, str]:
        """Outcome by event id."""
        return {
            r["event_id"]: r["outcome"] for r in self.rows("SELECT event_id, outcome FROM webhook_events")
        }


async def _fetch(database_url: str, query: str, *parameters: object) -> list[dict[str, Any]]:
    connection = await look(database_url)
    try:
        return [dict(row) for row in await connection.fetch(query, *parameters)]
    finally:
        await connection.close()
