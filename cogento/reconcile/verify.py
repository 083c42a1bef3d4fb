"""Verify: compares rows with Stripe, and repairs those that differ, by the same decision as for all events.

A row may differ for a moment, while its event is on its way or waits. So a difference is checked again, until Stripe has given
the same answer twice, some seconds apart, and no event waits: only then it is drift.
"""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from cogento.events.errors import OtherReleaseError, PermanentError
from cogento.events.event import Event, read_event
from cogento.events.fetched import fetched_event_body
from cogento.events.kinds import CUSTOMER, KINDS
from cogento.events.names import ObjectId
from cogento.ordering.evidence import short_id, unpack
from cogento.ordering.row_values import FILLED_COLUMNS
from cogento.reconcile.backfill import ListScan, time_ranges
from cogento.retries import VERIFY
from cogento.store.progress import BackfillRange, TimeRange
from cogento.store.refetches import RefetchTarget
from cogento.stripe.api import API_VERSION
from cogento.stripe.errors import StripeApiError
from cogento.stripe.requests import StripeAnswer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from cogento.events.kinds.kind import Columns, Kind
    from cogento.queue.mailboxes import Mailboxes
    from cogento.reconcile.bulk_apply import BulkApplier
    from cogento.reconcile.stripe import Stripe
    from cogento.store.store import Store
    from cogento.store.stored_rows import StoredRow
    from cogento.stripe.api import Page

_T = TypeVar("_T")

AT_ONCE = 50

ROW = "row"
"""The name under which a missing row is reported as a difference."""

COLUMN_NAMES = {"deleted": "deleted_at", "customer_id": "user_id"}
"""Columns whose value has another name in Stripe's answer."""


@dataclass(frozen=True, slots=True)
class Drift:
    """One column of one row that differs from Stripe; times in Unix seconds, JSON as str."""

    table: str
    object_id: ObjectId
    column: str
    expected: object
    found: object


@dataclass(frozen=True, slots=True)
class Verified:
    """What was compared: how many rows, what differs (after a repair: still differs), and the objects that stay undecided."""

    compared: int
    drift: tuple[Drift, ...]
    repaired: tuple[Drift, ...]
    undecided: tuple[ObjectId, ...]


@dataclass(frozen=True, slots=True)
class _Suspect:
    """An object whose row differed, and what Stripe said of it then; None where Stripe did not list it."""

    doubt: RefetchTarget
    said: Columns | None


@dataclass(frozen=True, slots=True)
class _Found:
    """An object whose row surely differs, and Stripe's answer."""

    event: Event
    answer: StripeAnswer
    drift: tuple[Drift, ...]


