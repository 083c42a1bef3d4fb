"""Ids in the order of creation, the way Stripe's lists run: a cursor or a second is found by bisection."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_Key = tuple[int, int, str]


@dataclass(frozen=True, slots=True)
class Seconds:
    """A half-open stretch of Unix seconds; None is without end."""

    since: int | None = None
    before: int | None = None

    def not_before(self, second: int) -> Seconds:
        """The part of the stretch from this second on."""
        return Seconds(second if self.since is None else max(second, self.since), self.before)


class CreationOrder:
    """Ids by second, then by arrival; appending is cheap, and so is a late stamp."""

    def __init__(self) -> None:
        self._keys: list[_Key] = []
        self._key_of: dict[str, _Key] = {}

    def __contains__(self, an_id: str) -> bool:
        return an_id in self._key_of

    def __len__(self) -> int:
        return len(self._keys)

    def add(self, an_id: str, *, created: int) -> None:
        """Put an id in its place; within a second, arrival decides."""
        key = (created, len(self._key_of), an_id)
        self._key_of[an_id] = key
        insort(self._keys, key)

    def newest_first(self, seconds: Seconds, *, after: str | None = None) -> Iterator[str]:
        """The ids of a stretch from the newest on, or from the one that follows the cursor `after`."""
        low, high = self._bounds(seconds)
        if after is not None:
            high = min(high, bisect_left(self._keys, self._key_of[after]))
        return (self._keys[place][2] for place in range(high - 1, low - 1, -1))

    def oldest_first(self, seconds: Seconds, *, after: str) -> Iterator[str]:
        """The ids of a stretch that are newer than the cursor, nearest first."""
        low, high = self._bounds(seconds)
        low = max(low, bisect_right(self._keys, self._key_of[after]))
        return (self._keys[place][2] for place in range(low, high))

    def _bounds(self, seconds: Seconds) -> tuple[int, int]:
        low = 0 if seconds.since is None else bisect_left(self._keys, (seconds.since, -1, ""))
        high = (
            len(self._keys) if seconds.before is None else bisect_left(self._keys, (seconds.before, -1, ""))
        )
        return low, high
