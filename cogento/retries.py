"""Every wait of the system and what ends it: one policy for each, and pure functions of these.

Four mechanisms try again:

- in place: a transaction that conflicted with another one runs again (cogento/store/database.py);
- postponed: an event keeps its place, or steps aside, and its customer waits in Redis (worker/batch.py, and
  worker/auto_retry.py for dead letters);
- outage: nothing is claimed or sent while a server is away (worker/outages.py, cogento/queue/circuit.py);
- request: Stripe is asked again, for the same request (cogento/stripe/requests.py) or the same object
  (cogento/reconcile/refetch.py).

Below them are the intervals of periodic work. docs/retries.md describes everything. The module of each dependency says which of
its errors belongs to which class. Time and randomness are passed in; nothing here waits. Time-outs of single requests are not
retries, and are defined where they are used.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

_DAY_SECONDS = 24 * 3600


@dataclass(frozen=True, slots=True)
class SendSlot:
    """When the next request to Stripe may be sent; with `blocked_seconds` none may be sent for that time."""

    wait_seconds: float
    blocked_seconds: float = 0.0


class FailureClass(StrEnum):
    """What kind of thing went wrong, and so whose fault it is."""

    CONTENTION = "contention"  # two transactions conflicted: the same again, in place
    INFRASTRUCTURE = "infrastructure"  # a dependency is away, or its answer was lost: no attempt spent
    OTHER_RELEASE = "other_release"  # a newer release can apply it: no attempt spent
    TRANSIENT = "transient"  # this event may succeed later: its customer waits
    PERMANENT = "permanent"  # this event can never be applied
    BUG = "bug"  # any unexpected error
    CRASHED_WORKER = "crashed_worker"  # its worker died, more than once


@dataclass(frozen=True, slots=True)
class Policy:
    """Delays in seconds; an event is given up when both limits are reached."""

    base_seconds: float
    cap_seconds: float
    attempts_limit: float
    age_limit_seconds: float = 0


POLICIES = {
    FailureClass.CONTENTION: Policy(base_seconds=0.01, cap_seconds=0.5, attempts_limit=5),
    FailureClass.INFRASTRUCTURE: Policy(base_seconds=0.5, cap_seconds=30, attempts_limit=math.inf),
    # No attempts are spent, so the wait does not grow: half a minute is short compared with a deployment, and long enough for a
    # release that was rolled back and finds many such rows.
    FailureClass.OTHER_RELEASE: Policy(base_seconds=30, cap_seconds=30, attempts_limit=math.inf),
    # Longer than a day's outage of Stripe's API.
    FailureClass.TRANSIENT: Policy(
        base_seconds=1, cap_seconds=300, attempts_limit=10, age_limit_seconds=_DAY_SECONDS
    ),
    FailureClass.PERMANENT: Policy(base_seconds=0, cap_seconds=0, attempts_limit=0),
    FailureClass.BUG: Policy(base_seconds=1, cap_seconds=30, attempts_limit=5),
    # Waits for the end of its lease. From the second crash on the customer is claimed alone, so that its
    # crash does not count for others.
    FailureClass.CRASHED_WORKER: Policy(base_seconds=0, cap_seconds=0, attempts_limit=4),
}

_MAX_DOUBLINGS = 32  # every cap is reached long before; this keeps 2**n small


def next_delay(
    failure_class: FailureClass, attempts: int, *, jitter: float, retry_after: float | None = None
) -> float:
    """Seconds to wait after the `attempts`-th failed attempt (1 or more), with full jitter.

    `jitter` is uniform in [0, 1). `retry_after` is what the other side asked for: the result is never less than that, and still
    spread out.
    """
    policy = POLICIES[failure_class]
    doublings = min(max(attempts - 1, 0), _MAX_DOUBLINGS)
    longest = min(policy.cap_seconds, policy.base_seconds * 2.0**doublings)
    return (retry_after or 0.0) + jitter * longest


def spent(failure_class: FailureClass, attempts: int, age_seconds: float) -> bool:
    """Tell whether to give up after `attempts` failed attempts, the first of them `age_seconds` ago."""
    policy = POLICIES[failure_class]
    return attempts >= policy.attempts_limit and age_seconds >= policy.age_limit_seconds


# In place, beside CONTENTION


@dataclass(frozen=True, slots=True)
class MigrationPolicy:
    """How a migration waits for locks that other sessions hold on its tables: it begins again."""

    lock_seconds: float = 2  # for one lock: sessions that wait behind it wait no longer
    longest_pause_seconds: float = 1.0  # until it begins again, with jitter
    limit_seconds: float = 120.0  # then somebody has to end what holds the locks


MIGRATION = MigrationPolicy()


# Postponed


@dataclass(frozen=True, slots=True)
class ParkingPolicy:
    """How long events wait for something that has not come: a subscription's for its customer, a thin event for its object."""

    try_again_seconds: float = 300  # the customer's row may have been written without the queue
    limit_seconds: float = 3 * _DAY_SECONDS  # as long as Stripe itself retries a delivery; then a dead letter


PARKING = ParkingPolicy()


@dataclass(frozen=True, slots=True)
class LetterRetryPolicy:
    """When a worker retries a dead letter by itself, and when it opens one again whose retry got lost."""

    gave_up_seconds: int = 600  # the customer's later events, which the failing event held back, go first
    lost_seconds: int = 60  # a retry reaches the queue within seconds; one that is not there by then was lost


LETTER_RETRY = LetterRetryPolicy()


# Outage


