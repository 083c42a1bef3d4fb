"""Backfill: every object that Stripe lists, written into the tables, one kind after the other.

What is left to list is kept in Postgres after every page, so that a killed process loses at most a page. Customers come first:
every other object needs its customer's row. Stripe does not list deleted customers; a deleted customer that still has other
objects is asked for by its id.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import TYPE_CHECKING, Protocol

import msgspec

from cogento.events.envelope import EARLIEST_CREATED
from cogento.events.kinds import KINDS
from cogento.reconcile.sweep import REACH_SECONDS
from cogento.store.progress import BackfillRange, TimeRange
from cogento.stripe.errors import StripeApiError
from cogento.stripe.requests import StripeAnswer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from cogento.events.kinds.kind import Kind
    from cogento.reconcile.bulk_apply import AppliedCounts, BulkApplier
    from cogento.reconcile.stripe import Stripe
    from cogento.store.progress import BackfillProgress, Counts
    from cogento.stripe.api import Page, StripeApi

SLICES = 16
LANES = 8
"""Pages that are requested or processed at once: at 20 requests a second each may take 0.4 s."""

SHORTEST_SECONDS = 600
"""The shortest half: only a slice at least twice as long is halved."""

CLOSE_SECONDS = 30 * 24 * 3600
"""How exactly the beginning of an account is searched for: it takes eight requests."""

GONE = frozenset({HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_FOUND})
"""Stripe's error code when the object after which a list is to continue was deleted meanwhile."""


@dataclass(frozen=True, slots=True)
class Backfilled:
    """How far a backfill is: the Unix second when it began, the share of time that is listed, and what became of objects.

    The backfill may have been begun by a process that has ended since.
    """

    begun: int
    share: float
    counts: Counts

    def objects(self, kind: Kind) -> int:
        """How many of a kind were written, or put into the queues."""
        return sum(number for (one, _), number in self.counts.items() if one == kind.name)


class Backfill:
    """Fills the tables; the caller must hold the leader lease.

    Raises what Stripe, Redis and Postgres raise; another run then continues from there.
    """

    def __init__(
        self,
        stripe: Stripe,
        backfills: BackfillProgress,
        applier: BulkApplier,
        *,
        report: Callable[[Backfilled], object],
    ) -> None:
        self._stripe = stripe
        self._backfills = backfills
        self._applier = applier
        self._report = report
        self._counts: AppliedCounts = Counter()
        self._begun = 0
        self._seconds = 0
        self._seconds_left = 0

    async def run(self, *, restart: bool) -> Backfilled:
        """Continue with what an earlier run left, or begin; with `restart` begin again in any case.

        What was listed longer ago than Stripe lists events is listed again: no sweep may have brought what happened since.
        """
        await self._begin_or_resume(restart=restart)
        left = await self._backfills.left()
        self._seconds_left = sum(part.left.seconds for part in left)
        for kind in KINDS:
            await ListScan(self._stripe.api, self).over(part for part in left if part.left.kind is kind)
        await self._backfills.finish()
        return self._standing()

    async def handle_page(self, part: BackfillRange, page: Page, *, seconds: int) -> None:
        """Write a page's objects, and then what is left of its slice: after a crash a page may be written twice, but none is skipped."""
        applied = await self._applier.apply([StripeAnswer(one, page.at) for one in page.objects])
        await self._backfills.save(part, applied)
        self._counts += applied
        self._seconds_left -= seconds
        self._report(self._standing())

    async def split(self, part: BackfillRange, second: int) -> tuple[BackfillRange, BackfillRange]:
        """As BackfillProgress.split."""
        return await self._backfills.split(part, second)

    async def _begin_or_resume(self, *, restart: bool) -> None:
        """Begin, unless an earlier run left something not long ago and `restart` is false."""
        api = self._stripe.api
        now = await api.now()
        standing = await self._backfills.status()
        is_old = standing.begun is not None and standing.begun < now - REACH_SECONDS
        if restart or is_old or not standing.is_under_way:
            parts = [one for kind in KINDS for one in await time_ranges(api, kind, until=now + 1)]
            await self._backfills.begin(parts)
            standing = await self._backfills.status()
        self._begun, self._seconds = standing.begun or 0, standing.seconds
        self._counts = Counter(await self._backfills.totals())

    def _standing(self) -> Backfilled:
        share = 1 - self._seconds_left / self._seconds
        return Backfilled(self._begun, share, dict(self._counts))


