"""`cogento waiting`, `pause` and `resume` against real servers."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from cogento import runtime
from cogento.events.names import CustomerId, EventId
from cogento.local.ports import free_port
from cogento.queue.claims import FailedAttempt, Settlement
from cogento.queue.status import MailboxState
from tests.support import builders

if TYPE_CHECKING:
    from cogento.store.store import Store
    from tests.integration.console.conftest import Run
    from tests.support.looped import LoopedMailboxes
    from tests.support.stores import Happened

ADA = builders.customer("cus_ada")


def test_waiting_lists_each_state_in_words(run: Run, waiting: Happened, mailboxes: LoopedMailboxes) -> None:
    waiting("customer.created", builders.customer("cus_bob"), id_="evt_b")
    failed = FailedAttempt(EventId("evt_b"), 7, mailboxes.now_ms(), "transient", "57014")
    claimed = mailboxes.claim(max_customers=1, max_events=1, lease_seconds=5)
    assert claimed is not None
    later = mailboxes.now_ms() + 90_500
    mailboxes.settle(claimed, [Settlement(CustomerId("cus_bob"), failed=(failed,), postponed_until_ms=later)])
    run("pause", "cus_ada", "--who", "ops-1", "--reason", "INC-7")
    waiting("customer.created", ADA, id_="evt_a")
    heads, paused, retrying = run("waiting").output.splitlines()
    assert heads.split() == ["CUSTOMER", "STATE", "EVENTS", "OLDEST", "WHY", "NEXT"]
    assert paused.startswith("cus_ada   paused    1 ")
    assert paused.endswith("by ops-1 just now (INC-7)")
    assert retrying.startswith("cus_bob   retrying  1 ")
    assert retrying.endswith("evt_b failed 7 times (transient 57014)  in 1 min")


def test_waiting_says_how_many_more_there_are(run: Run, waiting: Happened) -> None:
    waiting("customer.created", ADA, id_="evt_a")
    waiting("customer.created", builders.customer("cus_bob"), id_="evt_b")
    waiting("customer.created", builders.customer("cus_cy"), id_="evt_c")
    told = run("waiting", "--limit", "1")
    listed = json.loads(run("waiting", "--limit", "1", "--json").output)
    assert "Not listed: 2 more queued." in told.output
    assert (listed["unlisted"]["queued"], listed["customers"]["queued"], len(listed["rows"])) == (2, 3, 1)


def test_waiting_can_be_narrowed_to_a_state_or_a_customer(run: Run, waiting: Happened) -> None:
    waiting("customer.created", ADA, id_="evt_a")
    waiting("customer.created", builders.customer("cus_bob"), id_="evt_b")
    assert run("waiting", "--state", "paused").output == "Nothing waits.\n"
    (row,) = json.loads(run("waiting", "--customer", "cus_bob", "--json").output)["rows"]
    assert (row["customer_id"], row["state"], row["events"]) == ("cus_bob", "queued", 1)
    assert run("waiting", "--customer", "cus_none").output == "Nothing of cus_none waits.\n"


def test_pause_holds_one_customer_and_resume_lets_it_go(
    run: Run, waiting: Happened, mailboxes: LoopedMailboxes, store: Store
) -> None:
    waiting("customer.created", ADA)
    assert run("pause", "cus_ada", "--who", "ops-1", "--reason", "INC-7").output == "Paused cus_ada.\n"
    assert mailboxes.view(CustomerId("cus_ada")).state is MailboxState.PAUSED
    again = run("pause", "cus_ada", "--who", "ops-2", "--reason", "other")
    assert again.output == "Nothing changed: cus_ada is already paused by ops-1 just now (INC-7).\n"
    assert run("resume", "cus_ada", "--who", "ops-2").output == "Resumed cus_ada.\n"
    assert run("resume", "cus_ada").output == "Nothing changed: cus_ada is not paused.\n"
    assert mailboxes.view(CustomerId("cus_ada")).state is MailboxState.READY
    recorded = runtime.run(store.activity.page(about="cus_ada"))
    assert [(one.action, one.who, one.why) for one in recorded] == [
        ("resume", "ops-2", ""),
        ("pause", "ops-1", "INC-7"),
    ]


def test_pause_of_everything_is_told_by_status_and_waiting(run: Run, waiting: Happened) -> None:
    assert run("pause", "--all", "--who", "ops-1").output == "Paused everything.\n"
    assert json.loads(run("status", "--json").output)["everything_paused"] is True
    assert run("waiting").output.startswith("Everything was paused by ops-1 just now.\n")
    waiting("customer.created", ADA)
    run("pause", "cus_ada")
    assert "Everything is still paused" in run("resume", "cus_ada").output
    run("pause", "cus_ada")
    resumed = run("resume", "--all").output
    assert resumed.splitlines() == [
        "Resumed everything.",
        "1 customer is still paused by name: `cogento waiting --state paused` lists them.",
    ]


def test_try_now_hurries_what_is_retried_later_and_is_recorded(
    run: Run, waiting: Happened, mailboxes: LoopedMailboxes, store: Store
) -> None:
    waiting("customer.created", ADA, id_="evt_a")
    claimed = mailboxes.claim(max_customers=1, max_events=1, lease_seconds=5)
    assert claimed is not None
    later = mailboxes.now_ms() + 90_000
    mailboxes.settle(claimed, [Settlement(CustomerId("cus_ada"), postponed_until_ms=later)])
    assert mailboxes.view(CustomerId("cus_ada")).state is MailboxState.SLEEPING
    hurried = run("try-now", "cus_ada", "--who", "ops-1", "--reason", "the constraint is gone")
    assert (hurried.exit_code, hurried.output) == (0, "The events of cus_ada are tried now.\n")
    assert mailboxes.view(CustomerId("cus_ada")).state is MailboxState.READY
    assert json.loads(run("try-now", "cus_ada", "--json").stdout) == {"customer": "cus_ada", "changed": False}
    assert run("try-now", "cus_ada").output.startswith(
        "Nothing changed. Nothing of cus_ada waits for another"
    )
    (entry,) = runtime.run(store.activity.page(about="cus_ada"))
    assert (entry.who, entry.action, entry.why) == ("ops-1", "try_now", "the constraint is gone")


@pytest.mark.parametrize("command", ["pause", "resume", "try-now", "waiting --customer"])
@pytest.mark.parametrize("id_", ["nonsense", "sub_1", "cus_", "cus_a b", "ada@example.com", "cus_ü"])
def test_what_is_no_customer_id_is_refused_with_what_to_do(
    command: str, id_: str, run: Run, mailboxes: LoopedMailboxes
) -> None:
    refused = run(*command.split(), id_)
    assert refused.exit_code == 2
    assert "is not a customer id, which begins with cus_. `cogento explain " in refused.stderr
    assert mailboxes.paused().customers == ()


def test_what_an_earlier_release_paused_under_any_name_can_be_resumed(
    run: Run, mailboxes: LoopedMailboxes
) -> None:
    mailboxes.pause(CustomerId("nonsense"))
    assert run("resume", "nonsense").output == "Resumed nonsense.\n"
    assert mailboxes.paused().customers == ()


def test_pause_of_a_customer_that_nobody_knows_says_so(run: Run) -> None:
    paused = run("pause", "cus_typo")
    assert (paused.exit_code, paused.stdout) == (0, "Paused cus_typo.\n")
    assert paused.stderr == "Nothing is known of cus_typo here: check the id. Its events would wait.\n"


def test_pause_works_without_postgres_and_says_that_it_is_not_recorded(
    run: Run, monkeypatch: pytest.MonkeyPatch, mailboxes: LoopedMailboxes
) -> None:
    monkeypatch.setenv("DATABASE_URL", f"postgresql://cogento@127.0.0.1:{free_port()}/cogento")
    paused = run("pause", "cus_ada")
    assert (paused.exit_code, paused.stdout) == (0, "Paused cus_ada.\n")
    assert paused.stderr.startswith("Done, but not recorded as activity: PostgreSQL is unreachable.")
    monkeypatch.delenv("DATABASE_URL")
    assert run("resume", "cus_ada").stderr == "Done, but not recorded as activity: DATABASE_URL is not set.\n"
    assert mailboxes.paused().customers == ()


def test_pause_and_resume_speak_to_programs(run: Run) -> None:
    paused = json.loads(run("pause", "cus_ada", "--reason", "INC-7", "--json").stdout)
    assert (paused["customer"], paused["changed"], paused["pause"]["why"]) == ("cus_ada", True, "INC-7")
    assert json.loads(run("resume", "cus_ada", "--json").stdout) == {
        "customer": "cus_ada",
        "paused": False,
        "changed": True,
        "everything_paused": None,
    }


@pytest.mark.parametrize("arguments", [(), ("cus_ada", "--all"), ("cus_ada", "--reason", "x" * 501)])
def test_pause_wants_one_customer_or_all_and_a_reason_that_fits(run: Run, arguments: tuple[str, ...]) -> None:
    assert run("pause", *arguments).exit_code == 2
