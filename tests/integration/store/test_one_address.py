"""One address, however it is written: its holder, the roles granted to it, whoever asks for it, and rows of older releases."""

from __future__ import annotations

import asyncio
from typing import Any

import asyncpg
import pytest

from cogento.store.roles import Role
from cogento.store.store import Store
from tests.support.builders import NOW
from tests.support.store_deliveries import customer, deleted_customer, new_customer

ADA = "ada@example.com"
OLDEST, MIDDLE, YOUNGEST = NOW - 3000, NOW - 2000, NOW - 1000
WAYS = [
    "Ada@Example.com",
    " ada@example.com",
    "ada@example.com\t",
    "ADA@EXAMPLE.COM",
    "\u00a0Ada@example.com",
]
ACUTE = "é@example.com"
STAND_INS = {2: "cus_2@placeholder.invalid", 1: "cus_1@placeholder.invalid"}


async def emails(sql: Any) -> dict[str, str]:
    """Read who shows which address."""
    rows = await sql.fetch("SELECT stripe_customer_id, email FROM users")
    return {row["stripe_customer_id"]: row["email"] for row in rows}


@pytest.mark.parametrize("written", WAYS)
@pytest.mark.parametrize("first", [1, 2])
async def test_t8_one_customer_holds_an_address_however_two_write_it(
    store: Store, sql: Any, written: str, first: int
) -> None:
    events = {
        1: new_customer(1, event="1", email=written, created=OLDEST),
        2: new_customer(2, event="2", email=ADA, created=YOUNGEST),
    }
    await store.apply([events[first]])
    await store.apply([events[3 - first]])
    assert await emails(sql) == {"cus_1": ADA, "cus_2": STAND_INS[2]}
    assert await sql.fetchval("SELECT stripe_email FROM users WHERE email = $1", ADA) == written


@pytest.mark.parametrize("written", ["e\u0301@example.com", "E\u0301@example.com", "É@EXAMPLE.com"])
async def test_t8_composed_or_not_it_is_one_address(store: Store, sql: Any, written: str) -> None:
    await store.apply([new_customer(1, event="1", email=written, created=OLDEST)])
    await store.apply([new_customer(2, event="2", email=ACUTE, created=YOUNGEST)])
    assert await emails(sql) == {"cus_1": ACUTE, "cus_2": STAND_INS[2]}


@pytest.mark.parametrize("typed", [ADA, *WAYS])
async def test_t8_a_role_is_granted_listed_and_revoked_however_the_address_is_typed(
    store: Store, typed: str
) -> None:
    await store.apply([new_customer(1, event="1", email="Ada@Example.com", created=OLDEST)])
    await store.apply([new_customer(2, event="2", email=ADA, created=YOUNGEST)])
    assert await store.roles.grant(typed, Role.ADMIN)
    (granted,) = await store.roles.granted(typed)
    assert (granted.customer_id, granted.email) == ("cus_1", ADA)
    assert await store.roles.revoke(typed, Role.ADMIN)


@pytest.mark.parametrize("typed", [ADA, *WAYS])
async def test_t8_all_who_have_it_are_found_however_it_is_typed(store: Store, typed: str) -> None:
    await store.apply([new_customer(1, event="1", email="Ada@Example.com")])
    await store.apply([new_customer(2, event="2", email=" ada@example.com")])
    assert await store.history.whose(typed) == ["cus_1", "cus_2"]


@pytest.mark.parametrize(
    "typed", ["Ada@Example.COM", "É@example.com", "ЖЖ@example.com", "Å@example.com", "Σ@example.com"]
)
async def test_t8_postgres_lower_finds_it_as_the_page_of_queries_says(
    store: Store, sql: Any, typed: str
) -> None:
    await store.apply([new_customer(1, event="1", email=typed)])
    found = await sql.fetch("SELECT FROM users WHERE email = lower($1)", typed)
    also = await sql.fetch("SELECT FROM users WHERE email = lower(normalize(btrim($1), NFC))", f" {typed} ")
    assert (len(found), len(also)) == (1, 1)


