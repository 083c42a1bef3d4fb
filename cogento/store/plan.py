"""What a batch comes to, from the locked rows and the fresh events: pure, nothing is read or written.

All of an object's events are decided at once, so that each row is written at most once.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

from msgspec.structs import replace

from cogento.events.event import Event
from cogento.events.kinds import CUSTOMER, SUBSCRIPTION
from cogento.events.names import CustomerId, EventId, ObjectId
from cogento.events.outcomes import PARKED, Result, decided
from cogento.ordering.evidence import outlives_its_customer
from cogento.ordering.order import decide
from cogento.store.objects import ObjectChange
from cogento.store.users import UserChange

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from cogento.store.objects import ObjectRow, Objects
    from cogento.store.users import Users


@dataclass(frozen=True, slots=True)
class Plan:
    """The decisions of one batch; `owners` maps every customer that will have a row to its user.

    `outliving` are rows without events here that become unsure, because their customers are deleted here. `found_alive` are
    users who were forgotten, and of whom Stripe says now that they are not deleted there.
    """

    customers: tuple[UserChange, ...]
    objects: tuple[ObjectChange, ...]
    outliving: Mapping[ObjectId, ObjectRow]
    parked: frozenset[EventId]
    owners: Mapping[str, UUID]
    found_alive: frozenset[UUID] = frozenset()

    @property
    def concerned(self) -> frozenset[CustomerId]:
        """Every customer that a decided object belongs or belonged to."""
        return frozenset().union(*(change.owners for change in self.objects))

    @property
    def subscribers(self) -> set[UUID]:
        """Every user whose subscriptions change here."""
        changes = (change for change in self.objects if change.kind is SUBSCRIPTION)
        written = (change for change in changes if change.row is None or change.needs_update)
        return {self.owners[customer_id] for change in written for customer_id in change.owners}

    @property
    def unsure(self) -> frozenset[ObjectId]:
        """Every object whose events leave open which of them is last."""
        customers = (ObjectId(c.customer_id) for c in self.customers if not c.decision.sure)
        owned = (c.object_id for c in self.objects if not c.decision.sure)
        return frozenset((*customers, *owned, *self.outliving))

    def results(self) -> dict[EventId, Result]:
        """Say what becomes of each event."""
        changes: tuple[UserChange | ObjectChange, ...] = (*self.customers, *self.objects)
        verdicts = (verdict for change in changes for verdict in change.decision.verdicts)
        results = {verdict.event_id: decided(verdict.reason, verdict.superseded_by) for verdict in verdicts}
        return {**results, **dict.fromkeys(self.parked, PARKED)}


def make_plan(
    events: Collection[Event], users: Users, objects: Objects, *, forgetting: Collection[CustomerId] = ()
) -> Plan:
    """Decide every object; objects of customers that have no row, and get none in this batch, are parked.

    Deletions of customers in `forgetting` are not Stripe's, but `cogento forget` makes them.
    """
    customers = _decide_customers(events, users, forgetting)
    owners: dict[str, UUID] = {id_: row.user_id for id_, row in users.items()}
    owners |= {change.customer_id: change.user_id for change in customers}
    # Subscriptions of a customer who was forgotten and lives in Stripe have not ended.
    found_alive = _found_alive(events, users) - {change.customer_id for change in customers}
    gone = {id_ for id_, row in users.items() if row.claim.deleted and not row.lives_in_stripe} - found_alive
    gone |= {one.customer_id for one in customers if one.columns.deleted and not one.lives_in_stripe}
    of_objects = [event for event in events if event.kind is not CUSTOMER]
    housed = [event for event in of_objects if event.customer_id in owners]
    decided = tuple(_decide_object(id_, group, objects, gone) for id_, group in _by_object(housed).items())
    return Plan(
        customers=customers,
        objects=decided,
        outliving=_outliving(objects, {change.object_id for change in decided}, gone),
        parked=frozenset(event.id for event in of_objects if event.customer_id not in owners),
        owners=owners,
        found_alive=frozenset(users[id_].user_id for id_ in found_alive),
    )


def _found_alive(events: Iterable[Event], users: Users) -> set[CustomerId]:
    """Find customers who were forgotten, and of whom Stripe says later that a subscription lives: so do they, in Stripe."""
    lives = (
        event
        for event in events
        if event.version.fetched and event.kind.ends_with_customer and not event.version.terminal
    )
    rows = ((event, users[event.customer_id]) for event in lives if event.customer_id in users)
    return {
        event.customer_id
        for event, row in rows
        if row.lives_if_subscribed(event.created) and not row.lives_in_stripe
    }


def _decide_customers(
    events: Iterable[Event], users: Users, forgetting: Collection[CustomerId]
) -> tuple[UserChange, ...]:
    of_customers = (event for event in events if event.kind is CUSTOMER)
    return tuple(
        _decide_customer(CustomerId(id_), group, users, is_forgotten_here=CustomerId(id_) in forgetting)
        for id_, group in _by_object(of_customers).items()
    )


def _decide_customer(
    customer_id: CustomerId, events: list[Event], users: Users, *, is_forgotten_here: bool
) -> UserChange:
    row = users.get(customer_id)
    known = row.known() if row else None
    if is_forgotten_here:
        lives_in_stripe = row is None or not row.claim.deleted or row.lives_in_stripe
    else:
        is_deleted = any(event.version.terminal for event in events)
        lives_in_stripe = row is not None and row.lives_in_stripe and not is_deleted
    return UserChange(
        customer_id=customer_id,
        user_id=row.user_id if row else uuid4(),
        row=row,
        known=known,
        decision=decide(known, [event.version for event in events]),
        lives_in_stripe=lives_in_stripe,
    )


def _decide_object(
    id_: ObjectId, events: list[Event], objects: Objects, gone: Collection[str]
) -> ObjectChange:
    kind, row = events[0].kind, objects.get(id_)
    decision = decide(row.known if row else None, [event.version for event in events])
    change = ObjectChange(kind=kind, object_id=id_, row=row, decision=decision)
    if change.columns.customer_id in gone and outlives_its_customer(kind, change.columns, decision.evidence):
        return replace(change, decision=replace(decision, sure=False))
    return change


def _outliving(
    objects: Objects, decided: Collection[ObjectId], gone: Collection[str]
) -> dict[ObjectId, ObjectRow]:
    """Find rows that were sure, have no decision of their own here, and whose customers are deleted."""
    return {
        id_: row
        for id_, row in objects.items()
        if id_ not in decided
        and not row.unsure
        and row.columns.customer_id in gone
        and outlives_its_customer(row.kind, row.columns, row.known.evidence)
    }


def _by_object(events: Iterable[Event]) -> dict[ObjectId, list[Event]]:
    groups: dict[ObjectId, list[Event]] = defaultdict(list)
    for event in events:
        groups[event.object_id].append(event)
    return groups
