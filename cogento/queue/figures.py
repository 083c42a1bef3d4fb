"""What the queue, its server and the workers look like from outside: one reading, for pages and for metrics."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cogento.queue.errors import MailboxRefused
from cogento.queue.worker_registry import Workforce

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cogento.queue.checks import ServerFacts
    from cogento.queue.fence import KeptOut
    from cogento.queue.mailboxes import Mailboxes


@dataclass(frozen=True, slots=True)
class QueueFigures:
    """The queue: events received, waiting and parked; customers ready, leased, sleeping and paused.

    `waits_for` names what workers have stopped for, and why. `kept_out` is what receivers kept out while they let
    nothing in. `counters` are what workers count (delays.py). `server` is None where it cannot keep the promise that
    is configured.
    """

    received_total: int
    settled_total: int
    repaired_total: int
    lost_total: int
    waiting: int
    ready: int
    leased: int
    sleeping: int
    parked: int
    paused: int
    halted: bool
    oldest_event_age_seconds: float | None
    waits_for: Mapping[str, str]
    kept_out: KeptOut | None
    workforce: Workforce
    counters: Mapping[str, int]
    server: ServerFacts | None


def read_figures(mailboxes: Mailboxes) -> QueueFigures:
    """Ask Redis, in a handful of short commands; raises MailboxUnavailable."""
    status = mailboxes.status()
    try:
        server = mailboxes.check()
    except MailboxRefused:
        server = None
    return QueueFigures(
        received_total=status.counters.accepted,
        settled_total=status.counters.settled,
        repaired_total=status.counters.repaired,
        lost_total=status.counters.lost,
        waiting=status.waiting,
        ready=status.ready,
        leased=status.leased,
        sleeping=status.sleeping,
        parked=status.parked,
        paused=status.paused,
        halted=status.halted,
        oldest_event_age_seconds=status.oldest_event_age_seconds,
        waits_for=waits_for_what(mailboxes),
        kept_out=mailboxes.fence_notes.everything_kept_out(),
        workforce=Workforce(mailboxes.workers.seen(), status.now_ms),
        counters=mailboxes.workers.delays(),
        server=server,
    )


def waits_for_what(mailboxes: Mailboxes) -> dict[str, str]:
    """Name what workers have stopped for, and why."""
    return {str(circuit.dependency): circuit.why for circuit in mailboxes.open_circuits()}
