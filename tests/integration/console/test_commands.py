from __future__ import annotations

import datetime as dt
import json
import re
from contextlib import closing

import pytest
import redis

from cogento import runtime
from cogento.console.formatting import second
from cogento.events.names import CustomerId, EventId
from cogento.ordering.explain import Choice
from cogento.queue.circuit import Dependency
from cogento.queue.claims import FailedAttempt, Settlement
from cogento.queue.durability import AckDurability
from cogento.queue.worker_registry import Heartbeat
from cogento.store.store import Store
from tests.integration.console.conftest import Run
from tests.support import builders
from tests.support.looped import LoopedMailboxes
from tests.support.store_letters import letter
from tests.support.stores import Happened

ADA = builders.customer("cus_ada", email="ada@example.com", name="Ada")
PLAN = builders.subscription("sub_ada", customer="cus_ada")
HIS_FIRST = {"id_": "evt_customer", "created": builders.NOW}


def test_migrate_makes_the_tables_of_an_empty_database(
    run: Run, empty_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", empty_database_url)
    assert "from revision none to" in run("migrate").output
    assert "up to date" in run("migrate").output


def test_status_of_a_new_system_is_all_zeros(run: Run) -> None:
    told = json.loads(run("status", "--json").output)
    assert told.pop("verdict") == {
        "tone": "good",
        "headline": "Ready for the first event",
        "detail": "Nothing has been received yet.",
        "lines": [],
    }
    assert told | {"redis": "", "ack_means": ""} == {
        "level": "ok",
        "redis_problem": None,
        "postgres_problem": None,
        "waiting": 0,
        "leased": 0,
        "sleeping": 0,
        "parked": 0,
        "paused": 0,
        "everything_paused": False,
        "dead": 0,
        "dead_removals": 0,
        "unsure": 0,
        "oldest_event_age_seconds": None,
        "oldest_paused_age_seconds": None,
        "received_total": 0,
        "settled_total": 0,
        "applied_total": 0,
        "ack_durability": "redis_fsync",
        "ack_warning": None,
        "repaired_total": 0,
        "lost_total": 0,
        "ack_means": "",
        "redis": "",
        "workers": 0,
        "worker_versions": {},
        "idle_seconds": None,
        "waits_longest": {},
        "waits_for": {},
        "kept_out": None,
        "bad_signatures": 0,
        "key_refused": False,
        "shards": "1",
        "to_ask": 0,
        "missing_total": 0,
        "swept_until_seconds_ago": None,
        "swept_seconds_ago": None,
    }


def test_status_says_what_workers_wait_for(run: Run, mailboxes: LoopedMailboxes) -> None:
    circuit = mailboxes.circuit(Dependency.POSTGRES)
    circuit.failed("25006", begun_ms=circuit.now_ms(), errors_limit=1, probe_after_seconds=5)
    assert json.loads(run("status", "--json").output)["waits_for"] == {"postgres": "25006"}
    assert "for postgres (25006)\n" in run("status").output


def test_status_counts_what_waits_and_what_was_applied(
    run: Run, applied: Happened, waiting: Happened
) -> None:
    applied("customer.created", ADA)
    waiting("customer.updated", ADA, id_="evt_2")
    standing = json.loads(run("status", "--json").output)
    assert (standing["waiting"], standing["applied_total"], standing["received_total"]) == (1, 1, 1)
    assert standing["oldest_event_age_seconds"] >= 0


def test_status_tells_of_ends_that_are_dead(run: Run, applied: Happened, store: Store) -> None:
    applied("customer.created", ADA)
    runtime.run(
        store.insert_dead_letters(
            [letter("end", event_type="customer.deleted", object_id="cus_ada", removal=True)]
        )
    )
    assert json.loads(run("status", "--json").output)["dead_removals"] == 1
    assert "1 of them cancellations or deletions that rows do not show" in run("status").output


def test_status_counts_an_object_that_two_letters_end_once(run: Run, applied: Happened, store: Store) -> None:
    applied("customer.created", ADA, id_="evt_a")
    applied("customer.subscription.created", PLAN, id_="evt_b")
    ends = ("customer.subscription.updated", "customer.subscription.deleted")
    dead = [letter(type_[-7:], event_type=type_, object_id="sub_ada", removal=True) for type_ in ends]
    runtime.run(store.letters.insert(dead))
    assert "1 cancellation or deletion of sub_ada could not be applied" in run("status").output


def test_status_names_who_waits_longest(run: Run, waiting: Happened) -> None:
    waiting("customer.updated", ADA)
    assert list(json.loads(run("status", "--json").output)["waits_longest"]) == ["cus_ada"]
    assert re.search(r"longest wait +cus_ada for ", run("status").output)


def test_status_tells_which_workers_live(run: Run, mailboxes: LoopedMailboxes) -> None:
    mailboxes.workers.beat(Heartbeat("host:1", "1", started_ms=1, took_ms=mailboxes.now_ms()), {})
    standing = json.loads(run("status", "--json").output)
    assert (standing["workers"], standing["worker_versions"]) == (1, {"1": 1})
    assert re.search(r"workers +1 worker \(version 1\), last processed", run("status").output)


def test_status_speaks_to_people(run: Run, waiting: Happened) -> None:
    waiting("customer.updated", ADA)
    assert re.search(r"waiting +1 event, the oldest for", run("status").output)


def test_roles_are_granted_listed_and_revoked_by_address(run: Run, applied: Happened) -> None:
    applied("customer.created", ADA)
    assert run("roles", "grant", "ada@example.com", "admin").output == "Granted admin.\n"
    listed = json.loads(run("roles", "list", "ada@example.com", "--json").output)
    assert [(role["email"], role["role"], role["granted_by"]) for role in listed] == [
        ("ada@example.com", "admin", "hand")
    ]
    assert run("roles", "revoke", "ada@example.com", "admin").output == "Revoked admin.\n"
    assert run("roles", "list").output == "No roles are granted.\n"


def test_who_granted_and_revoked_a_role_is_recorded_without_the_address(
    run: Run, applied: Happened, store: Store
) -> None:
    applied("customer.created", builders.customer(email="ada@example.com"))
    run("roles", "grant", "ada@example.com", "admin", "--who", "ops", "--reason", "INC-7")
    run("roles", "revoke", "ada@example.com", "admin", "--who", "ops")
    run("roles", "revoke", "ada@example.com", "admin", "--who", "ops")
    entries = runtime.run(store.activity.page())
    assert [(one.who, one.action, one.about, one.why, dict(one.details)) for one in entries] == [
        ("ops", "roles", "cus_1", "", {"revoked": "admin"}),
        ("ops", "roles", "cus_1", "INC-7", {"granted": "admin"}),
    ]


def test_role_of_nobody_is_refused_with_what_to_do(run: Run) -> None:
    refused = run("roles", "grant", "nobody@example.com", "admin")
    assert refused.exit_code == 1
    assert "No live customer signs in with this address" in refused.stderr


def test_role_that_does_not_exist_is_a_usage_error(run: Run) -> None:
    assert run("roles", "grant", "ada@example.com", "king").exit_code == 2


def test_explain_tells_a_customer_with_rows_and_history(run: Run, applied: Happened) -> None:
    applied("customer.created", ADA, id_="evt_a")
    applied("customer.subscription.created", PLAN, id_="evt_b", created=builders.NOW + 1)
    told = run("explain", "cus_ada").output
    assert "ada@example.com" in told
    assert "sub_ada" in told
    assert "evt_b  sub_ada  customer.subscription.created active  applied" in told


@pytest.mark.parametrize("asked", ["cus_ada", "sub_ada", "evt_b"])
def test_explain_finds_the_customer_of_any_id(run: Run, applied: Happened, asked: str) -> None:
    applied("customer.created", ADA, id_="evt_a")
    applied("customer.subscription.created", PLAN, id_="evt_b", created=builders.NOW + 1)
    assert json.loads(run("explain", asked, "--json").output)["customer_id"] == "cus_ada"


@pytest.mark.parametrize("asked", ["sub_ada", "evt_thin"])
def test_explain_finds_the_customer_of_a_dead_thin_event_and_tells_of_the_letter(
    run: Run, applied: Happened, store: Store, asked: str
) -> None:
    applied("customer.created", ADA, id_="evt_a")
    applied("customer.subscription.created", PLAN, id_="evt_b", created=builders.NOW + 1)
    dead = letter("thin", customer_id=CustomerId("sub_ada"), object_id="sub_ada")
    runtime.run(store.letters.insert([dead]))
    told = run("explain", asked).output
    assert told.startswith("cus_ada\n")
    assert "evt_thin became a dead letter at" in told


def test_explain_lists_the_customers_that_events_with_one_id_name(run: Run, store: Store) -> None:
    runtime.run(store.letters.insert([letter(n, customer_id=f"cus_{n}", object_id="sub_1") for n in "12"]))
    told = run("explain", "sub_1").output
    assert told.splitlines() == [
        "2 customers are named by events with this id. Ask for one of them:",
        "  cus_1",
        "  cus_2",
    ]


def test_explain_says_what_became_of_an_event(run: Run, applied: Happened) -> None:
    applied("customer.updated", ADA, id_="evt_new", created=builders.NOW + 100)
    applied("customer.updated", ADA | {"name": "Old"}, id_="evt_old")
    assert "evt_old: out of date: a later event had been applied." in run("explain", "evt_old").output


def test_t3_explain_says_why_a_deleted_customers_subscription_is_in_doubt(
    run: Run, applied: Happened
) -> None:
    applied("customer.created", ADA, id_="evt_a")
    applied("customer.subscription.created", PLAN, id_="evt_b", created=builders.NOW + 1)
    applied("customer.deleted", ADA, id_="evt_gone", created=builders.NOW + 100)
    told = run("explain", "cus_ada").output
    assert "It is not known whether sub_ada has ended: its customer is deleted; Stripe cancels" in told
    assert json.loads(run("status", "--json").output)["unsure"] == 1


@pytest.mark.parametrize("asked", ["ada@example.com", " ADA@Example.com"])
def test_t8_explain_finds_a_customer_however_its_address_is_typed(
    run: Run, applied: Happened, asked: str
) -> None:
    applied("customer.created", ADA | {"email": "Ada@Example.com"}, id_="evt_a")
    told = run("explain", asked).output
    assert "cus_ada" in told
    assert "placeholder" not in told


def test_explain_finds_a_customer_by_the_stand_in_that_its_row_shows(run: Run, applied: Happened) -> None:
    applied("customer.created", ADA | {"id": "cus_Older", "created": builders.NOW - 100}, id_="evt_a")
    applied("customer.created", ADA, id_="evt_b")
    told = run("explain", "cus_ada@placeholder.invalid").output
    assert told.startswith("cus_ada\n")
    assert run("explain", "cus_Older@placeholder.invalid").output.startswith("cus_Older\n")


def test_explain_finds_a_customer_by_the_user_id_that_an_application_keeps(
    run: Run, applied: Happened
) -> None:
    applied("customer.created", ADA, id_="evt_a")
    user_id = json.loads(run("explain", "cus_ada", "--json").output)["records"]["customer"]["user_id"]
    assert run("explain", user_id).output.startswith("cus_ada\n")


def test_explain_says_what_an_event_waits_for(
    run: Run, waiting: Happened, mailboxes: LoopedMailboxes
) -> None:
    waiting("customer.created", ADA, id_="evt_a")
    mailboxes.pause(CustomerId("cus_ada"), who="ops-1", why="INC-7")
    told = run("explain", "evt_a").output
    assert "evt_a is waiting, in its customer's order." in told
    assert "Paused by ops-1 just now (INC-7): `cogento resume cus_ada` resumes it." in told
    assert "No database row yet" in told


def test_explain_says_that_workers_wait_for_postgres_or_that_there_are_none(
    run: Run, waiting: Happened, mailboxes: LoopedMailboxes
) -> None:
    waiting("customer.updated", ADA)
    alone = run("explain", "cus_ada").output
    mailboxes.workers.beat(Heartbeat("host:1", "1", started_ms=1, took_ms=None), {})
    circuit = mailboxes.circuit(Dependency.POSTGRES)
    circuit.failed("25006", begun_ms=circuit.now_ms(), errors_limit=1, probe_after_seconds=5)
    read_only = run("explain", "cus_ada").output
    assert "No worker is running: nothing is processed until one is started." in alone
    assert "No worker is running" not in read_only
    assert "Workers are stopped: postgres has been unavailable" in read_only
    assert "(25006: read-only)" in read_only


def contradict(applied: Happened) -> None:
    """Apply there and back in one second, of an object that was never seen before: nothing can decide."""
    grace = ADA | {"name": "Grace"}
    applied("customer.updated", grace, before=ADA, id_="evt_there")
    applied("customer.updated", ADA, before=grace, id_="evt_back")


def test_explain_says_who_has_claimed_the_events_and_how_the_first_failed(
    run: Run, waiting: Happened, redis_url: str
) -> None:
    waiting("customer.updated", ADA, id_="evt_a")
    with closing(LoopedMailboxes.connect(redis_url, ack=AckDurability.REDIS, name="host:7")) as worker:
        failed = FailedAttempt(EventId("evt_a"), 2, worker.now_ms(), "transient", "57014")
        claim = worker.claim(max_customers=1, max_events=1, lease_seconds=60)
        assert claim is not None
        worker.settle(claim, [Settlement(CustomerId("cus_ada"), failed=(failed,))])
        worker.claim(max_customers=1, max_events=1, lease_seconds=60)
    told = run("explain", "cus_ada").output
    assert "worker host:7 is processing them (lease ends in 59 s)." in told
    assert "Earlier, evt_a failed 2 times (transient 57014)." in told
    assert re.search(r"evt_a +cus_ada +customer.updated +\d+ \w+ +2 +transient 57014", told)


def test_a_command_waits_for_a_redis_that_is_busy_for_a_second(run: Run, redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as client:
        client.client_pause(1500)  # ms
    told = run("pause", "cus_ada")
    assert told.exit_code == 0, told.output


def test_explain_names_the_events_that_tie_and_says_why_one_was_chosen(run: Run, applied: Happened) -> None:
    contradict(applied)
    told = run("explain", "cus_ada").output
    assert (
        "It is not known which event of cus_ada is the latest: orders that fit end in different states."
        in told
    )
    assert "evt_back of 2025-10-09 08:53:20 UTC (with previous values); evt_there of" in told
    assert f"evt_there is shown: {Choice.GREATEST_ID}." in told


def test_explain_tells_programs_of_the_tie(run: Run, applied: Happened) -> None:
    contradict(applied)
    (unsure,) = json.loads(run("explain", "cus_ada", "--json").output)["records"]["unsure"]
    assert (unsure["object_id"], unsure["shown"]) == ("cus_ada", "evt_there")
    assert [event["event_id"] for event in unsure["tie"]["events"]] == ["evt_back", "evt_there"]
    assert len(unsure["tie"]["ends"]) == 2


def test_explain_names_the_tie_of_a_subscription(run: Run, applied: Happened) -> None:
    applied("customer.created", ADA)
    paused = PLAN | {"status": "paused"}
    applied("customer.subscription.updated", paused, before=PLAN, id_="evt_there")
    applied("customer.subscription.updated", PLAN, before=paused, id_="evt_back")
    assert "It is not known which event of sub_ada is the latest" in run("explain", "sub_ada").output


def test_status_counts_unsure_rows(run: Run, applied: Happened) -> None:
    contradict(applied)
    assert json.loads(run("status", "--json").output)["unsure"] == 1


def test_explain_shows_terminal_escapes_instead_of_obeying_them(run: Run, applied: Happened) -> None:
    applied("customer.created", ADA | {"name": "\x1b]0;owned\x07\x1b[31mAda"})
    told = run("explain", "cus_ada").output
    assert "\x1b" not in told
    assert r"\x1b[31mAda" in told


def test_explain_of_an_unknown_id_fails_in_one_line(run: Run) -> None:
    unknown = run("explain", "cus_nobody")
    assert unknown.exit_code == 1
    assert unknown.stderr.count("\n") == 1


def test_explain_finds_a_subscription_whose_event_only_waits(run: Run, waiting: Happened) -> None:
    waiting("customer.subscription.created", PLAN, id_="evt_b")
    told = run("explain", "sub_ada").output
    assert told.startswith("cus_ada\n  sub_ada is what evt_b is about, which waits")
    assert "evt_b  sub_ada  customer.subscription.created" in told


def test_explain_finds_a_subscription_whose_event_is_parked(
    run: Run, waiting: Happened, mailboxes: LoopedMailboxes
) -> None:
    waiting("customer.subscription.created", PLAN, id_="evt_b")
    claimed = mailboxes.claim(max_customers=1, max_events=1, lease_seconds=5)
    assert claimed is not None
    mailboxes.settle(claimed, [Settlement(CustomerId("cus_ada"), parked=(EventId("evt_b"),))])
    told = run("explain", "sub_ada").output
    assert "Waiting for the customer's own event\nEVENT  OBJECT   TYPE" in told
    assert "evt_b  sub_ada  customer.subscription.created" in told


@pytest.mark.parametrize("asked", ["ada@example.com", "  ADA@EXAMPLE.com "])
def test_explain_finds_an_address_in_any_case_that_only_a_waiting_event_has(
    run: Run, waiting: Happened, asked: str
) -> None:
    waiting("customer.created", ADA | {"email": "Ada@Example.com"}, id_="evt_a")
    assert run("explain", asked).output.startswith("cus_ada\n")


def test_explain_says_how_many_waiting_events_it_looked_through(
    run: Run, waiting: Happened, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting("customer.created", ADA, id_="evt_a")
    waiting("customer.created", builders.customer("cus_bob"), id_="evt_b")
    assert "All 2 waiting events were looked through" in run("explain", "sub_nobody").stderr
    monkeypatch.setattr("cogento.queue.search.MAX_SEARCHED", 1)
    assert "Of 2 waiting events the first 1 were looked through" in run("explain", "sub_nobody").stderr


def test_explain_shows_the_object_of_each_event_and_what_rows_were_written_from(
    run: Run, applied: Happened
) -> None:
    applied("customer.created", ADA, id_="evt_a")
    applied("customer.subscription.created", PLAN, id_="evt_b", created=builders.NOW + 1)
    told = run("explain", "cus_ada").output
    assert (
        f"evt_b customer.subscription.created {second(dt.datetime.fromtimestamp(builders.NOW + 1, dt.UTC))}"
        in told
    )
    assert "  evt_a  cus_ada  customer.created " in told


def test_explain_cuts_no_list_silently(run: Run, applied: Happened, waiting: Happened) -> None:
    applied("customer.created", ADA, id_="evt_a")
    applied("customer.updated", ADA | {"name": "B"}, id_="evt_b", created=builders.NOW + 1)
    waiting("customer.updated", ADA, id_="evt_c")
    waiting("customer.updated", ADA, id_="evt_d")
    told = run("explain", "cus_ada", "--limit", "1").output
    programs = json.loads(run("explain", "cus_ada", "--limit", "1", "--json").output)
    assert "The first 1 of 2." in told
    assert told.endswith("There are more: --limit shows up to 500.\n")
    assert (programs["cut"], len(programs["records"]["events"])) == (["events"], 1)
    assert "There are more" not in run("explain", "cus_ada").output
