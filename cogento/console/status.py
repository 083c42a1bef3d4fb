"""How things stand, as one value: what waits, what was done, what failed, and what a 2xx is worth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cogento import runtime
from cogento.console.messages import describe_kept_out
from cogento.queue.durability import warning_of
from cogento.queue.figures import read_figures

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cogento.queue.mailboxes import Mailboxes
    from cogento.store.store import Store

LISTED = 5


@dataclass(frozen=True, slots=True)
class StatusReport:
    """Events waiting and parked; customers leased, sleeping and paused; unresolved letters; unsure rows.

    `to_ask` are objects that thin events told of and Stripe was not asked for yet.
    `repaired_total` counts what Redis had lost from the line and was put back, `lost_total` events whose bytes it lost.
    `dead_removals` are those letters that end what a row still shows.
    `workers` live, `worker_versions` says how many of each version, and one of them settled mail
    `idle_seconds` ago. Sweeps found `missing_total` events missing, and looked for them up to
    `swept_until_seconds_ago`, the last time `swept_seconds_ago`. `waits_for` names what they have stopped for, and why. Totals since the beginning.
    `waits_longest` has some customers with mail and the age of their first event, in seconds.
    `kept_out` says why no event is taken at all, where a setting keeps all of them out.
    Field names are the keys of `cogento status --json`.
    """

    waiting: int
    leased: int
    sleeping: int
    parked: int
    paused: int
    everything_paused: bool
    dead: int
    dead_removals: int
    unsure: int
    oldest_event_age_seconds: float | None
    repaired_total: int
    lost_total: int
    received_total: int
    settled_total: int
    applied_total: int
    ack_durability: str
    ack_means: str
    ack_warning: str | None
    redis: str
    workers: int
    worker_versions: Mapping[str, int]
    idle_seconds: float | None
    waits_longest: Mapping[str, float]
    waits_for: Mapping[str, str]
    kept_out: str | None
    to_ask: int
    missing_total: int
    swept_until_seconds_ago: int | None
    swept_seconds_ago: int | None


def read_status(mailboxes: Mailboxes, store: Store) -> StatusReport:
    """Ask both servers; raises what they raise, and MailboxRefused when Redis cannot keep the promise."""
    facts = mailboxes.check()
    queue, now_ms = read_figures(mailboxes), mailboxes.now_ms()
    tables = runtime.run(store.figures())
    sweeping = tables.sweeping
    return StatusReport(
        waiting=queue.waiting,
        leased=queue.leased,
        sleeping=queue.sleeping,
        parked=queue.parked,
        paused=queue.paused,
        everything_paused=queue.halted,
        dead=tables.dead,
        dead_removals=tables.removals,
        unsure=tables.unsure,
        oldest_event_age_seconds=queue.oldest_event_age_seconds,
        repaired_total=queue.repaired_total,
        lost_total=queue.lost_total,
        received_total=queue.received_total,
        settled_total=queue.settled_total,
        applied_total=tables.applied_total,
        ack_durability=facts.ack,
        ack_means=facts.ack_means,
        ack_warning=warning_of(facts.ack),
        redis=f"{facts.name} {facts.version}",
        workers=queue.workforce.alive,
        worker_versions=queue.workforce.versions,
        idle_seconds=queue.workforce.idle_seconds,
        waits_longest={
            customer_id: max(now_ms - received_ms, 0) / 1000
            for customer_id, received_ms in mailboxes.waits_longest(limit=LISTED)
        },
        waits_for=queue.waits_for,
        kept_out=describe_kept_out(queue.kept_out),
        to_ask=tables.to_ask,
        missing_total=sweeping.missing,
        swept_until_seconds_ago=_ago(sweeping.watermark, sweeping.now),
        swept_seconds_ago=_ago(sweeping.finished, sweeping.now),
    )


def _ago(second: int | None, now: int) -> int | None:
    return None if second is None else max(now - second, 0)