@dataclass(frozen=True, slots=True)
class CircuitPolicy:
    """When workers stop claiming because a dependency is away, and how they return."""

    errors_limit: int = 5  # a single lost connection stops nobody
    window_seconds: float = 10
    shortest_probe_pause_seconds: float = 0.5
    probe_seconds: float = 15  # what a probe may take before another worker makes one
    step_seconds: float = 1  # one worker, then two, then four …
    recovery_seconds: float = 8  # … and after eight steps everybody
    forgotten_seconds: float = 120  # an open circuit that no worker asks about is out of date


CIRCUIT = CircuitPolicy()

REDIS_CAP_SECONDS = 5.0
"""The longest pause between tries of Redis, to which requests cost little: every worker is back within ten seconds of its return."""

MASTER_REST_SECONDS = 1.0
"""How long a cluster's master that did not answer gets no requests; then one call tries for its whole process."""

BROKER_PAUSE_SECONDS = 1.0
"""How long no wake-up is sent after one failed: a broker that is away then costs a caller time at most once a second."""

WAKEUP_WINDOW_MS, MAX_WAKEUP_WINDOW_MS = 100, 60_000
"""How long after a wake-up no other is asked for; doubled with each that no worker answers, or they would pile up."""


def probe_pause(failures: int, *, jitter: float) -> float:
    """Return the seconds until the next probe of a dependency that was found away `failures` times in a row (1 or more)."""
    pause = next_delay(FailureClass.INFRASTRUCTURE, failures, jitter=jitter)
    return max(pause, CIRCUIT.shortest_probe_pause_seconds)


# Request


@dataclass(frozen=True, slots=True)
class RequestPolicy:
    """How often one request is sent to Stripe; the delays between are those of `transient`."""

    attempts_limit: int = 4
    longest_wait_seconds: float = (
        60.0  # a request that is asked to wait longer fails at once; the caller tries another time
    )
    slow_down_seconds: float = 1.0  # the pause of all processes after a 429 without Retry-After
    refused_seconds: float = (
        60.0  # the pause of all processes after the key was refused, which only a person can fix
    )


REQUEST = RequestPolicy()


@dataclass(frozen=True, slots=True)
class RefetchPolicy:
    """When an object whose row is in doubt, or that a thin event named, is fetched, and when again."""

    quiet_seconds: float = 3.0  # without an event: the answer is then surely later (docs/ordering.md)
    longest_seconds: float = 15.0  # an object that keeps changing is fetched after so long all the same
    dead_letter_seconds: float = 600.0  # after its event died: a later event or a person may come first
    dead_answer_seconds: float = _DAY_SECONDS  # after an answer died: another one would probably die as well
    pause_seconds: float = 10.0  # until the same object is fetched again; doubled each time
    longest_pause_seconds: float = 300.0
    missing_seconds: float = 3600.0  # until Stripe is asked again for what it does not know
    set_aside_seconds: float = (
        10.0  # makes room on a full page where the customer's events wait, perhaps for a person
    )
    remembered_seconds: float = 600.0  # how long after its pause the number of fetches is remembered


REFETCH = RefetchPolicy()


def refetch_pause(fetches: int, policy: RefetchPolicy = REFETCH, *, is_missing: bool = False) -> float:
    """Return the seconds until an object that was fetched `fetches` times in a row (1 or more) is fetched again."""
    doublings = min(fetches - 1, _MAX_DOUBLINGS)
    pause = min(policy.longest_pause_seconds, policy.pause_seconds * 2.0**doublings)
    return max(pause, policy.missing_seconds) if is_missing else pause


@dataclass(frozen=True, slots=True)
class VerifyPolicy:
    """How often a row that differs is compared again: an event may be on its way."""

    looks_limit: int = 6
    settle_seconds: float = 5.0  # the webhook has come by then, and Stripe's answer is surely later than it


VERIFY = VerifyPolicy()


# At intervals


@dataclass(frozen=True, slots=True)
class Intervals:
    """How often a process does its periodic work."""

    poll_seconds: float = 0.5  # for ready events, in case a wake-up was lost
    heartbeat_seconds: float = 5.0
    refetch_seconds: float = 2
    shard_move_seconds: float = 2  # checks whether the number of shards is to change, and moves mailboxes
    inspection_seconds: float = 5  # of the queue for what Redis lost; from start to start
    figures_seconds: float = 5  # of the tables, kept in Redis for the processes that show them
    missed_events_seconds: float = 15  # between checks whether a sweep is due
    sweep_seconds: float = 300  # from the end of one sweep to the next, of whichever worker
    sweep_grace_seconds: int = (
        60  # how old an event is before it counts as missing: its webhook may be on the way
    )
    letter_retry_seconds: float = 30
    paused_deletions_seconds: float = 30  # of customers who are paused and deleted in Stripe
    maintenance_seconds: float = 3600  # of the ledger's partitions
    repair_seconds: float = _DAY_SECONDS  # of rows that another release wrote
    after_failure_seconds: float = 60  # at most: a dependency of the task may have been away only briefly
    fence_tally_seconds: float = 5.0  # of what a receiver let in and kept out


INTERVALS = Intervals()

LINGER_MS_PER_EVENT = 2
MAX_LINGER_MS = 250


def linger_ms(events: int) -> int:
    """Return how long the next claim waits after one that found `events`, so that events gather.

    A batch has a fixed cost. So the wait grows with what was found: where 500 events a second come, claims grow until they are
    MAX_LINGER_MS apart, and where little comes nobody waits.
    """
    return min(events * LINGER_MS_PER_EVENT, MAX_LINGER_MS)
