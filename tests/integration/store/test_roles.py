"""Roles, granted and revoked by hand."""

from __future__ import annotations

import asyncio
from typing import Any

from cogento.store.roles import Role
from cogento.store.store import Store
from tests.support.store_deliveries import deleted_customer, new_customer

ADA = "ada@example.com"


async def test_a_role_is_granted_to_whoever_signs_in_with_the_address(store: Store) -> None:
    await store.apply([new_customer(1, event="1", email=ADA)])
    assert await store.roles.grant(ADA, Role.ADMIN)
    (granted,) = await store.roles.granted(ADA)
    assert (granted.email, granted.customer_id, granted.role, granted.granted_by) == (
        ADA,
        "cus_1",
        "admin",
        "hand",
    )


async def test_granting_twice_is_one_role(store: Store) -> None:
    await store.apply([new_customer(1, event="1", email=ADA)])
    assert await store.roles.grant(ADA, Role.ADMIN)
    assert await store.roles.grant(ADA, Role.ADMIN)
    assert len(await store.roles.granted(ADA)) == 1


async def test_nobody_gets_a_role_by_an_address_nobody_signs_in_with(store: Store) -> None:
    await store.apply([new_customer(1, event="1", email="shared@example.com", created=1_700_000_000)])
    await store.apply([new_customer(2, event="2", email="shared@example.com", created=1_700_000_001)])
    assert not await store.roles.grant("nobody@example.com", Role.ADMIN)
    assert await store.roles.granted() == []


async def test_a_revoked_role_is_gone_and_the_others_stay(store: Store) -> None:
    await store.apply([new_customer(1, event="1", email=ADA)])
    await store.roles.grant(ADA, Role.ADMIN)
    await store.roles.grant(ADA, Role.USER)
    assert await store.roles.revoke(ADA, Role.ADMIN)
    assert not await store.roles.revoke(ADA, Role.ADMIN)
    assert [granted.role for granted in await store.roles.granted(ADA)] == [Role.USER]


async def test_all_roles_are_listed_by_address(store: Store) -> None:
    await store.apply([new_customer(1, event="1", email="b@c.d"), new_customer(2, event="2", email="a@c.d")])
    await store.roles.grant("b@c.d", Role.USER)
    await store.roles.grant("a@c.d", Role.USER)
    await store.roles.grant("a@c.d", Role.ADMIN)
    listed = [(granted.email, granted.role) for granted in await store.roles.granted()]
    assert listed == [("a@c.d", Role.ADMIN), ("a@c.d", Role.USER), ("b@c.d", Role.USER)]


async def test_a_deleted_customer_is_granted_nothing_by_either_address(store: Store) -> None:
    await store.apply([new_customer(1, event="1", email=ADA)])
    await store.apply([deleted_customer(1, event="2", at=10)])
    assert not await store.roles.grant(ADA, Role.ADMIN)
    assert not await store.roles.grant("cus_1@placeholder.invalid", Role.ADMIN)


async def test_a_grant_that_meets_the_deletion_of_its_user_leaves_no_role(
    store: Store, another_store: Store, sql: Any
) -> None:
    await store.apply([new_customer(n, event=f"n{n}", email=f"{n}@example.com") for n in range(20)])
    deletion = store.apply([deleted_customer(n, event=f"d{n}", at=10) for n in range(20)])
    grants = [another_store.roles.grant(f"{n}@example.com", Role.ADMIN) for n in range(20)]
    await asyncio.gather(deletion, *grants)
    assert await sql.fetchval("SELECT count(*) FROM user_roles") == 0
