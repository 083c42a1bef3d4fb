"""What the events of subscriptions leave in `subscriptions`."""

from __future__ import annotations

from typing import Any

from cogento.events.outcomes import PARKED, Reason, decided
from cogento.store.store import Store
from tests.support.builders import MONTH_SECONDS, NOW, Shape, item
from tests.support.store_deliveries import customer, deleted_customer, new_customer, subscription


async def test_a_subscription_becomes_a_row_of_its_customers_user(store: Store, sql: Any) -> None:
    await store.apply([new_customer(event="c")])
    arrived = subscription(event="s", items=[item(product="prod_9")], metadata={"seat": "3"})
    result = await store.apply([arrived])
    row = await _subscription(sql)
    assert result.results == {"evt_s": decided(Reason.FIRST)}
    assert result.customers == {"cus_1"}
    assert row["stripe_customer_id"] == "cus_1"
    assert (row["product_id"], row["status"], row["metadata"]) == ("prod_9", "active", '{"seat": "3"}')
    assert (row["period_start"], row["period_end"]) == (NOW, NOW + MONTH_SECONDS)
    assert (row["created"], row["updated"]) == (NOW, NOW)
    assert (row["last_webhook_event_id"], row["unsure"]) == ("evt_s", False)


async def test_customer_and_subscription_of_one_batch_both_get_rows_whatever_their_order(
    store: Store, sql: Any
) -> None:
    result = await store.apply([subscription(event="s"), new_customer(event="c")])
    assert set(result.results.values()) == {decided(Reason.FIRST)}
    assert (await _subscription(sql))["stripe_customer_id"] == "cus_1"


async def test_a_subscription_without_its_customers_row_is_parked_and_leaves_nothing(
    store: Store, sql: Any
) -> None:
    result = await store.apply([subscription(event="s")])
    assert result.results == {"evt_s": PARKED}
    assert result.customers == frozenset()
    assert await sql.fetchval("SELECT count(*) FROM subscriptions") == 0
    assert await sql.fetchval("SELECT count(*) FROM webhook_events") == 0


async def test_a_parked_subscription_does_not_hold_up_its_neighbours(store: Store, sql: Any) -> None:
    result = await store.apply([subscription(1, event="s", of=1), customer(2, event="c")])
    assert result.results == {"evt_s": PARKED, "evt_c": decided(Reason.FIRST)}
    assert result.customers == {"cus_2"}


async def test_a_later_shape_without_period_and_product_does_not_erase_them(store: Store, sql: Any) -> None:
    await store.apply(
        [new_customer(event="c"), subscription(event="1", shape=Shape.LEGACY, items=[item(product="prod_1")])]
    )
    bare = item(product=None)
    bare.pop("price")
    bare.pop("plan")
    await store.apply(
        [
            subscription(
                event="2",
                at=10,
                shape=Shape.LEGACY,
                items=[bare],
                current_period_start=None,
                current_period_end=None,
                status="past_due",
            )
        ]
    )
    row = await _subscription(sql)
    assert row["status"] == "past_due"
    assert row["product_id"] == "prod_1"
    assert (row["period_start"], row["period_end"]) == (NOW, NOW + MONTH_SECONDS)


async def test_an_unknown_status_is_stored_as_it_comes(store: Store, sql: Any) -> None:
    await store.apply([new_customer(event="c"), subscription(event="s", status="hibernating")])
    assert (await _subscription(sql))["status"] == "hibernating"


async def test_an_ended_subscription_never_lives_again(store: Store, sql: Any) -> None:
    gone = subscription(event="gone", status="canceled", type_="customer.subscription.deleted")
    await store.apply([new_customer(event="c"), gone])
    result = await store.apply([subscription(event="late", at=10, status="active")])
    assert result.results == {"evt_late": decided(Reason.AFTER_DELETE)}
    assert (await _subscription(sql))["status"] == "canceled"


async def test_a_subscription_moves_with_its_owner(store: Store, sql: Any) -> None:
    await store.apply(
        [new_customer(1, event="c1"), new_customer(2, event="c2"), subscription(event="s1", of=1)]
    )
    before = await _subscription(sql)
    await store.apply([subscription(event="s2", of=2, at=10)])
    after = await _subscription(sql)
    assert after["stripe_customer_id"] == "cus_2"
    assert after["subscription_id"] == before["subscription_id"]


async def test_a_subscription_stays_with_its_owner_while_the_next_one_is_unknown(
    store: Store, sql: Any
) -> None:
    await store.apply([new_customer(1, event="c1"), subscription(event="s1", of=1)])
    result = await store.apply(
        [subscription(event="s2", of=2, at=10), subscription(event="s3", of=1, at=6, status="past_due")]
    )
    row = await _subscription(sql)
    assert result.results == {"evt_s2": PARKED, "evt_s3": decided(Reason.NEWER)}
    assert (row["stripe_customer_id"], row["status"]) == ("cus_1", "past_due")


