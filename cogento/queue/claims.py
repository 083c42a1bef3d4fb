"""What is put into the mailboxes, claimed from them and settled: frozen values, no Redis."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

import msgspec

from cogento.queue.keys import FIRST_TAG

if TYPE_CHECKING:
    from cogento.events.names import CustomerId, EventId, LeaseToken
    from cogento.events.outcomes import Source


class PutResult(StrEnum):
    """What became of an envelope that was put."""

    QUEUED = "queued"
    DUPLICATE = "duplicate"  # the id is waiting already
    DUPLICATE_DIFFERS = "duplicate_differs"  # so is the id, with other content: the first one stays (B72)
    FULL = "full"  # a cap is reached; nothing was stored


class Put(msgspec.Struct, frozen=True):
    """The result for one envelope; `needs_wakeup` asks the caller to send workers one wake-up."""

    result: PutResult
    needs_wakeup: bool = False


@dataclass(frozen=True, slots=True)
class Limits:
    """How much may wait; beyond, a put answers FULL so that Stripe keeps the event and tries again."""

    customer_events: int = 10_000
    total_events: int = 2_000_000
    total_bytes: int = 4 * 1024**3  # as stored: usually a quarter of what came in


class QueuedEvent(msgspec.Struct, frozen=True):
    """One event of a claim; `attempts` failed so far, the first one at `first_attempt_ms`.

    `trace` is empty for an event that is not traced (cogento/tracing.py).
    """

    event_id: EventId
    body: bytes
    received_ms: int
    source: Source
    attempts: int = 0
    first_attempt_ms: int | None = None
    trace: bytes = b""


class CustomerBatch(msgspec.Struct, frozen=True):
    """One customer's claimed events, the oldest first.

    `crashes` counts the leases on this customer that expired in a row. `unknown` are events stored
    by a newer version of this program: settling parks them, so that they are neither read nor lost. `tag` is the shard that they
    were claimed from, and where they are settled, however many shards there are by then.
    """

    customer_id: CustomerId
    events: tuple[QueuedEvent, ...]
    crashes: int = 0
    unknown: tuple[EventId, ...] = ()
    tag: str = FIRST_TAG


@dataclass(frozen=True, slots=True)
class Claim:
    """Customers' events that belong to one worker until `expires_ms` (Redis's clock), or longer where it renews the lease."""

    token: LeaseToken
    batches: tuple[CustomerBatch, ...]
    expires_ms: int
    lease_ms: int

    @property
    def claimed_ms(self) -> int:
        """When it was claimed, by Redis's clock."""
        return self.expires_ms - self.lease_ms


@dataclass(frozen=True, slots=True)
class FailedAttempt:
    """An event that keeps its place, and what its next attempt needs to know; without attempts it only waits."""

    event_id: EventId
    attempts: int
    first_attempt_ms: int | None
    error_class: str
    code: str | None = None  # an SQLSTATE or the type of an exception


class Settlement(msgspec.Struct, frozen=True):
    """What became of one customer's batch; its lease ends with it.

    `done` events have a final outcome (a row in the ledger, or a dead letter) and leave the mailbox.
    `parked` ones step aside until the customer's row exists; `released` says that it does now, so that
    whatever is parked returns. An event that is named nowhere keeps its place. With `postponed_until_ms` the customer sleeps
    until then; otherwise, if events are left, it goes to the back of the line.
    """

    customer_id: CustomerId
    done: tuple[EventId, ...] = ()
    parked: tuple[EventId, ...] = ()
    failed: tuple[FailedAttempt, ...] = ()
    released: bool = False
    postponed_until_ms: int | None = None
