"""The role member where it follows from subscriptions."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from cogento.events.outcomes import Reason, decided
from cogento.store.roles import Role
from cogento.store.store import Store
from tests.support.store_deliveries import deleted_customer, new_customer, subscription

if TYPE_CHECKING:
    from collections.abc import Iterator

ADA = "ada@example.com"
GRACE = "grace@example.com"


@pytest.fixture
def club(loop: asyncio.Runner, database_url: str) -> Iterator[Store]:
    """A store whose active and trialing subscriptions make members; Ada and Grace have signed up."""
    store = loop.run(Store.open(database_url, pool_size=1, application_name="test"))
    loop.run(store.set_member_statuses({"active", "trialing"}))
    loop.run(store.apply([new_customer(1, event="1", email=ADA), new_customer(2, event="2", email=GRACE)]))
    yield store
    loop.run(store.close())


async def test_a_subscription_of_such_a_status_makes_a_member(club: Store) -> None:
    await club.apply([subscription(1, event="s", status="active")])
    (granted,) = await club.roles.granted(ADA)
    assert (granted.role, granted.granted_by) == (Role.MEMBER, "subscription")
    assert await club.roles.granted(GRACE) == []


@pytest.mark.parametrize("status", ["past_due", "canceled", "hibernating"])
async def test_a_subscription_of_another_status_makes_none(club: Store, status: str) -> None:
    await club.apply([subscription(1, event="s", status=status)])
    assert await club.roles.granted() == []


async def test_the_role_goes_with_the_status(club: Store) -> None:
    await club.apply([subscription(1, event="s1", status="active")])
    await club.apply([subscription(1, event="s2", at=10, status="past_due")])
    assert await club.roles.granted() == []


async def test_one_good_subscription_of_several_is_enough(club: Store) -> None:
    await club.apply(
        [subscription(1, event="a", status="active"), subscription(2, event="b", status="trialing")]
    )
    await club.apply([subscription(1, event="c", at=10, status="canceled")])
    assert len(await club.roles.granted(ADA)) == 1


async def test_a_member_by_hand_stays_one_whatever_the_subscriptions_say(club: Store) -> None:
    await club.roles.grant(ADA, Role.MEMBER)
    await club.apply([subscription(1, event="s1", status="active")])
    await club.apply([subscription(1, event="s2", at=10, status="canceled")])
    (granted,) = await club.roles.granted(ADA)
    assert granted.granted_by == "hand"


async def test_a_role_granted_by_hand_on_top_outlives_the_subscription(club: Store) -> None:
    await club.apply([subscription(1, event="s1", status="active")])
    await club.roles.grant(ADA, Role.MEMBER)
    await club.apply([subscription(1, event="s2", at=10, status="canceled")])
    assert [granted.granted_by for granted in await club.roles.granted(ADA)] == ["hand"]


async def test_other_roles_are_left_alone(club: Store) -> None:
    await club.roles.grant(ADA, Role.ADMIN)
    await club.apply([subscription(1, event="s1", status="active")])
    await club.apply([subscription(1, event="s2", at=10, status="canceled")])
    assert [granted.role for granted in await club.roles.granted(ADA)] == [Role.ADMIN]


async def test_the_role_moves_with_the_subscription(club: Store) -> None:
    await club.apply([subscription(1, event="s1", of=1)])
    await club.apply([subscription(1, event="s2", of=2, at=10)])
    assert await club.roles.granted(ADA) == []
    assert [granted.role for granted in await club.roles.granted(GRACE)] == [Role.MEMBER]


async def test_a_deleted_customer_is_no_member_whatever_its_subscriptions_say(club: Store) -> None:
    await club.apply([subscription(1, event="s1")])
    await club.apply([deleted_customer(1, event="gone", at=5)])
    await club.apply([subscription(1, event="s2", at=10, metadata={"a": "b"})])
    assert await club.roles.granted() == []


async def test_without_statuses_no_role_is_touched(store: Store, sql: Any) -> None:
    await store.apply([new_customer(1, event="1", email=ADA), subscription(1, event="s1")])
    assert await store.roles.granted() == []


async def test_everybody_is_brought_up_to_date_after_the_statuses_changed(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cogento.store.roles.PAGE", 1)
    await store.apply([new_customer(1, event="1", email=ADA), new_customer(2, event="2", email=GRACE)])
    await store.apply(
        [subscription(1, event="s1", of=1), subscription(2, event="s2", of=2, status="canceled")]
    )
    await store.set_member_statuses({"active"})
    await store.sync_member_roles()
    assert [granted.email for granted in await store.roles.granted()] == [ADA]
    await store.set_member_statuses({"canceled"})
    await store.sync_member_roles()
    assert [granted.email for granted in await store.roles.granted()] == [GRACE]


async def test_roles_are_left_alone_once_no_statuses_make_members(club: Store) -> None:
    await club.apply([subscription(1, event="s1")])
    await club.set_member_statuses(())
    await club.sync_member_roles()
    await club.apply([subscription(1, event="s2", at=10, status="canceled")])
    assert [granted.email for granted in await club.roles.granted()] == [ADA]


async def test_t7_who_opens_the_store_without_a_word_of_statuses_grants_the_role_all_the_same(
    club: Store, another_store: Store
) -> None:
    await another_store.apply([subscription(1, event="s", status="active")])
    (granted,) = await club.roles.granted(ADA)
    assert (granted.role, granted.granted_by) == (Role.MEMBER, "subscription")


async def test_t7_what_is_decided_counts_for_all_and_says_what_it_was_before(
    club: Store, another_store: Store
) -> None:
    assert await another_store.set_member_statuses({"trialing", "active"}) is None
    assert await another_store.set_member_statuses({"past_due"}) == frozenset({"active", "trialing"})
    await club.apply([subscription(1, event="s", status="active")])
    assert await club.roles.granted() == []


async def test_t7_a_first_decision_is_a_change_from_nothing(store: Store) -> None:
    assert await store.set_member_statuses({"active"}) == frozenset()
    assert await store.set_member_statuses({"active"}) is None


async def test_t7_a_batch_that_runs_while_the_statuses_change_leaves_the_role_of_the_new_ones(
    club: Store, another_store: Store
) -> None:
    await asyncio.gather(
        *(club.apply([subscription(n, event=f"s{n}", of=1 + n % 2)]) for n in range(20)),
        change(another_store),
    )
    assert await club.roles.granted() == []


async def change(store: Store) -> None:
    """Set other statuses and bring everybody up to date, as a worker does when it starts."""
    await store.set_member_statuses({"past_due"})
    await store.sync_member_roles()


@pytest.mark.parametrize("behavior", ["void", "keep_as_draft", "mark_uncollectible"])
async def test_t25_a_pause_of_collection_leaves_status_and_role_as_they_are(
    club: Store, sql: Any, behavior: str
) -> None:
    await club.apply([subscription(1, event="s1")])
    paused = {"behavior": behavior, "resumes_at": None}
    result = await club.apply([subscription(1, event="s2", at=10, pause_collection=paused)])
    row = await sql.fetchrow("SELECT status, unsure, pause_collection ->> 'behavior' FROM subscriptions")
    assert result.results == {"evt_s2": decided(Reason.NEWER)}
    assert tuple(row) == ("active", False, behavior)
    assert [granted.role for granted in await club.roles.granted(ADA)] == [Role.MEMBER]


async def test_t25_the_status_paused_is_one_like_any_other(club: Store) -> None:
    await club.apply([subscription(1, event="s1")])
    await club.apply([subscription(1, event="s2", at=10, status="paused")])
    assert await club.roles.granted() == []
