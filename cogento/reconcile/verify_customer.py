"""Verify one customer: its row and the rows of what belongs to it, field by field beside what Stripe says.

For a person who waits for the answer: everything is requested once, and only objects that differ once more, some seconds later.
They count as different when Stripe gives the same answer twice and no event of the customer waits. Repairs go through the same
decision as all events.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from cogento.events.errors import OtherReleaseError
from cogento.events.kinds import CUSTOMER, OWNED_KINDS
from cogento.events.names import ObjectId
from cogento.reconcile.verify import COLUMN_NAMES, drifts, read_answer, told_columns
from cogento.retries import VERIFY
from cogento.stripe.errors import StripeApiError
from cogento.stripe.requests import StripeAnswer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cogento.events.event import Event
    from cogento.events.kinds.kind import Columns, Kind
    from cogento.events.names import CustomerId
    from cogento.queue.mailboxes import Mailboxes
    from cogento.reconcile.bulk_apply import BulkApplier
    from cogento.reconcile.stripe import Stripe
    from cogento.store.store import Store
    from cogento.store.stored_rows import StoredRow

MAX_OBJECTS = 500
"""How many objects of one kind are compared; a customer with more is better verified together with all rows."""

LOOKS_LIMIT = 3

NO_LIST = frozenset({400, 404})
"""Stripe's error code for a list of objects of a customer that it no longer knows."""


class ComparisonState(StrEnum):
    """The result of comparing one object."""

    EQUAL = "equal"
    DIFFERS = "differs"
    REPAIRED = "repaired"
    EVENTS_WAIT = "events_wait"  # the difference may be on its way: an event of the customer waits
    CHANGING = "changing"  # Stripe said something else a moment later
    NOT_IN_STRIPE = "not_in_stripe"  # 404, which is no proof that it was deleted
    UNREADABLE = "unreadable"  # no row can hold Stripe's answer, or another release wrote the row


UNDECIDED = frozenset(
    {
        ComparisonState.EVENTS_WAIT,
        ComparisonState.CHANGING,
        ComparisonState.NOT_IN_STRIPE,
        ComparisonState.UNREADABLE,
    }
)
UNSETTLED = frozenset({ComparisonState.DIFFERS, ComparisonState.CHANGING})


@dataclass(frozen=True, slots=True)
class ComparedField:
    """One column: what Stripe says and what the row shows; times in Unix seconds, JSON as str."""

    column: str
    stripe: object
    row: object
    differs: bool


@dataclass(frozen=True, slots=True)
class ComparedObject:
    """One object; the fields are as they were found, before a repair. `has_row` is False where there is none."""

    table: str
    object_id: ObjectId
    state: ComparisonState
    has_row: bool
    fields: Sequence[ComparedField]


@dataclass(frozen=True, slots=True)
class CustomerComparison:
    """A customer's objects, its own row first; `complete` is False where it has more than are compared."""

    customer_id: CustomerId
    objects: Sequence[ComparedObject]
    complete: bool

    def count(self, *states: ComparisonState) -> int:
        """Count the objects in any of these states."""
        return sum(one.state in states for one in self.objects)


@dataclass(frozen=True, slots=True)
class _Compared:
    """An object while it is compared, with Stripe's answer where there is one."""

    kind: Kind
    object_id: ObjectId
    answer: StripeAnswer | None
    event: Event | None
    found: ComparedObject


