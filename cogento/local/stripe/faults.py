"""Errors on request: what the simulated API answers when a test asks it to misbehave."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random


class FaultKind(StrEnum):
    """What can go wrong with a request."""

    RATE_LIMITED = "rate_limited"  # 429, with the headers Stripe sends
    CONCURRENCY_LIMITED = "concurrency_limited"  # 429 that does not say when to come back
    SERVER_ERROR = "server_error"  # 500
    UNAVAILABLE = "unavailable"  # 503
    UNAUTHORIZED = "unauthorized"  # 401: the key was revoked
    FORBIDDEN = "forbidden"  # 403: a restricted key without this permission
    MISSING = "missing"  # 404, whatever is asked for
    SILENCE = "silence"  # no answer for `seconds`, then the connection closes
    SLOW = "slow"  # the right answer, after `seconds`
    RESET = "reset"  # the connection is reset
    STALE = "stale"  # an object as it was one event ago


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One kind of trouble for the paths that start with `path`: for so many requests, at this share of them."""

    kind: FaultKind
    path: str = "/v1/"
    times: int | None = None
    share: float = 1.0
    seconds: float = 30.0


class Faults:
    """The faults in force; the first that fits a request strikes."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._left: list[tuple[Fault, int | None]] = []

    def replace(self, faults: Sequence[Fault]) -> None:
        """Put these in force and no others."""
        self._left = [(fault, fault.times) for fault in faults]

    def strike(self, path: str) -> Fault | None:
        """The fault that this request meets, if any; counts it."""
        for place, (fault, left) in enumerate(self._left):
            if path.startswith(fault.path) and left != 0 and self._random.random() < fault.share:
                self._left[place] = (fault, None if left is None else left - 1)
                return fault
        return None
