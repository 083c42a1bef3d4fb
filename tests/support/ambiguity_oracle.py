"""What the events that came say about an object, by the oracle: whether a row may be unsure, and what it may show.

The oracle (tests/support/model/oracle.py) shares no code with the rules of the order. Events that never came are unknown here:
where the others make a complete story, that story counts (docs/ordering.md, "What no evidence can show").
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cogento.events.event import read_event
from tests.support.model.oracle import Opinion, judge

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from cogento.events.event import Event


@dataclass(frozen=True, slots=True)
class Story:
    """One object's events that came, in the order in which they happened, and the oracle's opinion of them."""

    events: tuple[Event, ...]
    opinion: Opinion

    @property
    def is_open(self) -> bool:
        """Whether the events leave the end undecided, as they always do where one lacks a part of the object."""
        return not self.opinion.decidable or any(event.version.partial for event in self._possibly_last())

    @property
    def is_contested(self) -> bool:
        """Whether even the likeliest orders end in different states.

        A stricter test than `is_open`: where a link is missing although all orders end in the same state, a row that has
        forgotten that part of the story may be sure.
        """
        return len(self.opinion.ends) > 1

    def allows(self, event_id: str) -> bool:
        """Whether the object may have ended as this event shows it."""
        return event_id in {event.id for event in self._possibly_last()}

    def showing(self, event_id: str | None) -> tuple[str, ...]:
        """The events that show the end, newest first; of an open story the end that this event shows."""
        possible = self._possibly_last()
        chosen = next((event for event in possible if event.id == event_id), possible[-1])
        return tuple(event.id for event in reversed(possible) if event.version.state == chosen.version.state)

    def _possibly_last(self) -> tuple[Event, ...]:
        return tuple(event for event in self.events if not self.opinion.rules_out(event.version.state))


@dataclass(frozen=True, slots=True)
class AmbiguityOracle:
    """The stories of objects that were asked about; `lossy` are objects of which an event is missing, or all, so that there is no story."""

    stories: Mapping[str, Story] = field(default_factory=dict)
    lossy: frozenset[str] = frozenset()

    @classmethod
    def of(
        cls, bodies: Iterable[bytes], *, came: Collection[str] | None = None, lossy: Iterable[str] = ()
    ) -> AmbiguityOracle:
        """Judge events, given in the order in which they happened; those that did not come are ignored."""
        by_object: dict[str, list[Event]] = defaultdict(list)
        for event in map(read_event, bodies):
            if came is None or event.id in came:
                by_object[event.object_id].append(event)
        return cls({id_: _story(events) for id_, events in by_object.items()}, frozenset(lossy))

    @property
    def open(self) -> set[str]:
        """The objects whose events do not decide how they end."""
        return {id_ for id_, story in self.stories.items() if story.is_open}

    @property
    def contested(self) -> set[str]:
        """The objects whose events leave several ends equally likely."""
        return {id_ for id_, story in self.stories.items() if story.is_contested}

    @property
    def orphans(self) -> set[str]:
        """The events that wait for a customer of which no event came."""
        unheard = self.lossy - self.stories.keys()
        told = (event for story in self.stories.values() for event in story.events)
        return {event.id for event in told if event.customer_id in unheard}

    def told(self, shown: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
        """The events that show the end of each object; `shown` are the events that unsure rows chose."""
        nothing: dict[str, tuple[str, ...]] = dict.fromkeys(self.lossy, ())
        return nothing | {id_: story.showing(shown.get(id_)) for id_, story in self.stories.items()}


def _story(events: Iterable[Event]) -> Story:
    events = tuple(events)
    return Story(events, judge(event.version for event in events))