async def test_a_late_event_of_the_former_owner_does_not_move_it_back(store: Store, sql: Any) -> None:
    await store.apply(
        [new_customer(1, event="c1"), new_customer(2, event="c2"), subscription(event="s1", of=1)]
    )
    await store.apply([subscription(event="s3", of=2, at=20)])
    result = await store.apply([subscription(event="s2", of=1, at=10, status="past_due")])
    assert result.results == {"evt_s2": decided(Reason.STALE)}
    assert (await _subscription(sql))["stripe_customer_id"] == "cus_2"


async def test_the_subscriptions_of_a_deleted_customer_stay_and_go_on(store: Store, sql: Any) -> None:
    await store.apply(
        [new_customer(event="c"), subscription(event="s1"), deleted_customer(event="gone", at=5)]
    )
    await store.apply(
        [subscription(event="s2", at=10, status="canceled", type_="customer.subscription.deleted")]
    )
    row = await _subscription(sql)
    assert (row["stripe_customer_id"], row["status"]) == ("cus_1", "canceled")


async def test_several_events_of_one_subscription_in_a_batch_write_its_row_once(
    store: Store, sql: Any
) -> None:
    statuses = ["incomplete", "active", "past_due", "unpaid"]
    await store.apply([new_customer(event="c")])
    await store.apply(
        [subscription(event=f"s{n}", at=10 * n, status=status) for n, status in enumerate(statuses)]
    )
    assert (await _subscription(sql))["status"] == "unpaid"


async def _subscription(sql: Any, subscription_id: str = "sub_1") -> dict[str, Any]:
    row = await sql.fetchrow(
        """
        SELECT s.*,
               u.stripe_customer_id,
               extract(EPOCH FROM s.current_period_start)::BIGINT AS period_start,
               extract(EPOCH FROM s.current_period_end)::BIGINT AS period_end,
               extract(EPOCH FROM s.stripe_created_at)::BIGINT AS created,
               extract(EPOCH FROM s.stripe_updated_at)::BIGINT AS updated
        FROM subscriptions AS s
        INNER JOIN users AS u ON u.user_id = s.user_id
        WHERE s.stripe_subscription_id = $1
        """,
        subscription_id,
    )
    return dict(row)


async def test_what_reports_ask_for_is_written_from_the_same_snapshot(store: Store, sql: Any) -> None:
    leaving = subscription(
        event="s",
        items=[item(quantity=3)],
        cancel_at_period_end=True,
        cancel_at=NOW + 9,
        canceled_at=NOW,
        trial_end=NOW - 1,
        start_date=NOW - 5,
        collection_method="send_invoice",
        pause_collection={"behavior": "void", "resumes_at": NOW + 3},
    )
    await store.apply([new_customer(event="c"), leaving])
    row = await sql.fetchrow(_REPORTED)
    assert dict(row) == {
        "quantities": "[3]",
        "cancel_at_period_end": True,
        "cancel_at": NOW + 9,
        "canceled_at": NOW,
        "ended_at": None,
        "trial_end": NOW - 1,
        "start_date": NOW - 5,
        "collection_method": "send_invoice",
        "resumes_at": str(NOW + 3),
    }


async def test_an_end_comes_also_with_a_value_that_no_report_can_show(store: Store, sql: Any) -> None:
    odd = subscription(
        event="s",
        status="canceled",
        type_="customer.subscription.deleted",
        cancel_at="soon",
        items=[{**item(), "quantity": "many"}],
    )
    result = await store.apply([new_customer(event="c"), odd])
    assert set(result.results.values()) == {decided(Reason.FIRST)}
    assert (await _subscription(sql))["status"] == "canceled"


async def test_a_row_of_the_release_before_is_written_once_by_an_event_that_changes_nothing_else(
    store: Store, sql: Any
) -> None:
    await store.apply([new_customer(event="c"), subscription(event="1")])
    await sql.execute("UPDATE subscriptions SET items = NULL, start_date = NULL, collection_method = NULL")
    again = await store.apply([subscription(event="2", at=10)])
    assert again.results == {"evt_2": decided(Reason.NEWER)}
    assert (await sql.fetchrow(_REPORTED))["quantities"] == "[1]"
    unchanged = await store.apply([subscription(event="3", at=20)])
    assert unchanged.results == {"evt_3": decided(Reason.UNCHANGED)}


async def test_a_late_event_puts_nothing_old_into_a_row_of_the_release_before(store: Store, sql: Any) -> None:
    await store.apply([new_customer(event="c"), subscription(event="2", at=20)])
    await sql.execute("UPDATE subscriptions SET items = NULL, start_date = NULL, collection_method = NULL")
    await store.apply([subscription(event="1", items=[item(quantity=9)])])
    row = await sql.fetchrow(_REPORTED)
    assert (row["quantities"], row["start_date"]) == (None, None)


_REPORTED = """
SELECT jsonb_path_query_array(items, '$[*].quantity')::TEXT AS quantities, cancel_at_period_end,
       extract(EPOCH FROM cancel_at)::BIGINT AS cancel_at, extract(EPOCH FROM canceled_at)::BIGINT AS canceled_at,
       extract(EPOCH FROM ended_at)::BIGINT AS ended_at, extract(EPOCH FROM trial_end)::BIGINT AS trial_end,
       extract(EPOCH FROM start_date)::BIGINT AS start_date, collection_method,
       pause_collection ->> 'resumes_at' AS resumes_at
FROM subscriptions
"""
