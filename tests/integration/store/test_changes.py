"""What changes in the tables is kept and announced, in the order of commits, and nothing else is."""

from __future__ import annotations

import asyncio
import json
import subprocess
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, cast

import asyncpg
import pytest

from cogento.database_schema import with_schema
from cogento.events.addresses import placeholder
from cogento.events.kinds import OWNED_KINDS
from cogento.events.names import CustomerId
from cogento.events.outcomes import Source
from cogento.local.binaries import postgres_binaries
from cogento.retries import FailureClass
from cogento.store import changes
from cogento.store.changes import ChangesNotKeptError
from cogento.store.errors import classify
from cogento.store.migrate import migrate
from cogento.store.process_roles import ProcessRole
from cogento.store.roles import Role
from cogento.store.store import Store
from tests.integration.store.test_foreign_databases import execute
from tests.support import builders
from tests.support.announcing import kept_changes
from tests.support.databases import ROLES, as_role, look
from tests.support.postgres_watching import until, until_waiting
from tests.support.servers import chosen
from tests.support.store_deliveries import (
    customer,
    deleted_customer,
    delivery,
    new_customer,
    subscription,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from cogento.events.event import Event
    from tests.support.databases import Administration

CHANNEL = "cogento_changes"
ORDERING = {"stripe_updated_at", "synced_at", "last_webhook_event_id", "evidence"}
NOT_TOLD = {kind.table: {kind.row_id_column, kind.stripe_id_column} | ORDERING for kind in OWNED_KINDS} | {
    "users": {"user_id", "stripe_customer_id", "claimed_email", "lives_in_stripe"} | ORDERING,
    "user_roles": {"user_id", "role", "created_at"},
}
"""Keys, which do not change, and what is kept beside a row to order its events."""
FOLLOWING = "FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'test' AND state = 'idle' AND query LIKE '%changes_after%'"
OUR_TRIGGERS = "SELECT oid FROM pg_trigger WHERE tgname LIKE 'announce%' ORDER BY oid"


@pytest.fixture
def database_url(administration: Administration, announcing_template: str) -> Iterator[str]:
    """The URL of a fresh database that keeps changes."""
    yield from administration.lend(template=announcing_template)


async def test_a_row_that_is_made_is_kept_with_its_ids_and_its_event(store: Store, sql: Any) -> None:
    await store.apply([new_customer(event="1"), subscription(event="2")])

    user_id = await sql.fetchval("SELECT user_id FROM users")
    row_id = await sql.fetchval("SELECT subscription_id FROM subscriptions")
    assert await kept_changes(
        sql, "kind", "action", "user_id", "customer_id", "row_id", "object_id", "columns", "event_id"
    ) == [
        ("customer", "insert", user_id, "cus_1", None, "cus_1", [], "evt_1"),
        ("subscription", "insert", user_id, "cus_1", row_id, "sub_1", [], "evt_2"),
    ]


async def test_an_update_names_the_columns_that_differ_and_a_subscriptions_status_before_and_after(
    store: Store, sql: Any
) -> None:
    await store.apply([new_customer(event="1", name="Ada"), subscription(event="2", status="active")])
    await sql.execute("TRUNCATE changes")

    await store.apply([
        customer(event="3", at=9, name="Bob", phone="+1"),
        subscription(event="4", at=9, status="canceled", type_="customer.subscription.deleted"),
    ])  # fmt: skip

    assert await kept_changes(sql, "columns", "status_before", "status_after", "event_id") == [
        (["name", "phone"], None, None, "evt_3"),
        (["status"], "active", "canceled", "evt_4"),
    ]


async def test_an_event_that_shows_what_the_row_shows_is_no_change(store: Store, sql: Any) -> None:
    await store.apply([new_customer(event="1"), subscription(event="2")])
    before = await sql.fetchval("SELECT last_webhook_event_id FROM users")
    await sql.execute("TRUNCATE changes")

    await store.apply([customer(event="3", at=9), subscription(event="4", at=9)])

    assert await sql.fetchval("SELECT last_webhook_event_id FROM users") != before
    assert await kept_changes(sql, "kind") == []


async def test_roles_are_told_as_granted_and_revoked_by_hand_and_by_subscription(
    store: Store, sql: Any
) -> None:
    await store.set_member_statuses({"active"})
    await store.apply(
        [new_customer(event="1", email="a@example.com"), subscription(event="2", status="active")]
    )
    await store.roles.grant("a@example.com", Role.ADMIN)
    await store.roles.grant("a@example.com", Role.MEMBER)
    await store.roles.revoke("a@example.com", Role.ADMIN)

    assert await kept_changes(sql, "kind", "action", "role", "columns", "customer_id", "event_id") == [
        ("customer", "insert", None, [], "cus_1", "evt_1"),
        ("subscription", "insert", None, [], "cus_1", "evt_2"),
        ("role", "insert", "member", [], "cus_1", None),
        ("role", "insert", "admin", [], "cus_1", None),
        ("role", "update", "member", ["granted_by"], "cus_1", None),
        ("role", "delete", "admin", [], "cus_1", None),
    ]


async def test_the_role_member_is_revoked_in_the_transaction_of_the_cancellation(
    store: Store, sql: Any
) -> None:
    await store.set_member_statuses({"active"})
    await store.apply([new_customer(event="1"), subscription(event="2", status="active")])
    await sql.execute("TRUNCATE changes")

    await store.apply([subscription(event="3", at=9, status="past_due")])

    assert await kept_changes(sql, "kind", "action", "role", "status_after") == [
        ("subscription", "update", None, "past_due"),
        ("role", "delete", "member", None),
    ]


async def test_an_address_that_moves_is_told_of_both_rows(store: Store, sql: Any) -> None:
    await store.apply([new_customer(1, event="1", email="a@example.com", created=100)])
    await store.apply([new_customer(2, event="2", email="a@example.com", created=200)])
    assert await sql.fetchval("SELECT email FROM users WHERE stripe_customer_id = 'cus_2'") == placeholder(
        CustomerId("cus_2")
    )
    await sql.execute("TRUNCATE changes")

    await store.apply([deleted_customer(1, event="3", at=9)])

    moved = await kept_changes(
        sql, "customer_id", "event_id", "'email' = ANY(columns)", "'deleted_at' = ANY(columns)"
    )
    assert ("cus_2", None, True, False) in moved
    assert ("cus_1", "evt_3", False, True) in moved
    assert {whose for whose, _, email, _ in moved if email} == {"cus_1", "cus_2"}


async def test_a_subscription_that_outlives_its_deleted_customer_is_told_as_unsure(
    store: Store, sql: Any
) -> None:
    await store.apply([new_customer(event="1"), subscription(event="2", status="active")])
    await sql.execute("TRUNCATE changes")

    await store.apply([deleted_customer(event="3", at=9)])

    assert ("subscription", "sub_1", ["unsure"], "active", None) in await kept_changes(
        sql, "kind", "object_id", "columns", "status_after", "event_id"
    )


async def test_a_subscription_that_goes_to_another_customer_names_both(store: Store, sql: Any) -> None:
    await store.apply([new_customer(1, event="1"), new_customer(2, event="2"), subscription(event="3", of=1)])
    await sql.execute("TRUNCATE changes")

    await store.apply([subscription(event="4", at=9, of=2)])

    ids = dict(await sql.fetch("SELECT stripe_customer_id, user_id FROM users"))
    assert await kept_changes(sql, "user_id", "user_id_before", "customer_id", "columns") == [
        (ids["cus_2"], ids["cus_1"], "cus_2", ["user_id"])
    ]


@pytest.mark.parametrize("source", [Source.BACKFILL, Source.VERIFY, Source.FETCH, Source.RETRY, Source.SWEEP])
async def test_it_does_not_matter_how_a_change_came(store: Store, sql: Any, source: Source) -> None:
    made = delivery("customer.created", builders.customer("cus_1"), id_="evt_1", source=source)
    await store.apply([made])
    assert await kept_changes(sql, "customer_id") == [("cus_1",)]


async def test_a_person_who_is_forgotten_is_told_without_personal_data(store: Store, sql: Any) -> None:
    await store.apply([
        new_customer(event="1", name="Ada", email="ada@example.com"), subscription(event="2", metadata={"who": "Ada"}),
    ])  # fmt: skip
    await sql.execute("TRUNCATE changes")
    deletion = cast("Event", deleted_customer(event="3", at=9).event)

    await store.personal_data.erase(deletion, who="me", names=(), dry_run=True)
    assert await kept_changes(sql, "kind") == []
    await store.personal_data.erase(deletion, who="me", names=())

    told = await kept_changes(sql, "kind", "columns::TEXT")
    assert any("forgotten_at" in columns for kind, columns in told if kind == "customer")
    assert any("metadata" in columns for kind, columns in told if kind == "subscription")
    everything = await sql.fetchval("SELECT string_agg(c::TEXT, ' ') FROM changes AS c")
    assert "Ada" not in everything
    assert "ada@" not in everything


async def test_a_hand_in_the_tables_is_told_like_any_other(store: Store, sql: Any) -> None:
    await store.apply([new_customer(event="1")])
    await sql.execute("TRUNCATE changes")
    await sql.execute("UPDATE users SET name = 'By hand'")
    await sql.execute("UPDATE users SET synced_at = now(), evidence = NULL")
    await sql.execute("DELETE FROM users")
    assert await kept_changes(sql, "action", "columns", "customer_id", "event_id") == [
        ("update", ["name"], "cus_1", None),
        ("delete", [], "cus_1", None),
    ]


async def test_what_is_rolled_back_is_not_told(store: Store, sql: Any) -> None:
    await store.apply([new_customer(event="1")])
    before = await kept_changes(sql, "change_id")
    transaction = sql.transaction()
    await transaction.start()
    await sql.execute("UPDATE users SET name = 'Nobody'")
    await transaction.rollback()
    assert await kept_changes(sql, "change_id") == before


async def test_every_column_is_told_or_known_as_none_of_anybodys_business(sql: Any) -> None:
    for table, not_told in NOT_TOLD.items():
        columns = await sql.fetch(
            "SELECT attname FROM pg_attribute WHERE attrelid = $1::REGCLASS AND attnum > 0 AND NOT attisdropped",
            table,
        )
        purpose = await sql.fetchval(
            "SELECT obj_description(oid) FROM pg_trigger WHERE tgname = 'announce_updates' AND tgrelid = $1::REGCLASS",
            table,
        )
        told = purpose.removeprefix("Announces changes of ").rstrip(".").split(", ")
        assert {name for (name,) in columns} == {*told} | not_told


async def listen(sql: Any, *, count: int) -> asyncio.Future[list[str]]:
    """Collect so many announcements."""
    heard: list[str] = []
    done: asyncio.Future[list[str]] = asyncio.get_running_loop().create_future()

    def hear(_connection: object, _pid: int, _channel: str, payload: str) -> None:
        heard.append(payload)
        if len(heard) == count:
            done.set_result(heard)

    await sql.add_listener(CHANNEL, hear)
    return done


async def test_an_announcement_says_what_is_kept(store: Store, sql: Any) -> None:
    heard = await listen(sql, count=2)

    await store.apply([new_customer(event="1", name="Ada"), subscription(event="2", status="active")])

    _, told = (json.loads(payload) for payload in await heard)
    kept = await sql.fetchrow("SELECT * FROM changes WHERE kind = 'subscription'")
    assert told.pop("changed_at")
    assert told == {
        "change_id": kept["change_id"],
        "kind": "subscription",
        "action": "insert",
        "user_id": str(kept["user_id"]),
        "customer_id": "cus_1",
        "row_id": str(kept["row_id"]),
        "object_id": "sub_1",
        "columns": [],
        "status_after": "active",
        "event_id": "evt_2",
    }


async def test_an_announcement_that_would_be_too_long_says_less_and_stops_nobody(
    store: Store, sql: Any
) -> None:
    await store.apply([new_customer(event="1"), subscription(event="2")])
    heard = await listen(sql, count=1)

    await sql.execute("UPDATE subscriptions SET status = repeat('x', 9000)")

    (payload,) = await heard
    assert {*json.loads(payload)} == {"change_id", "kind", "action", "user_id"}
    assert (
        await sql.fetchval("SELECT length(status_after) FROM changes ORDER BY change_id DESC LIMIT 1") == 9000
    )


async def test_what_is_committed_last_has_the_greatest_number_whoever_wrote_first(
    store: Store, sql: Any, more_sql: Any
) -> None:
    await store.apply([new_customer(1, event="1"), new_customer(2, event="2")])
    first, second = sql.transaction(), more_sql.transaction()
    await first.start()
    await second.start()
    await sql.execute("UPDATE users SET name = 'First to write' WHERE stripe_customer_id = 'cus_1'")
    await more_sql.execute("UPDATE users SET name = 'First to commit' WHERE stripe_customer_id = 'cus_2'")
    seen = (await store.changes.state()).newest

    await second.commit()
    page = await store.changes.after(seen)
    await first.commit()
    later = await store.changes.after(page[-1].change_id)

    assert [change.customer_id for change in page] == ["cus_2"]
    assert [change.customer_id for change in later] == ["cus_1"]


async def test_between_its_number_and_the_end_of_its_commit_a_transaction_is_alone(
    store: Store, sql: Any, more_sql: Any, database_url: str
) -> None:
    """One that has its number and is not committed is never passed by another: a reader would miss it."""
    await store.apply([new_customer(1, event="1"), new_customer(2, event="2")])
    seen = (await store.changes.state()).newest
    slow = sql.transaction()
    await slow.start()
    await sql.execute("UPDATE users SET name = 'Slow' WHERE stripe_customer_id = 'cus_1'")
    await sql.execute("SET CONSTRAINTS ALL IMMEDIATE")  # numbered, as in the middle of its commit
    quick = asyncio.create_task(
        more_sql.execute("UPDATE users SET name = 'Quick' WHERE stripe_customer_id = 'cus_2'")
    )
    witness = await look(database_url)
    await until_waiting(witness)
    await witness.close()
    assert await store.changes.after(seen) == []

    await slow.commit()
    await quick

    assert [change.customer_id for change in await store.changes.after(seen)] == ["cus_1", "cus_2"]


async def test_a_follower_is_given_what_there_is_and_then_each_as_it_is_announced(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(changes, "LOOK_SECONDS", 3600)
    await store.apply([new_customer(1, event="1")])
    start = (await store.changes.state()).complete_after
    async with aclosing(store.changes.follow(start)) as pages:
        assert [one.customer_id for one in await anext(pages)] == ["cus_1"]
        waiting = asyncio.ensure_future(anext(pages))
        await store.apply([new_customer(2, event="2")])
        assert [one.customer_id for one in await waiting] == ["cus_2"]


async def test_a_follower_looks_by_itself_too_where_nothing_is_announced(
    store: Store, sql: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(changes, "LOOK_SECONDS", 0.01)
    start = (await store.changes.state()).newest
    async with aclosing(store.changes.follow(start)) as pages:
        waiting = asyncio.ensure_future(anext(pages))
        await sql.execute(
            "INSERT INTO changes (kind, action, user_id) VALUES ('role', 'insert', gen_random_uuid())"
        )
        assert [one.kind for one in await waiting] == ["role"]


async def test_a_follower_that_loses_its_connection_is_told_that_postgres_is_away(
    store: Store, sql: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(changes, "LOOK_SECONDS", 3600)  # it is told, and need not look
    start = (await store.changes.state()).newest
    async with aclosing(store.changes.follow(start)) as pages:
        waiting = asyncio.ensure_future(anext(pages))
        await until(sql, f"SELECT coalesce(bool_or(pg_terminate_backend(pid)), FALSE) {FOLLOWING}")
        with pytest.raises(Exception) as caught:
            await waiting
    assert classify(caught.value) is FailureClass.INFRASTRUCTURE


async def test_changes_are_trimmed_and_a_reader_who_was_away_for_longer_is_told(
    store: Store, sql: Any
) -> None:
    await store.apply([new_customer(1, event="1"), new_customer(2, event="2"), new_customer(3, event="3")])
    old, newer, newest = (number for (number,) in await kept_changes(sql, "change_id"))
    await sql.execute(
        "UPDATE changes SET changed_at = now() - INTERVAL '8 days' WHERE change_id <= $1", newer
    )

    await store.run_maintenance()

    assert await kept_changes(sql, "change_id") == [(newest,)]
    assert [change.change_id for change in await store.changes.after(newer)] == [newest]
    with pytest.raises(
        ChangesNotKeptError, match=f"after {old} are not all there: they are complete after {newer}"
    ):
        await store.changes.after(old)


async def test_changes_are_kept_as_long_as_asked(store: Store, sql: Any) -> None:
    await store.apply([new_customer(1, event="1")])
    await sql.execute("UPDATE changes SET changed_at = now() - INTERVAL '8 days'")
    await store.run_maintenance(changes_days=9)
    assert len(await kept_changes(sql, "change_id")) == 1


async def test_a_position_of_another_database_is_refused(store: Store) -> None:
    newest = (await store.changes.state()).newest
    assert await store.changes.after(newest) == []
    with pytest.raises(ChangesNotKeptError, match="older one than was read before"):
        await store.changes.after(newest + 1)


def test_a_reader_without_a_position_is_refused(database_url: str) -> None:
    with pytest.raises(Exception, match="newest_change"):
        execute(database_url, "SELECT * FROM changes_after(NULL)")


async def test_off_there_is_no_trigger_and_readers_are_told(
    database_url: str, store: Store, sql: Any
) -> None:
    seen = (await store.changes.state()).newest
    await asyncio.to_thread(migrate, database_url, changes=False)

    await store.apply([new_customer(event="1")])

    assert await sql.fetch(OUR_TRIGGERS) == []
    assert await kept_changes(sql, "kind") == []
    with pytest.raises(ChangesNotKeptError, match="CHANGES=on cogento migrate"):
        await store.changes.after(seen)


async def test_on_again_a_reader_of_before_is_told_that_something_is_missing(
    database_url: str, store: Store
) -> None:
    seen = (await store.changes.state()).newest
    await asyncio.to_thread(migrate, database_url, changes=False)
    await store.apply([new_customer(event="1")])
    await asyncio.to_thread(migrate, database_url, changes=True)

    with pytest.raises(ChangesNotKeptError, match="newest_change"):
        await store.changes.after(seen)
    assert await store.changes.after((await store.changes.state()).newest) == []


async def test_a_migration_that_is_told_nothing_leaves_the_triggers_as_they_are(
    database_url: str, sql: Any
) -> None:
    before = await sql.fetch(OUR_TRIGGERS)
    done = await asyncio.to_thread(migrate, database_url)
    assert done.announces_changes
    assert len(before) == 2 * len(NOT_TOLD)
    assert await sql.fetch(OUR_TRIGGERS) == before


async def test_triggers_that_announce_other_columns_are_made_anew(
    database_url: str, store: Store, sql: Any
) -> None:
    await sql.execute("COMMENT ON TRIGGER announce_updates ON users IS 'Announces changes of email.'")
    before = await sql.fetch(OUR_TRIGGERS)
    await asyncio.to_thread(migrate, database_url)
    after = await sql.fetch(OUR_TRIGGERS)
    assert (len(after), len({*before} & {*after})) == (len(before), len(before) - 2)
    await store.apply([new_customer(event="1")])
    assert len(await kept_changes(sql, "kind")) == 1


async def test_the_changes_of_a_newer_release_are_left_as_they_are(database_url: str, sql: Any) -> None:
    before = await sql.fetch(OUR_TRIGGERS)
    await sql.execute("UPDATE cogento_alembic_version SET version_num = '9999'")
    done = await asyncio.to_thread(migrate, database_url, changes=False)
    assert done.announces_changes
    assert await sql.fetch(OUR_TRIGGERS) == before


async def test_a_dump_that_is_restored_announces_and_counts_on_and_nothing_of_it_is_a_change(
    database_url: str, empty_database_url: str, store: Store, tmp_path: Path
) -> None:
    await store.apply([new_customer(1, event="1")])
    seen = (await store.changes.state()).newest
    await asyncio.to_thread(_restore, database_url, empty_database_url, tmp_path / "dump")

    restored = await Store.open(empty_database_url, pool_size=1, application_name="test")
    assert await restored.changes.after(seen) == []
    await restored.apply([new_customer(2, event="2")])
    changed = await restored.changes.after(seen)
    await restored.close()

    assert [change.customer_id for change in changed] == ["cus_2"]


def _restore(url: str, into: str, dump: Path) -> None:
    programs = postgres_binaries(chosen("TEST_POSTGRES_BIN"))
    subprocess.run([programs / "pg_dump", "--format=custom", f"--file={dump}", url], check=True)
    subprocess.run([programs / "pg_restore", "--exit-on-error", f"--dbname={into}", dump], check=True)


async def test_it_is_off_until_it_is_switched_on(untouched_url: str) -> None:
    assert execute(untouched_url, OUR_TRIGGERS) == []
    assert execute(untouched_url, "SELECT is_on FROM change_feed") == [(False,)]


async def test_a_worker_needs_no_right_on_changes_and_has_none(worker_url: str, sql: Any) -> None:
    worker = await Store.open(worker_url, pool_size=1, application_name="test")
    await worker.apply([new_customer(event="1")])
    await worker.run_maintenance()
    await worker.close()
    assert await kept_changes(sql, "customer_id") == [("cus_1",)]
    plain = await asyncpg.connect(worker_url)
    for statement in (
        "DELETE FROM cogento_internal.changes",
        "INSERT INTO cogento_internal.changes (kind, action, user_id) VALUES ('role', 'delete', gen_random_uuid())",
        "SELECT cogento_internal.announce_change(NULL)",
        "UPDATE cogento_internal.change_feed SET is_on = FALSE",
        "SELECT cogento_internal.trim_changes(0, 1)",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await plain.execute(statement)
    await plain.close()


async def test_a_reader_may_read_changes_and_listen_with_a_search_path_of_its_own(
    database_url: str, store: Store
) -> None:
    reader = await asyncpg.connect(as_role(ROLES[ProcessRole.READER], database_url))
    start = await reader.fetchval("SELECT cogento_internal.newest_change()")
    assert await reader.fetchval("SELECT cogento_internal.changes_channel()") == CHANNEL
    heard = await listen(reader, count=1)

    await store.apply([new_customer(event="1")])

    await heard
    rows = await reader.fetch("SELECT * FROM cogento_internal.changes_after($1)", start)
    assert [row["customer_id"] for row in rows] == ["cus_1"]
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await reader.execute("DELETE FROM cogento_internal.changes")
    await reader.close()


async def test_nobody_else_may_run_what_has_the_rights_of_the_owner(sql: Any) -> None:
    found = await sql.fetch(
        "SELECT proname FROM pg_proc WHERE prosecdef AND pronamespace = 'cogento_internal'::REGNAMESPACE "
        "AND has_function_privilege('cogento_reader', oid, 'EXECUTE')"
    )
    announcing = await sql.fetchval(
        "SELECT count(*) FROM pg_proc WHERE prosecdef AND proname LIKE 'announce%'"
    )
    assert (found, announcing) == ([], len(NOT_TOLD))


async def test_tables_in_a_schema_of_their_own_have_a_channel_of_their_own(empty_database_url: str) -> None:
    url = with_schema(empty_database_url, "billing")
    await asyncio.to_thread(migrate, url, changes=True)
    store = await Store.open(url, pool_size=2, application_name="test")
    start = await store.changes.state()
    await store.apply([new_customer(event="1")])
    changed = await store.changes.after(start.newest)
    await store.close()
    assert (start.channel, len(changed)) == ("billing_changes", 1)
