"""When to try again: one policy for each class of failure, and two pure functions of it.

Four mechanisms wait by these numbers:

- in place: a transaction that met another one runs again (cogento/store/database.py, `contention`);
- postponed: an event keeps its place and its customer waits in Redis (worker/batch.py, `transient`, `bug`,
  `other_release`);
- outage: workers claim nothing while Postgres or Redis is away (worker/outages.py, CIRCUIT, REDIS_CAP_SECONDS);
- Stripe: a request is sent again (cogento/stripe/requests.py, `transient`, with limits of its own).

Which error belongs to which class is said next to the dependency that raises it. Time and randomness are
passed in; nothing here waits.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum


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
        base_seconds=1, cap_seconds=300, attempts_limit=10, age_limit_seconds=86_400
    ),
    FailureClass.PERMANENT: Policy(base_seconds=0, cap_seconds=0, attempts_limit=0),
    FailureClass.BUG: Policy(base_seconds=1, cap_seconds=30, attempts_limit=5),
    # Waits for the end of its lease. From the second crash on the customer is claimed alone, so that a
    # neighbour's crash is not counted twice.
    FailureClass.CRASHED_WORKER: Policy(base_seconds=0, cap_seconds=0, attempts_limit=4),
}


@dataclass(frozen=True, slots=True)
class CircuitPolicy:
    """When workers stop taking mail because what they write to is away, and how they come back."""

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

_ENOUGH_DOUBLINGS = 32  # every cap is reached long before; keeps 2**n small


def next_delay(
    failure_class: FailureClass, attempts: int, *, jitter: float, retry_after: float | None = None
) -> float:
    """Seconds to wait after the `attempts`-th failed attempt (1 or more), with full jitter.

    `jitter` is uniform in [0, 1). `retry_after` is what the other side asked for: never less than that,
    and still spread out.
    """
    policy = POLICIES[failure_class]
    doublings = min(max(attempts - 1, 0), _ENOUGH_DOUBLINGS)
    longest = min(policy.cap_seconds, policy.base_seconds * 2.0**doublings)
    return (retry_after or 0.0) + jitter * longest


def spent(failure_class: FailureClass, attempts: int, age_seconds: float) -> bool:
    """Tell whether to give up after `attempts` failed attempts, the first of them `age_seconds` ago."""
    policy = POLICIES[failure_class]
    return attempts >= policy.attempts_limit and age_seconds >= policy.age_limit_seconds


def probe_pause(failures: int, *, jitter: float) -> float:
    """Seconds until a dependency is probed that has been found away `failures` times in a row (1 or more)."""
    pause = next_delay(FailureClass.INFRASTRUCTURE, failures, jitter=jitter)
    return max(pause, CIRCUIT.shortest_probe_pause_seconds)
