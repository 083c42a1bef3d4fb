"""Six incidents as an operator deals with them in a shell, each from the first sign to the proof that it is over."""

from __future__ import annotations

import json
import re
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from cogento import runtime
from cogento.events.letters import ADVICE, LetterReason
from cogento.events.names import CustomerId
from cogento.reconcile import verify, verify_customer
from tests.support import incidents
from tests.support.known_person import EVERYWHERE, names_person, places, stand_everywhere
from tests.support.policies import change
from tests.support.simulated_stripe import SimulatedStripe, differences
from tests.support.stripe_histories import lived

if TYPE_CHECKING:
    from cogento.store.store import Store
    from tests.integration.console.conftest import Run
    from tests.support.post import Post

ADA = ("--who", "ada")


@pytest.fixture
def sure_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compare again at once: nothing is on its way."""
    change(monkeypatch, verify, "VERIFY", settle_seconds=0.0)
    change(monkeypatch, verify_customer, "VERIFY", settle_seconds=0.0)


def configure(monkeypatch: pytest.MonkeyPatch, stripe: SimulatedStripe) -> None:
    for name, value in incidents.asking(stripe).items():
        monkeypatch.setenv(name, value)


def test_400_letters_of_one_cause_are_retried_in_three_commands(run: Run, post: Post) -> None:
    incidents.letters_of_one_cause(post, range(400))
    incidents.letters_of_one_cause(post, [900], reason="malformed", constraint_name="")
    assert "400 letters" in run("status", "--check").output

    fingerprint = re.findall(r"^(\w+) +400 +400 ", run("letters", "list").output, flags=re.MULTILINE)[0]
    assert (
        "Dry run: would retry 400 letters of 400 customers. Add --yes to do it."
        in run("letters", "retry", "--fingerprint", fingerprint).output
    )
    done = run("letters", "retry", "--fingerprint", fingerprint, "--yes", *ADA, "--why", "constraint gone")
    assert (done.exit_code, "Requeued 400 of 400 letters" in done.output) == (0, True)

    post.drain()
    assert post.rows(incidents.ROWS) == [{"rows": 400}]
    (left,) = json.loads(run("letters", "list", "--json").output)["letters"]
    assert left["event_id"] == "evt_900"
    (operation,) = json.loads(run("letters", "operations", "--json").output)
    assert (operation["who"], operation["state"], operation["counts"]) == ("ada", "done", {"put_back": 400})


@pytest.mark.usefixtures("sure_at_once")
def test_my_subscription_shows_canceled(
    run: Run, post: Post, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(incidents.subscription_that_shows_canceled(post)) as stripe:
        configure(monkeypatch, stripe)
        explained = run("explain", "cus_1@example.com").output
        assert re.search(r"^sub_1 .* canceled ", explained, flags=re.MULTILINE)
        assert "Nothing is waiting; all received events have been processed." in explained

        compared = run("verify", "cus_1")
        assert compared.exit_code == 3
        assert re.search(r"sub_1 +status +active +canceled\n", compared.output)
        repaired = run("verify", "cus_1", "--repair", *ADA, "--reason", "ticket 811")
        assert (repaired.exit_code, run("verify", "cus_1").exit_code) == (0, 0)

    assert post.rows(incidents.STATUS) == [{"status": "active"}]
    told = run("explain", "sub_1").output
    assert "`cogento verify --repair` wrote it, because the row differed from Stripe" in told
    recorded = runtime.run(store.activity.page(about="cus_1", action="repair"))
    assert [(one.who, one.why) for one in recorded] == [("ada", "ticket 811")]


def test_a_backlog_without_a_worker(run: Run, post: Post) -> None:
    incidents.backlog(post, 30)
    alarm = run("status", "--check")
    assert (
        alarm.exit_code,
        "No worker is running. Events are still received and queued." in alarm.output,
    ) == (
        2,
        True,
    )
    waiting = json.loads(run("waiting", "--json").output)["customers"]
    assert (waiting["queued"], waiting["retrying"]) == (30, 1)
    assert (
        "No worker is running: nothing is processed until one is started." in run("explain", "cus_7").output
    )

    post.drain()
    assert "evt_late failed 7 times (transient 57014)" in run("waiting").output
    assert run("status", "--check").exit_code == 1
    assert run("try-now", "cus_late", *ADA, "--reason", "the lock is gone").exit_code == 0
    post.drain()
    calm = run("status", "--check")
    assert (calm.exit_code, "Everything is in sync" in calm.output) == (0, True)
    assert post.rows(incidents.ROWS) == [{"rows": 31}]


@pytest.mark.usefixtures("sure_at_once")
def test_a_day_of_webhooks_was_missed(
    run: Run, post: Post, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(SimulatedStripe(lived(steps=60, population=10))) as stripe:
        configure(monkeypatch, stripe)
        missed = len(stripe.account.events)
        assert "never looked for" in run("status").output
        swept = run("sweep", *ADA, "--reason", "the endpoint was disabled")
        assert f"missing  {missed} events, now queued" in swept.output
        post.drain()
        assert f" {missed} recovered in all; checked up to" in run("status").output
        assert differences(stripe, post) == ()

        # What Stripe lists no more, a backfill brings.
        someone = next(iter(stripe.account.live_customers))
        stripe.account.change(stripe.customer(someone, name="Changed"), at=stripe.now)
        stripe.account.forget_events()
        stripe.now += 100
        assert run("verify").exit_code == 3
        assert run("backfill", *ADA, "--reason", "older than 30 days").exit_code == 0
        assert run("verify").exit_code == 0
    done = [(one.who, one.action) for one in runtime.run(store.activity.page(who="ada"))]
    assert done == [("ada", "backfill"), ("ada", "sweep")]


def test_an_event_that_kills_workers(run: Run, post: Post, redis_url: str) -> None:
    incidents.put(post, "cus_well", "evt_well")
    post.drain()
    incidents.put(post, "cus_poison", "evt_poison")
    incidents.poison(redis_url, crashes=2)
    alarm = run("status", "--check")
    assert (alarm.exit_code, "2 workers in a row crashed while processing cus_poison." in alarm.output) == (
        2,
        True,
    )
    assert "Workers crashed 2 times in a row" in run("explain", "evt_poison").output

    incidents.poison(redis_url, crashes=2)
    incidents.put(post, "cus_other", "evt_other")
    post.drain()
    assert post.ledger() == {"evt_well": "applied", "evt_other": "applied", "evt_poison": "dead"}
    assert run("status", "--check").exit_code == 1
    letter = json.loads(run("letters", "list", "--json").output)["letters"][0]
    assert (letter["event_id"], letter["reason"]) == ("evt_poison", "crashed_worker")
    assert ADVICE[LetterReason.CRASHED_WORKER] in run("letters", "show", "evt_poison").output
    assert run("letters", "discard", "evt_poison", *ADA, "--why", "BUG-9, fixed in Stripe").exit_code == 0
    assert run("status", "--check").exit_code == 0


def test_a_person_is_forgotten_and_stands_nowhere(
    run: Run, post: Post, store: Store, redis_url: str, capfd: pytest.CaptureFixture[str]
) -> None:
    stand_everywhere(store, post.mailboxes, post.database_url)
    before = places(post.database_url, redis_url)
    assert before >= EVERYWHERE  # else finding none afterwards would say nothing
    exported = run("letters", "export", "-", "--format", "ndjson", "--status", "all", "--bodies").stdout
    assert '"customer_id": "cus_1"' in exported

    plan = run("forget", "cus_1").output
    assert "This would erase of cus_1:" in plan
    assert places(post.database_url, redis_url) == before
    done = run("forget", "cus_1", "--yes", *ADA, "--reason", "request 4711")

    assert done.exit_code == 0
    assert places(post.database_url, redis_url) == set()
    after = [
        run("letters", "export", "-", "--format", "ndjson", "--status", "all", "--bodies").stdout,
        *(
            run(*words).output
            for words in (("explain", "cus_1", "--json"), ("waiting",), ("status", "--json"))
        ),
    ]
    logged = capfd.readouterr()
    assert [text for text in (*after, done.output, logged.out, logged.err) if names_person(text)] == []
    assert post.mailboxes.view(CustomerId("cus_1")).waiting_total == 0
    (entry,) = runtime.run(store.activity.page(action="forget"))
    assert (entry.who, entry.about, entry.why) == ("ada", "cus_1", "request 4711")
