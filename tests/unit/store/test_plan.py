"""What a batch comes to, before anything is written: who is decided, who is parked, and how many writes it is."""

from __future__ import annotations

from itertools import permutations
from uuid import UUID

import pytest

from cogento.events.addresses import EmailClaim
from cogento.events.event import Event, read_event
from cogento.events.names import CustomerId, EventId, ObjectId
from cogento.events.outcomes import PARKED, Reason, decided
from cogento.store.plan import Plan, make_plan
from cogento.store.users import UserRow
from tests.support.builders import NOW, Json, customer, event_body, subscription

CUSTOMER = CustomerId("cus_1")
USER = UUID(int=1)
ROW = UserRow(
    USER,
    "ada@example.com",
    EmailClaim(CUSTOMER, "ada@example.com", NOW, deleted=False),
    "ada@example.com",
    record=None,
)


def read(type_: str, object_: Json, **fields: object) -> Event:
    return read_event(event_body(type_, object_, **fields))


BIRTH = read("customer.created", customer(CUSTOMER), id_="evt_customer")
INCOMPLETE, ACTIVE = subscription(status="incomplete"), subscription(status="active")
CREATION = read("customer.subscription.created", INCOMPLETE, id_="evt_9")
ACTIVATION = read("customer.subscription.updated", ACTIVE, id_="evt_1", before=INCOMPLETE)


def shown(plan: Plan) -> list[tuple[ObjectId, EventId]]:
    return [(change.object_id, change.decision.last_event_id) for change in plan.objects]


def test_case_6_a_subscription_before_its_customer_is_parked_and_not_decided() -> None:
    plan = make_plan([CREATION, ACTIVATION], {}, {})

    assert plan.results() == {"evt_9": PARKED, "evt_1": PARKED}
    assert (plan.customers, plan.objects, plan.unsure) == ((), (), frozenset())


@pytest.mark.parametrize("order", list(permutations([BIRTH, CREATION, ACTIVATION])))
def test_case_6_a_subscription_in_one_batch_with_its_customer_is_decided_whichever_comes_first(
    order: tuple[Event, ...],
) -> None:
    plan = make_plan(order, {}, {})

    assert (plan.parked, shown(plan)) == (frozenset(), [("sub_1", "evt_1")])
    assert plan.owners == {CUSTOMER: plan.customers[0].user_id}


def test_case_6_a_subscription_after_its_customer_is_decided() -> None:
    plan = make_plan([CREATION, ACTIVATION], {CUSTOMER: ROW}, {})

    assert (plan.parked, shown(plan)) == (frozenset(), [("sub_1", "evt_1")])
    assert plan.subscribers == {USER}


def test_case_6_only_the_subscription_whose_customer_is_missing_is_parked() -> None:
    orphan = read("customer.subscription.created", subscription("sub_2", customer="cus_2"), id_="evt_orphan")

    plan = make_plan([orphan, ACTIVATION], {CUSTOMER: ROW}, {})

    assert (plan.parked, shown(plan)) == (frozenset({orphan.id}), [("sub_1", "evt_1")])


def test_case_8_two_versions_of_one_row_in_a_batch_become_one_write() -> None:
    plan = make_plan([CREATION, ACTIVATION], {CUSTOMER: ROW}, {})

    assert plan.results() == {
        "evt_9": decided(Reason.SUPERSEDED, EventId("evt_1")),
        "evt_1": decided(Reason.FIRST),
    }
    assert len(plan.objects) == 1
