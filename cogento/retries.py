"""Every wait of the system and what ends it: one policy for each, and pure functions of them.

Four mechanisms try again:

- in place: a transaction that met another one runs again (cogento/store/database.py);
- postponed: an event keeps its place, or steps aside, and its customer waits in Redis (worker/batch.py, and
  worker/auto_retry.py for dead letters);
- outage: nothing is claimed or sent while a server is away (worker/outages.py, cogento/queue/circuit.py);
- request: Stripe is asked again, for the same request (cogento/stripe/requests.py) or the same object
  (cogento/reconcile/refetch.py).

Below them stands what is done at intervals. docs/retries.md tells all of it. Which error belongs to which class is said
next to the dependency that raises it. Time and randomness are passed in; nothing here waits. How long one answer may
take is no retry: time-outs stand where they are set.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

_DAY_SECONDS = 24 * 3600


class FailureClass(StrEnum):
    """What kind of thing went wrong, and so whose fault it is."""

    CONTENTION = "contention"  # two transactions met: the same again, in place
    INFRASTRUCTURE = "infrastructure"  # a dependency is away, or its answer lost: no attempt spent
    OTHER_RELEASE = "other_release"  # a newer release can apply it: no attempt spent
    TRANSIENT = "transient"  # this event may succeed later: its customer waits
    PERMANENT = "permanent"  # this event can never be applied
    BUG = "bug"  # anything we did not foresee
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
    # Without attempts the wait does not grow: half a minute is little beside a deployment, and rare enough for
    # a release that went back and finds many such rows.
    FailureClass.OTHER_RELEASE: Policy(base_seconds=30, cap_seconds=30, attempts_limit=math.inf),
    # Outlives an outage of Stripe's API of a day.
    FailureClass.TRANSIENT: Policy(
        base_seconds=1, cap_seconds=300, attempts_limit=10, age_limit_seconds=_DAY_SECONDS
    ),
    FailureClass.PERMANENT: Policy(base_seconds=0, cap_seconds=0, attempts_limit=0),
    FailureClass.BUG: Policy(base_seconds=1, cap_seconds=30, attempts_limit=5),
    # Waits for the end of its lease. From the second crash on the customer is claimed alone, so that its
    # crash does not count for others.
    FailureClass.CRASHED_WORKER: Policy(base_seconds=0, cap_seconds=0, attempts_limit=4),
}

_MAX_DOUBLINGS = 32  # every cap is reached long before; keeps 2**n small


def next_delay(
    failure_class: FailureClass, attempts: int, *, jitter: float, retry_after: float | None = None
) -> float:
    """Seconds to wait after the `attempts`-th failed attempt (1 or more), with full jitter.

    `jitter` is uniform in [0, 1). `retry_after` is what the other side asked for: never less than that,
    and still spread out.
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
    """How a migration waits for locks that others hold on its tables: it begins again."""

    lock_seconds: float = 2  # for one lock: whoever waits behind it waits no longer
    longest_pause_seconds: float = 1.0  # until it begins again, with jitter
    limit_seconds: float = 120.0  # then somebody has to end what holds the locks


MIGRATION = MigrationPolicy()


# Postponed


@dataclass(frozen=True, slots=True)
class ParkingPolicy:
    """What waits for something that has not come: a subscription for its customer, a thin event for its object."""

    try_again_seconds: float = 300  # the customer's row may have come past the queue
    limit_seconds: float = 3 * _DAY_SECONDS  # as long as Stripe itself retries a delivery; then a dead letter


PARKING = ParkingPolicy()


@dataclass(frozen=True, slots=True)
class LetterRetryPolicy:
    """When a worker retries a dead letter by itself, and when it opens one again whose retry got lost."""

    gave_up_seconds: int = 600  # the customer's later events, which a given-up event held back, go first
    lost_seconds: int = (
        60  # a retry reaches the queue within seconds; what is not there by then never will be
    )


LETTER_RETRY = LetterRetryPolicy()


# Outage


@dataclass(frozen=True, slots=True)
class CircuitPolicy:
    """When workers stop claiming because what they write to is away, and how they come back."""

    errors_limit: int = 5  # a single cut connection stops nobody
    window_seconds: float = 10
    shortest_probe_pause_seconds: float = 0.5
    probe_seconds: float = 15  # what a probe may take before another worker makes one
    step_seconds: float = 1  # one worker, then two, then four …
    recovery_seconds: float = 8  # … and after eight steps everybody
    forgotten_seconds: float = 120  # an open circuit that no worker asks about says nothing any more


CIRCUIT = CircuitPolicy()

REDIS_CAP_SECONDS = 5.0
"""The longest pause from Redis, which does not mind requests: every worker is back within ten seconds of its return."""

