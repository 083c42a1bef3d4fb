"""Who signs in with which address, in the tables."""

from __future__ import annotations

from typing import Any

from cogento.store.store import Store
from tests.support.builders import NOW
from tests.support.store_deliveries import customer, deleted_customer, new_customer

OLDEST, MIDDLE, YOUNGEST = NOW - 3000, NOW - 2000, NOW - 1000
SHARED = "shared@example.com"


async def test_the_oldest_customer_holds_a_shared_address(store: Store, sql: Any) -> None:
    await store.apply([new_customer(2, event="2", email=SHARED, created=MIDDLE)])
    await store.apply([new_customer(1, event="1", email=SHARED, created=OLDEST)])
    await store.apply([new_customer(3, event="3", email=SHARED, created=YOUNGEST)])
    assert await _emails(sql) == {
        "cus_1": SHARED,
        "cus_2": "cus_2@placeholder.invalid",
        "cus_3": "cus_3@placeholder.invalid",
    }
    assert await sql.fetchval("SELECT count(*) FROM users WHERE stripe_email = $1", SHARED) == 3


async def test_customers_that_share_an_address_may_arrive_in_one_batch(store: Store, sql: Any) -> None:
    await store.apply(
        [
            new_customer(2, event="2", email=SHARED, created=YOUNGEST),
            new_customer(1, event="1", email=SHARED, created=OLDEST),
        ]
    )
    assert await _emails(sql) == {"cus_1": SHARED, "cus_2": "cus_2@placeholder.invalid"}


async def test_of_equally_old_customers_the_lesser_id_holds_the_address(store: Store, sql: Any) -> None:
    await store.apply([new_customer("b", event="b", email=SHARED, created=OLDEST)])
    await store.apply([new_customer("B", event="B", email=SHARED, created=OLDEST)])
    assert await _emails(sql) == {"cus_B": SHARED, "cus_b": "cus_b@placeholder.invalid"}


async def test_an_address_that_its_holder_leaves_passes_to_the_next(store: Store, sql: Any) -> None:
    await store.apply([new_customer(1, event="1", email=SHARED, created=OLDEST)])
    await store.apply([new_customer(2, event="2", email=SHARED, created=MIDDLE)])
    await store.apply([new_customer(3, event="3", email=SHARED, created=YOUNGEST)])
    await store.apply([customer(1, event="4", at=10, email="new@example.com", created=OLDEST)])
    assert await _emails(sql) == {
        "cus_1": "new@example.com",
        "cus_2": SHARED,
        "cus_3": "cus_3@placeholder.invalid",
    }


async def test_an_address_whose_holder_is_deleted_passes_to_the_next(store: Store, sql: Any) -> None:
    await store.apply([new_customer(1, event="1", email=SHARED, created=OLDEST)])
    await store.apply([new_customer(2, event="2", email=SHARED, created=MIDDLE)])
    await store.apply([deleted_customer(1, event="3", at=10, email=SHARED, created=OLDEST)])
    assert await _emails(sql) == {"cus_1": "cus_1@placeholder.invalid", "cus_2": SHARED}


async def test_a_claim_given_up_while_waiting_is_not_passed_on(store: Store, sql: Any) -> None:
    await store.apply([new_customer(1, event="1", email=SHARED, created=OLDEST)])
    await store.apply([new_customer(2, event="2", email=SHARED, created=MIDDLE)])
    await store.apply([customer(2, event="3", at=5, email="own@example.com", created=MIDDLE)])
    await store.apply([deleted_customer(1, event="4", at=10, created=OLDEST)])
    assert await _emails(sql) == {"cus_1": "cus_1@placeholder.invalid", "cus_2": "own@example.com"}


async def test_two_customers_swap_addresses_in_one_batch(store: Store, sql: Any) -> None:
    await store.apply([new_customer(1, event="1", email="a@b.c"), new_customer(2, event="2", email="d@e.f")])
    await store.apply(
        [customer(1, event="3", at=10, email="d@e.f"), customer(2, event="4", at=10, email="a@b.c")]
    )
    assert await _emails(sql) == {"cus_1": "d@e.f", "cus_2": "a@b.c"}


async def test_addresses_move_around_a_ring_in_one_batch(store: Store, sql: Any) -> None:
    await store.apply([new_customer(n, event=f"n{n}", email=f"{n}@example.com") for n in range(5)])
    await store.apply(
        [customer(n, event=f"m{n}", at=10, email=f"{(n + 1) % 5}@example.com") for n in range(5)]
    )
    assert await _emails(sql) == {f"cus_{n}": f"{(n + 1) % 5}@example.com" for n in range(5)}


async def test_a_swap_that_arrives_in_halves_ends_the_same(store: Store, sql: Any) -> None:
    await store.apply([new_customer(1, event="1", email="a@b.c", created=OLDEST)])
    await store.apply([new_customer(2, event="2", email="d@e.f", created=MIDDLE)])
    await store.apply([customer(2, event="4", at=10, email="a@b.c", created=MIDDLE)])
    assert await _emails(sql) == {"cus_1": "a@b.c", "cus_2": "cus_2@placeholder.invalid"}
    await store.apply([customer(1, event="3", at=10, email="d@e.f", created=OLDEST)])
    assert await _emails(sql) == {"cus_1": "d@e.f", "cus_2": "a@b.c"}


async def test_a_new_customer_takes_an_address_that_is_left_in_the_same_batch(store: Store, sql: Any) -> None:
    await store.apply([new_customer(1, event="1", email=SHARED, created=OLDEST)])
    await store.apply(
        [
            new_customer(2, event="2", at=10, email=SHARED, created=YOUNGEST),
            customer(1, event="3", at=10, email="new@example.com", created=OLDEST),
        ]
    )
    assert await _emails(sql) == {"cus_1": "new@example.com", "cus_2": SHARED}


async def test_a_takeover_does_not_touch_the_rest_of_the_heirs_row(store: Store, sql: Any) -> None:
    await store.apply([new_customer(1, event="1", email=SHARED, created=OLDEST)])
    await store.apply([new_customer(2, event="2", email=SHARED, created=MIDDLE, name="Heir")])
    before = await sql.fetchrow(
        "SELECT name, synced_at, last_webhook_event_id FROM users WHERE name = 'Heir'"
    )
    await store.apply([deleted_customer(1, event="3", at=10, created=OLDEST)])
    after = await sql.fetchrow("SELECT name, synced_at, last_webhook_event_id FROM users WHERE name = 'Heir'")
    assert after == before


async def test_somebody_elses_stand_in_cannot_be_claimed(store: Store, sql: Any) -> None:
    await store.apply([new_customer(1, event="1", email="cus_2@placeholder.invalid")])
    await store.apply([new_customer(2, event="2", email=None)])
    assert await _emails(sql) == {"cus_1": "cus_1@placeholder.invalid", "cus_2": "cus_2@placeholder.invalid"}


async def test_an_address_of_512_letters_fits(store: Store, sql: Any) -> None:
    longest = "ж" * 500 + "@example.com"
    await store.apply([new_customer(1, event="1", email=longest)])
    assert await _emails(sql) == {"cus_1": longest}


async def _emails(sql: Any) -> dict[str, str]:
    rows = await sql.fetch("SELECT stripe_customer_id, email FROM users")
    return {row["stripe_customer_id"]: row["email"] for row in rows}