async def test_t8_a_holder_that_leaves_passes_it_on_to_who_writes_it_otherwise(
    store: Store, sql: Any
) -> None:
    await store.apply([new_customer(1, event="1", email="ADA@example.com", created=OLDEST)])
    await store.apply([new_customer(2, event="2", email=" Ada@example.com", created=MIDDLE)])
    await store.apply([deleted_customer(1, event="3", at=10, created=OLDEST)])
    assert await emails(sql) == {"cus_1": STAND_INS[1], "cus_2": ADA}


async def test_t8_a_change_of_case_alone_keeps_the_holder(store: Store, sql: Any) -> None:
    await store.apply([new_customer(1, event="1", email=ADA, created=OLDEST)])
    await store.apply([new_customer(2, event="2", email=ADA, created=MIDDLE)])
    await store.apply([customer(1, event="3", at=10, email="ADA@EXAMPLE.COM", created=OLDEST)])
    assert await emails(sql) == {"cus_1": ADA, "cus_2": STAND_INS[2]}


async def test_t8_two_swap_addresses_in_one_batch_and_write_them_otherwise(store: Store, sql: Any) -> None:
    await store.apply([new_customer(1, event="1", email="a@b.c"), new_customer(2, event="2", email="d@e.f")])
    await store.apply(
        [customer(1, event="3", at=10, email="D@e.f"), customer(2, event="4", at=10, email=" A@b.c")]
    )
    assert await emails(sql) == {"cus_1": "d@e.f", "cus_2": "a@b.c"}


async def test_t8_workers_that_write_it_differently_at_once_agree_on_the_holder(
    store: Store, another_store: Store, sql: Any
) -> None:
    rounds = range(20)
    await asyncio.gather(
        *(
            store.apply([new_customer(2 * n, event=f"a{n}", email=f"{n}@x.y", created=YOUNGEST)])
            for n in rounds
        ),
        *(
            another_store.apply([new_customer(2 * n + 1, event=f"b{n}", email=f" {n}@X.y", created=OLDEST)])
            for n in rounds
        ),
    )
    expected = {f"cus_{2 * n + 1}": f"{n}@x.y" for n in rounds}
    assert expected.items() <= (await emails(sql)).items()


async def older(sql: Any, number: int, written: str, *, created: int, shows: str | None = None) -> None:
    """Make a row as a release without the canonical form left it."""
    await sql.execute(
        """
        INSERT INTO users (email, stripe_customer_id, stripe_email, stripe_created_at, evidence)
        VALUES ($1, $2, $3, to_timestamp($4), '')
        """,
        shows or written,
        f"cus_{number}",
        written,
        created,
    )


@pytest.mark.parametrize("written", [ADA, *WAYS])
async def test_t8_rows_of_an_older_release_are_repaired(store: Store, sql: Any, written: str) -> None:
    await older(sql, 1, written, created=OLDEST)
    await older(sql, 2, "ADA@example.com", created=YOUNGEST, shows="another")
    assert await store.repair() == []
    assert await emails(sql) == {"cus_1": ADA, "cus_2": STAND_INS[2]}