class PageHandler(Protocol):
    """Handles the pages, and remembers what is left of the slices."""

    async def handle_page(self, part: BackfillRange, page: Page, *, seconds: int) -> None:
        """Process a page; afterwards `part` is what is left of its slice, which is `seconds` shorter than before."""

    async def split(self, part: BackfillRange, second: int) -> tuple[BackfillRange, BackfillRange]:
        """Cut a slice in two at a second; the older half comes first."""


class ListScan:
    """Lists everything that Stripe has of one kind: slices of time, several at once, each from its newest object back.

    A slice on which the others would have to wait is halved, so that an account whose objects were all made in one month is
    listed as fast as any. For one event loop.
    """

    def __init__(self, api: StripeApi, handler: PageHandler) -> None:
        self._api = api
        self._handler = handler
        self._lanes = asyncio.Semaphore(LANES)

    async def over(self, parts: Iterable[BackfillRange]) -> None:
        """List all slices completely, begun in this order; the first failure ends all, and is raised."""
        try:
            async with asyncio.TaskGroup() as tasks:
                for part in parts:
                    tasks.create_task(self._scan(part, tasks))
        except ExceptionGroup as failed:
            raise failed.exceptions[0] from failed

    async def _scan(self, part: BackfillRange, tasks: asyncio.TaskGroup) -> None:
        after_id: str | None = None
        async with self._lanes:
            while part.left.seconds > 0:
                page = await self._page(part.left, after_id)
                left = replace(part.left, before=_end_of_rest(page, part.left))
                seconds, part = part.left.seconds - left.seconds, replace(part, left=left)
                await self._handler.handle_page(part, page, seconds=seconds)
                after_id = page.last_id
                if left.seconds >= 2 * SHORTEST_SECONDS and not self._lanes.locked():
                    older, part = await self._handler.split(part, (left.since + left.before) // 2)
                    tasks.create_task(self._scan(older, tasks))

    async def _page(self, left: TimeRange, after_id: str | None) -> Page:
        """Ask for the next page; by time alone when the object after which to continue was deleted meanwhile."""
        try:
            return await self._api.objects(left.kind, since=left.since, before=left.before, after_id=after_id)
        except StripeApiError as error:
            if after_id is None or error.status not in GONE:
                raise
            return await self._api.objects(left.kind, since=left.since, before=left.before)


async def time_ranges(api: StripeApi, kind: Kind, *, until: int) -> Sequence[TimeRange]:
    """Cut the time in which objects were created before a Unix second into slices.

    They come in an order in which those done at any moment are spread over the whole time: so the share of time that is done
    estimates the share of objects, and with it how long the rest will take.
    """
    since = await _beginning(api, kind, until)
    bounds = [since + (until - since) * i // SLICES for i in range(SLICES + 1)]
    return [TimeRange(kind, bounds[place], bounds[place + 1]) for place in sorted(range(SLICES), key=_spread)]


async def _beginning(api: StripeApi, kind: Kind, until: int) -> int:
    """Find a second before which there are no objects, at most CLOSE_SECONDS too early; by halving, as Stripe lists the newest first."""
    empty_before, something_before = EARLIEST_CREATED, until
    while something_before - empty_before > CLOSE_SECONDS:
        middle = (empty_before + something_before) // 2
        page = await api.objects(kind, before=middle)
        if not page.objects:
            empty_before = middle
        elif page.has_more:
            something_before = _created(page)
        else:
            return _created(page)
    return empty_before


def _spread(place: int) -> int:
    """Reverse the bits of a position, so that neighbours come far apart."""
    return int(f"{place:0{SLICES.bit_length() - 1}b}"[::-1], 2)


class _Created(msgspec.Struct):
    created: int


def _end_of_rest(page: Page, left: TimeRange) -> int:
    """Return the second before which objects may be left: the second of the page's last object may hold more."""
    if not page.has_more or not page.objects:
        return left.since
    return min(left.before, _created(page) + 1)


def _created(page: Page) -> int:
    """Return when the oldest object of a page was created."""
    return msgspec.json.decode(page.objects[-1], type=_Created).created
