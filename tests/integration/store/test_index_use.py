"""The hot queries: each uses an index, also on a new table with the statistics of an empty one; updates stay in the page (HOT)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from cogento.events.kinds import OWNED_KINDS
from cogento.store.connecting import connect
from cogento.store.dead_letters import filter_terms
from cogento.store.kind_queries import query_of, query_of_all
from cogento.store.letter_records import LetterFilter, LetterStatus
from cogento.store.store import Store
from tests.support.store_deliveries import customer, new_customer, subscription

if TYPE_CHECKING:
    import asyncpg

ANY_STATUS = frozenset(LetterStatus)
BY_STRIPE_ID, UNSURE = "idx_{0.table}_stripe_{0}_id", "idx_{0.table}_unsure"

HOT = (
    ("ledger_find", "webhook_events"),
    ("ledger_insert", "outcome_totals_pkey"),
    ("users_lock", "idx_users_stripe_customer_id"),
    ("users_lock_with_claimants", "idx_users_stripe_email"),
    ("users_join_claimants", "idx_users_stripe_email"),
    ("users_update", "users_pkey"),
    ("users_set_email", "users_pkey"),
    ("history_events", "customer_id"),
    ("history_event", "pkey"),
    ("history_timeline", "customer_id"),
    ("history_timeline", "idx_dead_letters_event_id"),
    ("history_named_events", "pkey"),
    ("refetches_ambiguous_due", "idx_users_unsure"),
    ("refetches_ambiguous_due", "idx_dead_letters_unresolved_died_at"),
    ("refetches_ambiguous_due", "idx_dead_letters_object_id"),
    ("refetches_ambiguous_due", "idx_users_stripe_customer_id"),
    ("refetches_lock", "notices_pkey"),
    ("refetches_take", "notices_pkey"),
    ("refetches_answered", "notices_pkey"),
    ("refetches_cover", "notices_pkey"),
    ("refetches_due", "idx_notices_waits_since"),
    ("refetches_due", "idx_dead_letters_object_id"),
    ("refetches_due", "idx_users_stripe_customer_id"),
    ("refetches_dead_answers", "idx_dead_letters_object_id"),
    ("repair_deleted_users", "idx_users_stripe_customer_id"),
    ("dead_letters_count", "idx_dead_letters_unresolved_died_at"),
    ("dead_letters_count", "idx_dead_letters_unresolved_removals"),
    ("dead_letters_count", "idx_users_stripe_customer_id"),
    ("dead_letters_statuses", "idx_dead_letters_cause"),
    ("dead_letters_rows", "dead_letters_pkey"),
    ("dead_letters_rows", "idx_users_stripe_customer_id"),
)
EVERY_HOT = [
    *(pytest.param(query_of_all(name), index, id=f"{name}-{index}") for name, index in HOT),
    *(
        pytest.param(query_of(name, kind), index.format(kind), id=f"{name}-{index.format(kind)}")
        for kind in OWNED_KINDS
        for name, index in (("objects_lock", BY_STRIPE_ID), ("objects_update", "{0.table}_pkey"))
    ),
    *(
        pytest.param(
            query_of("objects_mark_outliving", kind),
            f"idx_{kind.table}_user_id",
            id=f"outliving-{kind.table}",
        )
        for kind in OWNED_KINDS
        if kind.ends_with_customer
    ),
    *(
        pytest.param(query_of_all(name), index.format(kind), id=f"{name}-{index.format(kind)}")
        for kind in OWNED_KINDS
        for name, index in (
            ("refetches_ambiguous_due", UNSURE),
            ("refetches_ambiguous_due", BY_STRIPE_ID),
            ("refetches_due", BY_STRIPE_ID),
            ("dead_letters_count", BY_STRIPE_ID),
            ("dead_letters_rows", BY_STRIPE_ID),
        )
    ),
]


@pytest.mark.parametrize(("query", "index"), EVERY_HOT)
async def test_the_query_goes_by_key_whatever_the_statistics(
    untouched_url: str, query: str, index: str
) -> None:
    session = await connect(untouched_url, application_name="test")
    plan = await _generic_plan(session, query)
    await session.close()
    assert index in plan
    assert "Seq Scan" not in plan
    assert "Hash Join" not in plan
    assert "Merge Join" not in plan


@pytest.mark.parametrize(
    ("name", "terms", "indexes"),
    [
        ("activity_page", (None, None, None, None, 50), {"activity_pkey", "idx_dead_letter_actions_one_by_one"}),
        ("activity_page", ("ada", None, None, None, 50), {"idx_activity_who", "idx_dead_letter_actions_who"}),
        ("activity_page", ("worker", None, None, None, 50), {"idx_activity_who", "idx_dead_letter_actions_who"}),
        ("activity_page", (None, "forget", None, None, 50), {"idx_activity_action"}),
        (
            "activity_page",
            (None, None, "cus_1", None, 50),
            {"idx_activity_about", "idx_dead_letters_customer_id", "idx_dead_letters_object_id", "idx_dead_letters_event_id"},
        ),
        ("dead_letters_list", (*filter_terms(LetterFilter(fingerprint="f")), None, 100), {"idx_dead_letters_cause"}),
        ("dead_letters_list", (*filter_terms(LetterFilter(statuses=ANY_STATUS, operation=7)), None, 100), {"idx_dead_letter_actions_operation_id"}),
        ("operations_remaining", (*filter_terms(LetterFilter()), 7), {"idx_dead_letter_actions_operation_id", "idx_dead_letter_actions_letter_id"}),
    ],
)  # fmt: skip
async def test_what_is_searched_for_goes_by_the_index_of_its_terms(
    untouched_url: str, name: str, terms: tuple[object, ...], indexes: set[str]
) -> None:
    session = await connect(untouched_url, application_name="test")
    await session.execute("SET plan_cache_mode = force_custom_plan; SET enable_seqscan = off")
    plan = json.loads(await session.fetchval(f"EXPLAIN (FORMAT JSON) {query_of_all(name)}", *terms))
    await session.close()
    assert {node["Index Name"] for node in _nodes(plan[0]["Plan"]) if "Index Name" in node} >= indexes


async def test_totals_go_by_index_but_for_the_table_that_has_a_few_rows(untouched_url: str) -> None:
    session = await connect(untouched_url, application_name="test")
    plan = json.loads(await _generic_plan(session, query_of_all("history_totals")))
    await session.close()
    nodes = _nodes(json.loads(plan)[0]["Plan"])
    found = {node["Relation Name"] for node in nodes if node["Node Type"] == "Seq Scan"}
    assert found == {"outcome_totals"}
    assert {node["Index Name"] for node in nodes if "Index Name" in node} >= {
        "idx_users_unsure",
        "idx_notices_waits_since",
        *(UNSURE.format(kind) for kind in OWNED_KINDS),
    }


async def test_asking_whether_an_event_has_counted_probes_one_day(
    store: Store, database_url: str, sql: Any
) -> None:
    now = await sql.fetchval("SELECT extract(EPOCH FROM now())::BIGINT")
    await store.apply([new_customer(event="1", at=now - new_customer(event="x").event.created)])
    session = await connect(database_url, application_name="test")
    plan = await session.fetchval(
        "EXPLAIN (ANALYZE, FORMAT JSON) "
        + query_of_all("ledger_find").replace("$1", "ARRAY['evt_1']").replace("$2", f"ARRAY[{now}]")
    )
    await session.close()
    nodes = _nodes(json.loads(plan)[0]["Plan"])
    scans = [node for node in nodes if node.get("Relation Name", "").startswith("webhook_events")]
    assert len(scans) == 9
    assert len([scan for scan in scans if scan["Actual Loops"]]) == 1


async def test_a_random_sample_reads_a_small_part_of_large_tables(
    store: Store, database_url: str, sql: Any
) -> None:
    await sql.execute("SET session_replication_role = replica")  # no checks of keys: faster
    await sql.execute(
        """
        INSERT INTO users (email, stripe_customer_id, evidence)
        SELECT n || '@example.com', 'cus_' || n, decode(repeat('ab', 1000), 'hex')
        FROM generate_series(1, 5000) AS n
        """
    )
    session = await connect(database_url, application_name="test")
    plan = await session.fetchval(
        "EXPLAIN (ANALYZE, FORMAT JSON) " + query_of_all("stored_rows_sample").replace("$1", "20")
    )
    await session.close()
    sampled = await store.stored_rows.sample(20)
    assert (len(sampled), len(set(sampled))) == (20, 20)
    nodes = _nodes(json.loads(plan)[0]["Plan"])
    read = [node["Actual Rows"] for node in nodes if node["Node Type"] == "Sample Scan"]
    assert 20 < sum(read) < 2_000
    assert "Seq Scan" not in {node["Node Type"] for node in nodes}


async def test_a_random_sample_of_small_tables_has_every_row_that_is_asked_for(store: Store) -> None:
    await store.apply([new_customer(n, event=f"n{n}") for n in range(3)])
    await store.apply([subscription(n, event=f"s{n}", of=n) for n in range(2)])
    listed = {one.object_id for one in await store.stored_rows.sample(9)}
    assert listed == {"cus_0", "cus_1", "cus_2", "sub_0", "sub_1"}
    assert len(await store.stored_rows.sample(4)) == 4


async def test_most_updates_of_a_row_stay_in_its_page_and_touch_no_index(store: Store, sql: Any) -> None:
    await store.apply([new_customer(n, event=f"n{n}") for n in range(50)])
    await store.apply([subscription(n, event=f"s{n}", of=n) for n in range(50)])
    for step in range(1, 26):
        some = range(step % 5, 50, 5)
        await store.apply([customer(n, event=f"{n}_{step}", at=10 * step, name=f"{step}") for n in some])
        await store.apply([subscription(n, event=f"s{n}_{step}", at=10 * step, of=n) for n in some])
    await store.close()
    rows = await sql.fetch(
        "SELECT relname, n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE relname IN ('users', 'subscriptions')"
    )
    assert {row["relname"]: row["n_tup_upd"] for row in rows} == {"users": 250, "subscriptions": 250}
    assert min(row["n_tup_hot_upd"] for row in rows) > 225


async def _generic_plan(session: asyncpg.Connection, query: str) -> str:
    """Explain what the server does when it knows nothing of the values, as our sessions ask it to."""
    prepared = await session.prepare(query)
    if not prepared.get_parameters():
        return json.dumps(await session.fetchval(f"EXPLAIN (FORMAT JSON) {query}"))
    nulls = ", ".join("NULL" for _ in prepared.get_parameters())
    types = ", ".join(_type_name(parameter) for parameter in prepared.get_parameters())
    await session.execute(f"PREPARE asked ({types}) AS {query}")
    return json.dumps(await session.fetchval(f"EXPLAIN (FORMAT JSON) EXECUTE asked ({nulls})"))


def _nodes(plan: dict[str, Any]) -> list[dict[str, Any]]:
    return [plan, *(node for child in plan.get("Plans", []) for node in _nodes(child))]


def _type_name(parameter: asyncpg.Type) -> str:
    return f"{parameter.name.removesuffix('[]')}{'[]' * (parameter.kind == 'array')}"
