"""How long the same object is not asked for again: ever longer, for as long as nothing comes of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from cogento.events.names import ObjectId
    from cogento.stripe.errors import StripeApiError

REST_SECONDS, LONGEST_REST_SECONDS, ENOUGH_DOUBLINGS = 10.0, 300.0, 8
"""How long the same object is not asked for again: at first, and at most, doubled each time."""

MISSING_SECONDS = 3600.0
"""How long Stripe is not asked again for what it does not know."""

REMEMBERED_SECONDS = 600.0
"""How long after its rest it is remembered how often an object was asked for."""


@dataclass(frozen=True, slots=True)
class _Rest:
    """Since when and until when an object is not asked for, and how often it was."""

    since: float
    until: float
    asked: int


class Rests:
    """The rests of one process; `clock` is monotonic. A process that dies forgets them."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._rests: dict[ObjectId, _Rest] = {}

    def resting(self) -> set[ObjectId]:
        """Which objects are not asked for now."""
        now = self._clock()
        self._rests = {
            id_: rest for id_, rest in self._rests.items() if rest.until + REMEMBERED_SECONDS > now
        }
        return {id_ for id_, rest in self._rests.items() if rest.until > now}

    def begin(
        self, object_id: ObjectId, error: StripeApiError | None = None, *, waited_seconds: float | None = None
    ) -> None:
        """Let an object rest that was asked for, long if Stripe does not know it.

        `waited_seconds` says since when the question is open: one that came after the last rest began is new.
        """
        now = self._clock()
        known = self._rests.get(object_id)
        is_new = known is None or (waited_seconds is not None and now - waited_seconds > known.since)
        asked = 0 if known is None or is_new else known.asked
        doubled = REST_SECONDS * 2.0 ** min(asked, ENOUGH_DOUBLINGS)
        at_least = MISSING_SECONDS if error is not None and error.is_missing else 0.0
        seconds = max(at_least, min(LONGEST_REST_SECONDS, doubled))
        self._rests[object_id] = _Rest(now, now + seconds, asked + 1)