MASTER_REST_SECONDS = 1.0
"""How long a master of a cluster is left alone that did not answer; then one call tries for all of its process."""

BROKER_PAUSE_SECONDS = 1.0
"""How long no wake-up is sent after one failed: a broker that is away costs a caller time once a second."""

WAKEUP_WINDOW_MS, MAX_WAKEUP_WINDOW_MS = 100, 60_000
"""How long no second wake-up is asked for; doubled with each that no worker answers, for they would pile up."""


def probe_pause(failures: int, *, jitter: float) -> float:
    """Seconds until a dependency is probed that has been found away `failures` times in a row (1 or more)."""
    pause = next_delay(FailureClass.INFRASTRUCTURE, failures, jitter=jitter)
    return max(pause, CIRCUIT.shortest_probe_pause_seconds)


# Request


@dataclass(frozen=True, slots=True)
class RequestPolicy:
    """How often one request is sent to Stripe; the delays between are those of `transient`."""

    attempts_limit: int = 4
    longest_wait_seconds: float = (
        60.0  # who is asked to wait longer fails at once; the caller tries another time
    )
    slow_down_seconds: float = 1.0  # the pause of all processes after a 429 without Retry-After
    refused_seconds: float = (
        60.0  # the pause of all processes after the key was refused: only a person can fix that
    )


REQUEST = RequestPolicy()


@dataclass(frozen=True, slots=True)
class RefetchPolicy:
    """When an object is fetched whose row is in doubt or that a thin event named, and when again."""

    quiet_seconds: float = 3.0  # nothing came for it so long: the answer is surely later (docs/ordering.md)
    longest_seconds: float = 15.0  # one that changes all the time is fetched after so long all the same
    dead_letter_seconds: float = 600.0  # after its event died: a later event or a person may come first
    pause_seconds: float = 10.0  # until the same object is fetched again; doubled each time
    longest_pause_seconds: float = 300.0
    missing_seconds: float = 3600.0  # until Stripe is asked again for what it does not know
    set_aside_seconds: float = (
        10.0  # makes room on a full page: its customer's events wait, perhaps for a person
    )
    remembered_seconds: float = 600.0  # how long after its pause the number of fetches is remembered


REFETCH = RefetchPolicy()


def refetch_pause(fetches: int, policy: RefetchPolicy = REFETCH, *, is_missing: bool = False) -> float:
    """Seconds until an object is fetched again that was fetched `fetches` times in a row (1 or more)."""
    doublings = min(fetches - 1, _MAX_DOUBLINGS)
    pause = min(policy.longest_pause_seconds, policy.pause_seconds * 2.0**doublings)
    return max(pause, policy.missing_seconds) if is_missing else pause


@dataclass(frozen=True, slots=True)
class VerifyPolicy:
    """How often a row that differs is compared again: an event may be on its way."""

    looks_limit: int = 6
    settle_seconds: float = 5.0  # the webhook is there by then, and Stripe's answer is surely later than it


VERIFY = VerifyPolicy()


# At intervals


@dataclass(frozen=True, slots=True)
class Intervals:
    """How often a process does what nobody asks it for."""

    poll_seconds: float = 0.5  # for ready events, should a wake-up get lost
    heartbeat_seconds: float = 5.0
    refetch_seconds: float = 2
    shard_move_seconds: float = (
        2  # looks whether there shall be another number of shards, and moves mailboxes
    )
    inspection_seconds: float = 5  # of the queue for what Redis lost; from start to start
    figures_seconds: float = 5  # of the tables, kept in Redis for whoever shows them
    missed_events_seconds: float = 15  # until it is asked whether a sweep is due
    sweep_seconds: float = 300  # from the end of one sweep to the next, of whichever worker
    sweep_grace_seconds: int = (
        60  # how old an event is before it counts as missing: its webhook may be on the way
    )
    letter_retry_seconds: float = 30
    paused_deletions_seconds: float = 30  # of customers who are paused and deleted in Stripe
    maintenance_seconds: float = 3600  # of the ledger's partitions
    repair_seconds: float = _DAY_SECONDS  # of rows that another release wrote
    after_failure_seconds: float = 60  # at most: what a task needs may have been away for a moment only
    fence_tally_seconds: float = 5.0  # of what a receiver let in and kept out


INTERVALS = Intervals()

LINGER_MS_PER_EVENT = 2
MAX_LINGER_MS = 250


def linger_ms(events: int) -> int:
    """Return how long the claim after one that found so many events waits, so that events gather.

    A batch has a price of its own, however small it is. So the more there was, the longer: where 500 events a
    second come, claims grow until they are MAX_LINGER_MS apart, and where little comes nobody waits.
    """
    return min(events * LINGER_MS_PER_EVENT, MAX_LINGER_MS)
