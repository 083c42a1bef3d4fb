"""A set of ids that one can be drawn from at random, at once and the same way for the same seed."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from random import Random


class Roster:
    """Ids without order; removing one fills its place with the last."""

    def __init__(self) -> None:
        self._ids: list[str] = []
        self._place: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._ids)

    def __iter__(self) -> Iterator[str]:
        return iter(self._ids)

    def add(self, an_id: str) -> None:
        """Take an id in; one that is in already stays where it is."""
        if an_id not in self._place:
            self._place[an_id] = len(self._ids)
            self._ids.append(an_id)

    def discard(self, an_id: str) -> None:
        """Let an id go, if it is in."""
        place = self._place.pop(an_id, None)
        if place is None:
            return
        last = self._ids.pop()
        if last != an_id:
            self._ids[place] = last
            self._place[last] = place

    def draw(self, random: Random) -> str | None:
        """One id at random, which stays in; None when there is none."""
        return random.choice(self._ids) if self._ids else None