class CustomerVerification:
    """Compares one customer; raises what Stripe, Redis and Postgres raise."""

    def __init__(self, store: Store, stripe: Stripe, mailboxes: Mailboxes, applier: BulkApplier) -> None:
        self._store = store
        self._stripe = stripe
        self._mailboxes = mailboxes
        self._applier = applier
        self._is_complete = True

    async def run(self, customer_id: CustomerId, *, repair: bool) -> CustomerComparison:
        """Compare a customer, and with `repair` write what Stripe says."""
        answers = await self._ask_all(customer_id)
        compared = await self._compare(answers)
        compared = await self._compare_again(customer_id, compared)
        if repair:
            compared = await self._repair(compared)
        return CustomerComparison(customer_id, [one.found for one in compared], self._is_complete)

    async def _ask_all(self, customer_id: CustomerId) -> dict[tuple[Kind, ObjectId], StripeAnswer | None]:
        """Ask for the customer, for lists of its objects, and for any other object of its rows; None: Stripe has no such object."""
        own = ObjectId(customer_id)
        answers = {(CUSTOMER, own): await self._fetch(CUSTOMER, own)}
        for kind in OWNED_KINDS:
            if answers[CUSTOMER, own] is not None:
                answers |= await self._list(kind, customer_id)
            rows = await self._store.history.objects(kind, customer_id, limit=MAX_OBJECTS)
            self._is_complete &= len(rows) < MAX_OBJECTS
            unlisted = [row.object_id for row in rows if (kind, row.object_id) not in answers]
            fetched = await asyncio.gather(*(self._fetch(kind, id_) for id_ in unlisted))
            answers |= {(kind, id_): answer for id_, answer in zip(unlisted, fetched, strict=True)}
        return answers

    async def _list(
        self, kind: Kind, customer_id: CustomerId
    ) -> dict[tuple[Kind, ObjectId], StripeAnswer | None]:
        """List a customer's objects; empty where Stripe refuses to list for a customer that it has deleted."""
        answers: dict[tuple[Kind, ObjectId], StripeAnswer | None] = {}
        after_id, has_more = None, True
        while has_more:
            try:
                page = await self._stripe.api.objects(kind, customer_id=customer_id, after_id=after_id)
            except StripeApiError as error:
                if error.status not in NO_LIST:
                    raise
                break
            for answer in (StripeAnswer(body, page.at) for body in page.objects):
                if (event := read_answer(answer)) is not None:
                    answers[kind, event.object_id] = answer
            after_id, has_more = page.last_id, page.has_more and len(answers) < MAX_OBJECTS
            self._is_complete &= has_more == page.has_more
        return answers

    async def _fetch(self, kind: Kind, object_id: ObjectId) -> StripeAnswer | None:
        try:
            return await self._stripe.api.fetch(kind, object_id)
        except StripeApiError as error:
            if not error.is_missing:
                raise
            return None

    async def _compare(self, answers: Mapping[tuple[Kind, ObjectId], StripeAnswer | None]) -> list[_Compared]:
        """Compare answers with the rows as they are now."""
        rows: dict[ObjectId, StoredRow] = {}
        for kind in {kind for kind, _ in answers}:
            ids = [object_id for of, object_id in answers if of is kind]
            rows |= await self._store.stored_rows.read(kind, ids)
        compared = []
        for (kind, object_id), answer in answers.items():
            event = read_answer(answer) if answer else None
            row = rows.get(object_id)
            if event is None and row is None and answer is None:
                continue
            state, fields = _judge(kind, object_id, event, row, is_missing=answer is None)
            found = ComparedObject(kind.table, object_id, state, row is not None, fields)
            compared.append(_Compared(kind, object_id, answer, event, found))
        return compared

    async def _compare_again(self, customer_id: CustomerId, compared: Sequence[_Compared]) -> list[_Compared]:
        """Ask once more for objects that differ, after a webhook would have come, until Stripe has given the same answer twice."""
        found = {one.object_id: one for one in compared}
        open_ones = [one for one in compared if one.found.state is ComparisonState.DIFFERS]
        for _ in range(LOOKS_LIMIT):
            if not open_ones:
                break
            await asyncio.sleep(VERIFY.settle_seconds)
            answers = await asyncio.gather(*(self._fetch(one.kind, one.object_id) for one in open_ones))
            places = [(one.kind, one.object_id) for one in open_ones]
            again = await self._compare(dict(zip(places, answers, strict=True)))
            found |= {one.object_id: one for one in again}
            said = {one.object_id: _columns(one) for one in open_ones}
            differing = [one for one in again if one.found.state is ComparisonState.DIFFERS]
            open_ones = [one for one in differing if _columns(one) != said[one.object_id]]
        found |= {one.object_id: _with_state(one, ComparisonState.CHANGING) for one in open_ones}
        differ = [one for one in found.values() if one.found.state in UNSETTLED]
        if differ and (await self._mailboxes.view(customer_id)).has_events:
            found |= {one.object_id: _with_state(one, ComparisonState.EVENTS_WAIT) for one in differ}
        return list(found.values())

    async def _repair(self, compared: Sequence[_Compared]) -> list[_Compared]:
        """Write Stripe's answers where rows differ; what still differs afterwards is reported as different."""
        differing = {
            (one.kind, one.object_id): one.answer
            for one in compared
            if one.found.state is ComparisonState.DIFFERS
        }
        if not differing:
            return list(compared)
        await self._applier.apply([answer for answer in differing.values() if answer])
        now = await self._compare(differing)
        equal = {one.object_id for one in now if one.found.state is ComparisonState.EQUAL}
        return [
            _with_state(one, ComparisonState.REPAIRED) if one.object_id in equal else one for one in compared
        ]


def _judge(
    kind: Kind, object_id: ObjectId, event: Event | None, row: StoredRow | None, *, is_missing: bool
) -> tuple[ComparisonState, list[ComparedField]]:
    if event is None:
        return (ComparisonState.NOT_IN_STRIPE if is_missing else ComparisonState.UNREADABLE), []
    try:
        different = drifts(kind, object_id, event.columns, row)
    except OtherReleaseError:
        return ComparisonState.UNREADABLE, []
    columns = {one.column for one in different}
    fields = [
        ComparedField(
            shown := COLUMN_NAMES.get(name, name),
            said,
            None if row is None else getattr(row.columns, name),
            differs=row is None or shown in columns,
        )
        for name, said in told_columns(event.columns)
    ]
    compared = {one.column for one in fields}
    if row is not None:
        fields += [
            ComparedField(one.column, one.expected, one.found, differs=True)
            for one in different
            if one.column not in compared
        ]
    return (ComparisonState.DIFFERS if different else ComparisonState.EQUAL), fields


def _columns(one: _Compared) -> Columns | None:
    return one.event.columns if one.event else None


def _with_state(one: _Compared, state: ComparisonState) -> _Compared:
    return replace(one, found=replace(one.found, state=state))
