"""The connections of a process that wait for something, and which of them makes room for a new one.

Whoever connects and says nothing costs a place all the same. When there is none left, the one goes that loses
least by it: never one whose request is whole, for that may be an event.
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
    HEAD = "head"  # has sent no whole head, or none since the last answer though it began one
    IDLE = "idle"  # was answered, and may ask again
    BODY = "body"  # its request is under way and not all here

    __hash__ = str.__hash__  # Enum's own is Python code, called several times a request


class Crowd(Generic[C]):
    """Connections by stage, those that came to it first in front; every operation takes the same short time."""

    def __init__(self) -> None:
        self._waiting: dict[Stage, dict[C, None]] = {stage: {} for stage in Stage}

    def move(self, connection: C, before: Stage | None, after: Stage | None) -> None:
        """Note that a connection left a stage and came to another; None: it does not wait for its client."""
        if before is not None:
            self._waiting[before].pop(connection, None)
        if after is not None:
            self._waiting[after][connection] = None

    def first_to_go(self) -> C | None:
        """Return the connection that makes room; None when all of them are at work."""
        return next((next(iter(waiting)) for waiting in self._waiting.values() if waiting), None)
