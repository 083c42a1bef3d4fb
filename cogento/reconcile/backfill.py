"""Backfill: every customer and subscription that Stripe lists, written into the tables.

What is left to list is kept in Postgres after every page, so that whoever is killed loses a page at most. The
customers come first: a subscription needs its customer's row. Stripe does not list deleted customers; those
that still have subscriptions are asked for singly.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cogento import runtime
from cogento.events.event import ObjectKind
from cogento.reconcile.walk import Walk, stretches
from cogento.stripe.requests import Answer

if TYPE_CHECKING:
    from collections.abc import Callable

    from cogento.reconcile.filing import Filed, Filing
    from cogento.reconcile.stripe import Stripe
    from cogento.store.backfills import Backfills, Counts, Slice
    from cogento.stripe.api import Page

KINDS = (ObjectKind.CUSTOMER, ObjectKind.SUBSCRIPTION)


@dataclass(frozen=True, slots=True)
class Backfilled:
    """How far a backfill is: the Unix second when it began, the share of time that is listed, and what became of objects.

    It may have been begun by a process that has ended since.
    """

    begun: int
    share: float
    counts: Counts

    def objects(self, kind: ObjectKind) -> int:
        """How many of a kind were written, or left to the mailboxes."""
        return sum(number for (one, _), number in self.counts.items() if one == kind)


class Backfill:
    """Fills the tables; whoever calls holds the turn.

    Raises what Stripe, Redis and Postgres raise; another run then goes on from there.
    """

    def __init__(
        self,
        stripe: Stripe,
        backfills: Backfills,
        filing: Filing,
        *,
        report: Callable[[Backfilled], object],
    ) -> None:
        self._stripe = stripe
        self._backfills = backfills
        self._filing = filing
        self._report = report
        self._counts: Filed = Counter()
        self._begun = 0
        self._seconds = 0
        self._seconds_left = 0

    def run(self, *, anew: bool) -> Backfilled:
        """Go on with what an earlier run left, or begin; with `anew` forget what was left."""
        return runtime.run(self._run(anew=anew))

    async def keep(self, part: Slice, page: Page, *, seconds: int) -> None:
        """Write a page's objects, and after them what is left of its slice: it may be written twice, never not at all."""
        filed = await self._filing.file([Answer(one, page.at) for one in page.objects])
        await self._backfills.save(part, filed)
        self._counts += filed
        self._seconds_left -= seconds
        self._report(self._standing())

    async def halve(self, part: Slice, second: int) -> tuple[Slice, Slice]:
        """As Backfills.halve."""
        return await self._backfills.halve(part, second)

    async def _run(self, *, anew: bool) -> Backfilled:
        await self._take_up(anew=anew)
        left = await self._backfills.left()
        self._seconds_left = sum(part.left.seconds for part in left)
        for kind in KINDS:
            await Walk(self._stripe.api, self).over(part for part in left if part.left.kind is kind)
        await self._backfills.finish()
        return self._standing()

    async def _take_up(self, *, anew: bool) -> None:
        """Begin, unless an earlier run left something."""
        standing = await self._backfills.standing()
        if anew or not standing.is_under_way:
            api = self._stripe.api
            until = await api.now() + 1
            parts = [one for kind in KINDS for one in await stretches(api, kind, until=until)]
            await self._backfills.begin(parts)
            standing = await self._backfills.standing()
        self._begun, self._seconds = standing.begun or 0, standing.seconds
        self._counts = Counter(await self._backfills.totals())

    def _standing(self) -> Backfilled:
        share = 1 - self._seconds_left / self._seconds
        return Backfilled(self._begun, share, dict(self._counts))