class Verify:
    """Compares rows with Stripe; raises what Stripe, Redis and Postgres raise.

    `report` is called with how many rows were compared, and the share of time that is listed.
    """

    def __init__(
        self,
        store: Store,
        stripe: Stripe,
        mailboxes: Mailboxes,
        applier: BulkApplier,
        *,
        report: Callable[[int, float], object],
    ) -> None:
        self._store = store
        self._stripe = stripe
        self._mailboxes = mailboxes
        self._applier = applier
        self._report = report
        self._compared = 0
        self._seconds, self._seconds_left = 0, 0
        self._seen: set[ObjectId] = set()
        self._suspects: list[_Suspect] = []
        self._numbers = itertools.count(1)

    async def run(self, *, sample: int | None, repair: bool) -> Verified:
        """Compare every row, or `sample` of them at random, with one request for each of these."""
        if sample is None:
            await self._compare_all()
        else:
            self._suspects += [
                _Suspect(doubt, None) for doubt in await self._store.stored_rows.sample(sample)
            ]
            self._compared = len(self._suspects)
        found, undecided = await self._compare_again()
        left = await self._repair(found) if repair else found
        remains = tuple(drift for one in left for drift in one.drift)
        fixed = {drift for one in found for drift in one.drift}.difference(remains)
        repaired = tuple(drift for one in found for drift in one.drift if drift in fixed)
        return Verified(self._compared, remains, repaired, tuple(undecided))

    async def handle_page(self, part: BackfillRange, page: Page, *, seconds: int) -> None:  # noqa: ARG002 - the port's signature
        """Compare a page of a list."""
        await self._compare([StripeAnswer(one, page.at) for one in page.objects])
        self._seconds_left -= seconds
        self._report(self._compared, 1 - self._seconds_left / self._seconds)

    async def split(self, part: BackfillRange, second: int) -> tuple[BackfillRange, BackfillRange]:
        """Cut a slice in two; it is not stored."""
        whole = part.left
        older = BackfillRange(next(self._numbers), TimeRange(whole.kind, whole.since, second))
        return older, BackfillRange(part.id, TimeRange(whole.kind, second, whole.before))

    async def _compare_all(self) -> None:
        """Compare the objects that Stripe lists; rows that it does not list become suspects."""
        api = self._stripe.api
        until = await api.now() + 1
        parts = {kind: await time_ranges(api, kind, until=until) for kind in KINDS}
        self._seconds = self._seconds_left = sum(one.seconds for some in parts.values() for one in some)
        for kind, some in parts.items():
            await ListScan(api, self).over(BackfillRange(next(self._numbers), one) for one in some)
            async for doubt in self._store.stored_rows.all(kind):
                if doubt.object_id not in self._seen:
                    self._suspects.append(_Suspect(doubt, None))

    async def _compare(self, answers: Sequence[StripeAnswer]) -> None:
        read = (event for answer in answers if (event := read_answer(answer)))
        events = [event for event in read if event.object_id not in self._seen]
        for event, drift in await self._drifts(events):
            self._seen.add(event.object_id)
            if drift is None or drift:
                doubt = RefetchTarget(event.kind, event.object_id, event.customer_id)
                self._suspects.append(_Suspect(doubt, event.columns))
        self._compared += len(events)

    async def _drifts(self, events: Iterable[Event]) -> list[tuple[Event, tuple[Drift, ...] | None]]:
        """Compare rows as they are now; None where another release wrote what a row remembers."""
        events = list(events)
        copies: dict[ObjectId, StoredRow] = {}
        for kind in {event.kind for event in events}:
            wanted = [event.object_id for event in events if event.kind is kind]
            copies |= await self._store.stored_rows.read(kind, wanted)
        found: list[tuple[Event, tuple[Drift, ...] | None]] = []
        for event in events:
            try:
                drift = drifts(event.kind, event.object_id, event.columns, copies.get(event.object_id))
                found.append((event, tuple(drift)))
            except OtherReleaseError:
                found.append((event, None))
        return found

    async def _compare_again(self) -> tuple[list[_Found], list[ObjectId]]:
        """Compare the suspects again until each is equal or surely differs; returns the latter, and those that stay undecided."""
        found: list[_Found] = []
        suspects = self._suspects
        for _ in range(VERIFY.looks_limit):
            if not suspects:
                break
            await asyncio.sleep(VERIFY.settle_seconds)
            open_ones: list[_Suspect] = []
            for some in _chunks(suspects):
                open_ones += await self._refetch(some, found)
            suspects = open_ones
        return found, [one.doubt.object_id for one in suspects]

    async def _refetch(self, suspects: Sequence[_Suspect], found: list[_Found]) -> list[_Suspect]:
        """Ask for these once more; adds those that surely differ to `found`, and returns those to compare again."""
        answers = await asyncio.gather(*(self._ask(one.doubt) for one in suspects))
        answered = {
            event.object_id: (event, answer)
            for answer in answers
            if answer and (event := read_answer(answer))
        }
        by_id = {
            event.object_id: drift for event, drift in await self._drifts(e for e, _ in answered.values())
        }
        again = []
        for suspect in suspects:
            event, answer = answered.get(suspect.doubt.object_id, (None, None))
            drift = by_id.get(suspect.doubt.object_id)
            if event is None or answer is None or drift is None:
                again.append(suspect)
            elif drift:
                has_changed = event.columns != suspect.said
                if has_changed or (await self._mailboxes.view(event.customer_id)).has_events:
                    again.append(_Suspect(suspect.doubt, event.columns))
                else:
                    found.append(_Found(event, answer, drift))
        return again

    async def _ask(self, doubt: RefetchTarget) -> StripeAnswer | None:
        try:
            return await self._stripe.api.fetch(doubt.kind, doubt.object_id)
        except StripeApiError as error:
            if not error.is_missing:
                raise
            return None

    async def _repair(self, found: Sequence[_Found]) -> list[_Found]:
        """Write Stripe's answers; returns those whose rows still differ."""
        left = []
        for some in _chunks(found):
            await self._applier.apply([one.answer for one in some])
            now = {event.object_id: drift for event, drift in await self._drifts(one.event for one in some)}
            left += [
                _Found(one.event, one.answer, drift) for one in some if (drift := now[one.event.object_id])
            ]
        return left


def read_answer(answer: StripeAnswer) -> Event | None:
    """Read an answer; None for one that no row can hold, which cannot be compared either."""
    try:
        return read_event(fetched_event_body(answer.body, fetched_at=answer.at, api_version=API_VERSION))
    except PermanentError:
        return None


def _chunks(suspects: Sequence[_T]) -> Iterable[Sequence[_T]]:
    return (suspects[place : place + AT_ONCE] for place in range(0, len(suspects), AT_ONCE))


def drifts(kind: Kind, object_id: ObjectId, said: Columns, copy: StoredRow | None) -> list[Drift]:
    """Compare a row with what Stripe said of its object.

    Values that Stripe's answer does not carry cannot differ, nor can erased values of a forgotten person. Raises
    OtherReleaseError where another release wrote what the row remembers.
    """
    if copy is None:
        return [Drift(kind.table, object_id, ROW, "present", None)]
    if copy.forgotten:
        if kind is CUSTOMER:
            return []
        said = kind.without_personal_data(said)
    found = (*_columns(said, copy), *_email(copy), *_event(copy))
    return [Drift(kind.table, object_id, *difference) for difference in found]


def told_columns(said: Columns) -> Iterator[tuple[str, object]]:
    """Yield the columns that Stripe's answer carries, with their values."""
    for name in said.__struct_fields__:
        expected = getattr(said, name)
        if expected is not None or name not in FILLED_COLUMNS[type(said)]:
            yield name, expected


def _columns(said: Columns, copy: StoredRow) -> Iterator[tuple[str, object, object]]:
    for name, expected in told_columns(said):
        found = getattr(copy.columns, name)
        if expected != found:
            yield COLUMN_NAMES.get(name, name), expected, found


def _email(copy: StoredRow) -> Iterator[tuple[str, object, object]]:
    if copy.email != copy.email_due:
        yield "email", copy.email_due, copy.email


def _event(copy: StoredRow) -> Iterator[tuple[str, object, object]]:
    """Compare the event that a row names, and its second, with what the row remembers."""
    seconds = {event.event_id: event.created for event in unpack(copy.evidence).all_events}
    created = seconds.get(copy.shown, seconds.get(short_id(copy.shown)))
    if created is None:
        yield "last_webhook_event_id", next(iter(seconds), None), copy.shown
    elif created != copy.shown_created:
        yield "stripe_updated_at", created, copy.shown_created
