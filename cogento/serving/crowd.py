"""The connections of a process that wait for something, and which of them makes room for a new one.

A client that connects and sends nothing takes a place all the same. When no place is left, the connection that loses least is
closed: never one whose request is complete, for that may be an event.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Hashable

C = TypeVar("C", bound="Hashable")


class Stage(StrEnum):
    """What a connection waits for; those of an earlier stage make room before those of a later one."""

    REFUSED = "refused"  # has its answer, and is closed in a moment
    HEAD = "head"  # has not sent a complete head yet, or has begun another since the last answer
    IDLE = "idle"  # was answered, and may send another request
    BODY = "body"  # its request is under way and its body incomplete

    __hash__ = str.__hash__  # Enum's own is Python code, called several times a request


class Crowd(Generic[C]):
    """Connections by stage, in the order in which they came to it; every operation takes constant time."""

    def __init__(self) -> None:
        self._waiting: dict[Stage, dict[C, None]] = {stage: {} for stage in Stage}

    def move(self, connection: C, before: Stage | None, after: Stage | None) -> None:
        """Move a connection from one stage to another; None means that it does not wait for its client."""
        if before is not None:
            self._waiting[before].pop(connection, None)
        if after is not None:
            self._waiting[after][connection] = None

    def first_to_go(self) -> C | None:
        """Return the connection to close for a new one; None when all of them are at work."""
        return next((next(iter(waiting)) for waiting in self._waiting.values() if waiting), None)