async def test_t8_repair_goes_page_by_page_and_the_oldest_of_all_pages_holds_it(
    store: Store, sql: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cogento.store.email_ownership.PAGE", 1)
    for number, written in enumerate(WAYS):
        await older(sql, number, written, created=NOW - number)
    await store.repair()
    shown = await emails(sql)
    assert [id_ for id_, email in shown.items() if email == ADA] == ["cus_4"]


async def test_t8_a_row_of_an_older_release_that_is_not_repaired_yet_stands_in_nobodys_way(
    store: Store, sql: Any
) -> None:
    await older(sql, 1, ADA, created=OLDEST)
    await store.apply([new_customer(2, event="2", email="Ada@Example.com", created=YOUNGEST)])
    await store.apply([new_customer(3, event="3", email="ADA@Example.com", created=OLDEST - 10)])
    assert await emails(sql) == {"cus_1": STAND_INS[1], "cus_2": STAND_INS[2], "cus_3": ADA}


async def test_t8_what_an_older_release_changes_beside_this_one_is_repaired_too(
    store: Store, sql: Any
) -> None:
    await store.apply([new_customer(1, event="1", email=ADA, created=OLDEST)])
    await store.apply([new_customer(2, event="2", email="bob@example.com", created=YOUNGEST)])
    await sql.execute(
        "UPDATE users SET stripe_email = 'Bob@Example.com', email = 'Bob@Example.com' WHERE email = $1", ADA
    )
    await store.repair()
    assert await emails(sql) == {"cus_1": "bob@example.com", "cus_2": STAND_INS[2]}


async def test_t8_repair_again_writes_nothing(store: Store, sql: Any) -> None:
    await older(sql, 1, "Ada@Example.com", created=OLDEST)
    await store.repair()
    before = await sql.fetchval("SELECT xmin FROM users")
    await store.repair()
    assert await sql.fetchval("SELECT xmin FROM users") == before


async def test_t3_what_an_older_release_left_sure_of_a_deleted_customer_is_repaired(
    store: Store, sql: Any
) -> None:
    await older(sql, 1, ADA, created=OLDEST)
    await sql.execute("UPDATE users SET deleted_at = now(), stripe_email = NULL")
    await sql.execute(
        """
        INSERT INTO subscriptions (stripe_subscription_id, user_id, status)
        SELECT 'sub_' || status, user_id, status FROM users, unnest(ARRAY['active', 'canceled']) AS status
        """
    )
    await store.repair()
    assert dict(await sql.fetch("SELECT status, unsure FROM subscriptions")) == {
        "active": True,
        "canceled": False,
    }


async def live_though_deleted(sql: Any, *numbers: int) -> None:
    """Make customers, deleted in Stripe, whose subscription an older release left as active and sure."""
    for number in numbers:
        await older(sql, number, f"{number}@example.com", created=OLDEST)
    await sql.execute("UPDATE users SET deleted_at = now(), stripe_email = NULL, email = stripe_customer_id")
    await sql.execute(
        """
        INSERT INTO subscriptions (stripe_subscription_id, user_id, status)
        SELECT 'sub_' || stripe_customer_id, user_id, 'active' FROM users
        """
    )


async def test_t3_subscriptions_of_deleted_customers_are_repaired_page_by_page(
    store: Store, sql: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cogento.store.objects.PAGE", 2)
    await live_though_deleted(sql, 1, 2, 4, 5)
    await older(sql, 3, ADA, created=OLDEST)
    await store.repair()
    assert await sql.fetchval("SELECT count(*) FROM subscriptions WHERE unsure") == 4


async def test_t8_addresses_are_repaired_although_another_repair_fails(store: Store, sql: Any) -> None:
    await live_though_deleted(sql, 1)
    await older(sql, 2, "ADA@example.com", created=OLDEST)
    await sql.execute("ALTER TABLE subscriptions ADD CONSTRAINT refused CHECK (NOT unsure)")
    with pytest.raises(asyncpg.CheckViolationError, match="refused"):
        await store.repair()
    assert (await emails(sql))["cus_2"] == ADA


async def test_t26_repair_leaves_a_row_made_by_hand_its_address_and_tells_of_it(
    store: Store, sql: Any
) -> None:
    made = await sql.fetchval(
        "INSERT INTO users (email, stripe_customer_id) VALUES ($1, 'by hand') RETURNING user_id", ADA
    )
    await older(sql, 1, "Ada@Example.com", created=OLDEST)
    (taken,) = await store.repair()
    assert str(made) in taken.message
    assert await emails(sql) == {"by hand": ADA, "cus_1": "Ada@Example.com"}


async def test_t26_a_row_of_ours_that_a_hand_gave_somebodys_address_is_put_right(
    store: Store, sql: Any
) -> None:
    await store.apply([new_customer(1, event="1", email="bob@example.com", created=OLDEST)])
    await sql.execute("UPDATE users SET email = $1", ADA)
    await store.apply([new_customer(2, event="2", email=ADA, created=YOUNGEST)])
    assert await emails(sql) == {"cus_1": "bob@example.com", "cus_2": ADA}
