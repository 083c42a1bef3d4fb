"""Copies of mailboxes on their way to another shard: what leave.lua shows of one, in the form that arrive.lua and left.lua take.

Knows no Redis.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from cogento.events.names import CustomerId
    from cogento.queue.layout import Layout
    from cogento.queue.redis_commands import Argument

BYTES_AT_ONCE = 4 * 1024**2
"""About how many bytes of events one script gets or returns."""


@dataclass(frozen=True, slots=True)
class MailboxCopy:
    """One mailbox as leave.lua shows it; `waiting` and `parked` have four an event: id, place, tries, value."""

    customer_id: CustomerId
    head: tuple[bytes, ...]  # when it wakes, its pause, crashes, when its parked events are looked at
    waiting: list[bytes]
    parked: list[bytes]

    @property
    def ids(self) -> list[bytes]:
        """The ids of all its events."""
        return [*self.waiting[::4], *self.parked[::4]]

    def whole(self) -> list[Argument]:
        """Return the arguments of left.lua."""
        waiting, parked = self.waiting[::4], self.parked[::4]
        return [self.customer_id, self.head[1], len(waiting), *waiting, len(parked), *parked]

    def arrivals(self) -> Iterator[list[Argument]]:
        """Yield the arguments of arrive.lua, in parts of BYTES_AT_ONCE or a little more."""
        part: tuple[list[bytes], list[bytes]] = ([], [])
        size = 0
        for mailbox, events in zip(part, (self.waiting, self.parked), strict=True):
            for first in range(0, len(events), 4):
                if size >= BYTES_AT_ONCE:
                    yield self._terms(*part)
                    part[0].clear()
                    part[1].clear()
                    size = 0
                mailbox.extend(events[first : first + 4])
                size += len(events[first + 3])
        yield self._terms(*part)

    def _terms(self, waiting: Sequence[bytes], parked: Sequence[bytes]) -> list[Argument]:
        return [
            self.customer_id,
            *self.head,
            len(waiting) // 4,
            *waiting,
            len(parked) // 4,
            *parked,
        ]


def grouped(layout: Layout, copies: Iterable[MailboxCopy]) -> Iterator[dict[str, list[list[Argument]]]]:
    """Yield the arguments for each shard that gets copies, in parts of BYTES_AT_ONCE or a little more."""
    part: dict[str, list[Argument]] = {}
    size = 0
    for copy in copies:
        for terms in copy.arrivals():
            part.setdefault(layout.current.tag_of(copy.customer_id), []).extend(terms)
            size += sum(len(term) for term in terms if isinstance(term, bytes))
            if size >= BYTES_AT_ONCE:
                yield {tag: [one] for tag, one in part.items()}
                part, size = {}, 0
    if part:
        yield {tag: [one] for tag, one in part.items()}


def present(events: Sequence[bytes | None]) -> list[bytes]:
    """Return the events that have a value; the others have nothing but an id, and are not moved."""
    return [
        part
        for at in range(0, len(events), 4)
        if events[at + 3] is not None
        for part in events[at : at + 4]
        if part is not None
    ]
