"""The checker is checked: it finds nothing where all is well, and each violation that it is given."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import psycopg
import pytest
import redis

from cogento import runtime
from cogento.events.envelope import parse_envelope
from cogento.local.stripe.truth import Truth
from tests.support import builders
from tests.support.ambiguity_oracle import AmbiguityOracle
from tests.support.builders import SECRET
from tests.support.checker import Checker
from tests.support.post import Post
from tests.support.store_letters import letter

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

AN_HOUR = 3600
CUSTOMERS = "stripe_customer_id"


@pytest.fixture
def post(checker: Checker, redis_url: str, database_url: str) -> Iterator[Post]:
    """Mailboxes and tables with the checker's triggers, and a customer, a later event, and a subscription."""
    office = Post.open(redis_url, database_url)
    office.put("customer.created", builders.customer(), id_="evt_1", created=builders.NOW)
    office.drain()
    office.put("customer.updated", builders.customer(name="Eve"), id_="evt_2", created=builders.NOW + AN_HOUR)
    office.put("customer.subscription.created", builders.subscription(), id_="evt_3", created=builders.NOW)
    office.drain()
    yield office
    office.close()


@pytest.fixture
def tables(post: Post, database_url: str) -> Iterator[psycopg.Connection]:
    """A connection to the harness's tables."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        yield connection


def put_an_open_story(post: Post) -> list[bytes]:
    """Put a sighting of a customer, and an hour later a change from another state and the change back, in one second."""
    seen, ada, bob = (builders.customer("cus_2", name=name) for name in ("Cy Young", "Ada Byron", "Bob Ross"))
    earlier = builders.event_body("customer.updated", seen, id_="evt_4", created=builders.NOW - AN_HOUR)
    there = builders.event_body("customer.updated", bob, id_="evt_5", before=ada)
    back = builders.event_body("customer.updated", ada, id_="evt_6", before=bob)
    post.mailboxes.put([parse_envelope(body, now=builders.NOW) for body in (earlier, there, back)])
    post.drain()
    return [earlier, there, back]


def test_an_honest_history_has_no_problems(checker: Checker, post: Post) -> None:
    judgement = checker.judge(accepted=("evt_1", "evt_2", "evt_3"))

    assert judgement.problems == ()
    assert judgement.outcomes == {"applied": 3}
    assert judgement.sources == {"webhook": 3}
    assert judgement.changes == 3


def test_it_finds_the_tables_outside_of_pytest_too(
    monkeypatch: pytest.MonkeyPatch, database_url: str, redis_url: str, tmp_path: Path
) -> None:
    monkeypatch.delenv(
        "PGOPTIONS"
    )  # what the tests set for themselves, and `python -m bench.nemesis` does not

    nothing_happened = Checker(database_url, redis_url, logs=tmp_path)
    nothing_happened.install()

    assert nothing_happened.judge().problems == ()


def test_t3_a_doubt_about_what_outlives_its_customer_is_due(checker: Checker, post: Post) -> None:
    post.put("customer.deleted", builders.customer(), id_="evt_4", created=builders.NOW + 2 * AN_HOUR)
    post.drain()

    judgement = checker.judge()

    assert judgement.problems == ()
    assert (judgement.unsure_rows, judgement.confirmed) == (1, 1)


def test_t3_a_row_that_is_sure_to_outlive_its_customer_is_found(
    checker: Checker, post: Post, tables: psycopg.Connection
) -> None:
    post.put("customer.deleted", builders.customer(), id_="evt_4", created=builders.NOW + 2 * AN_HOUR)
    post.drain()
    tables.execute("UPDATE subscriptions SET unsure = FALSE")

    problems = checker.judge().problems

    assert "I3: sure that it goes on, though its customer is deleted: 1 (sub_1)" in problems


def test_what_was_accepted_and_is_nowhere_is_found(checker: Checker, post: Post) -> None:
    judgement = checker.judge(accepted=("evt_1", "evt_9"))

    assert judgement.problems == ("I1: answered 2xx and nowhere: 1 (evt_9)",)
    assert judgement.unaccounted == {"evt_9"}


def test_what_still_waits_is_found_unless_it_may(checker: Checker, post: Post) -> None:
    post.put("customer.updated", builders.customer(), id_="evt_4")

    assert checker.judge(accepted=("evt_4",)).problems == ("I1: still waiting: 1 (evt_4)",)
    assert checker.judge(accepted=("evt_4",), waiting_allowed=1).problems == ()


def test_mailboxes_that_nobody_could_have_left_so_are_found(
    checker: Checker, post: Post, redis_url: str
) -> None:
    with redis.Redis.from_url(redis_url) as client:
        client.zadd("{cogento:0}:ready", {"cus_without_mail": 1})

    (problem,) = checker.judge().problems

    assert "a customer with waiting events is in exactly one state" in problem


def test_the_dead_without_a_letter_are_found(checker: Checker, tables: psycopg.Connection) -> None:
    tables.execute(
        """
        INSERT INTO webhook_events
        (event_id, event_created_at, event_type, customer_id, object_id, received_at, outcome, source)
        VALUES ('evt_9', now(), 'customer.updated', 'cus_1', 'cus_1', now(), 'dead', 'webhook')
        """
    )

    assert checker.judge(dead_allowed=["evt_9"]).problems == ("I1: dead without a letter: 1 (evt_9)",)


def test_an_open_letter_of_an_applied_event_is_found(checker: Checker, tables: psycopg.Connection) -> None:
    tables.execute(
        """
        INSERT INTO dead_letters (
            event_id, event_type, customer_id, object_id, event_created_at, received_at, reason,
            failure_class, message, fingerprint, source, raw_sha256
        )
        VALUES ('evt_1', 'customer.created', 'cus_1', 'cus_1', now(), now(), 'bug', 'bug', '', '', 'webhook', '')
        """
    )

    problem = "I1: applied, but with an open letter: 1 (evt_1)"
    assert checker.judge(dead_allowed=["evt_1"]).problems == (problem,)


def test_dead_letters_are_found_unless_they_may_be(checker: Checker, post: Post) -> None:
    runtime.run(post.store.insert_dead_letters([letter("9", attempts=0)]))

    assert checker.judge(accepted=["evt_9"]).problems == ("I1: dead letters: 1 (evt_9)",)
    assert checker.judge(accepted=["evt_9"], dead_allowed=["evt_9"]).problems == ()


def test_a_letter_that_was_discarded_is_as_dead(checker: Checker, post: Post) -> None:
    runtime.run(post.store.insert_dead_letters([letter("9", attempts=0)]))
    with psycopg.connect(post.database_url) as connection:
        connection.execute("UPDATE dead_letters SET status = 'discarded', resolved_at = now()")

    assert checker.judge().problems == ("I1: dead letters: 1 (evt_9)",)


@pytest.mark.parametrize("source", ["sweep", "fetch", "verify"])
def test_what_only_asking_stripe_brought_is_found_unless_it_may(
    checker: Checker, tables: psycopg.Connection, source: str
) -> None:
    tables.execute(
        """
        INSERT INTO webhook_events
        (event_id, event_created_at, event_type, customer_id, object_id, received_at, outcome, source)
        VALUES ('evt_9', now(), 'customer.updated', 'cus_1', 'cus_1', now(), 'unchanged', %s)
        """,
        [source],
    )

    judgement = checker.judge(accepted=["evt_9"])

    assert judgement.problems == ("I1: brought by asking Stripe: 1 (evt_9)",)
    assert judgement.sources == {source: 1, "webhook": 3}
    assert checker.judge(sources_allowed=[source]).problems == ()


def test_two_transactions_in_one_customer_at_once_are_found(checker: Checker, database_url: str) -> None:
    """Nobody can write one row twice at once; a customer and its subscription are two rows."""
    with psycopg.connect(database_url) as one, psycopg.connect(database_url) as other:
        one.execute("INSERT INTO users (stripe_customer_id, email) VALUES ('cus_1', 'a@example.com')")
        one.commit()
        one.execute("UPDATE users SET name = 'Eve'")
        other.execute(
            "INSERT INTO subscriptions (stripe_subscription_id, user_id, status)"
            "SELECT 'sub_1', user_id, 'active' FROM users"
        )
        one.commit()
        other.commit()

    assert "I2: two transactions in one customer at once: 1 (cus_1)" in checker.judge().problems


def test_a_row_written_without_having_been_locked_is_found(
    checker: Checker, tables: psycopg.Connection
) -> None:
    tables.execute("UPDATE users SET name = 'Mallory'")

    assert checker.judge().problems == ("I2: written without having been locked before: 1 (cus_1)",)


def test_a_row_that_was_locked_before_it_was_written_is_no_problem(
    checker: Checker, tables: psycopg.Connection
) -> None:
    with tables.transaction():
        tables.execute("SELECT FROM users FOR NO KEY UPDATE")
        tables.execute("UPDATE users SET name = 'Eve'")
        tables.execute("UPDATE users SET name = 'Ada'")

    assert checker.judge().problems == ()


def test_a_row_that_goes_back_to_an_older_event_is_found(
    checker: Checker, tables: psycopg.Connection
) -> None:
    with tables.transaction():
        tables.execute("SELECT FROM users FOR NO KEY UPDATE")
        tables.execute(
            "UPDATE users SET stripe_updated_at = stripe_updated_at - interval '6 s', metadata = '{\"a\": \"b\"}'"
        )

    assert checker.judge().problems == ("I2: went back to an older event: 1 (cus_1)",)


def test_seconds_inside_the_window_are_no_order(checker: Checker, tables: psycopg.Connection) -> None:
    with tables.transaction():
        tables.execute("SELECT FROM users FOR NO KEY UPDATE")
        tables.execute("UPDATE users SET stripe_updated_at = stripe_updated_at - interval '2 s'")

    assert checker.judge().problems == ()


def test_an_answer_that_was_out_of_date_is_no_measure_for_the_events(
    checker: Checker, tables: psycopg.Connection
) -> None:
    with tables.transaction():
        tables.execute(
            """
            INSERT INTO webhook_events
            (event_id, event_created_at, event_type, customer_id, object_id, received_at, outcome, source)
            VALUES ('evt_9', now(), 'customer.fetched', 'cus_1', 'cus_1', now(), 'applied', 'verify')
            """
        )
        tables.execute("SELECT FROM users FOR NO KEY UPDATE")
        tables.execute(
            "UPDATE users SET last_webhook_event_id = 'evt_9',"
            "stripe_updated_at = stripe_updated_at + interval '9 s'"
        )
        tables.execute("UPDATE users SET stripe_updated_at = stripe_updated_at - interval '9 s'")

    assert checker.judge(sources_allowed=["verify"]).problems == ()


def test_a_customer_that_lives_again_is_found(checker: Checker, post: Post) -> None:
    post.put("customer.deleted", builders.customer(), id_="evt_5", created=builders.NOW + 2 * AN_HOUR)
    post.drain()
    with psycopg.connect(post.database_url) as connection:
        connection.execute("SELECT FROM users FOR NO KEY UPDATE")
        connection.execute("UPDATE users SET deleted_at = NULL")

    assert "I2: lived again after its end: 1 (cus_1)" in checker.judge().problems


def test_rows_that_differ_from_the_truth_are_found(checker: Checker, post: Post) -> None:
    (problem,) = checker.judge(truth=Truth((), ())).problems

    assert problem.startswith("I3: differs from the truth: 2 (")


def test_a_doubt_that_the_oracle_shares_is_no_problem(checker: Checker, post: Post) -> None:
    judgement = checker.judge(oracle=AmbiguityOracle.of(put_an_open_story(post)))

    assert judgement.problems == ()
    assert (judgement.unsure_rows, judgement.confirmed) == (1, 1)


def test_a_doubt_of_which_nothing_is_known_is_found(checker: Checker, post: Post) -> None:
    put_an_open_story(post)

    judgement = checker.judge()

    assert judgement.problems == ("I3: unsure without need: 1 (cus_2)",)
    assert (judgement.unsure_rows, judgement.confirmed) == (1, 0)


def test_a_doubt_that_the_events_settle_is_found(checker: Checker, post: Post) -> None:
    bodies = put_an_open_story(post)

    judgement = checker.judge(oracle=AmbiguityOracle.of(bodies, came=["evt_4", "evt_5"]))

    assert judgement.problems == ("I3: unsure without need: 1 (cus_2)",)


def test_a_doubt_that_shows_what_cannot_be_the_last_state_is_found(
    checker: Checker, post: Post, tables: psycopg.Connection
) -> None:
    bodies = put_an_open_story(post)
    tables.execute("ALTER TABLE users DISABLE TRIGGER USER")
    tables.execute("UPDATE users SET last_webhook_event_id = 'evt_4' WHERE unsure")

    (problem,) = checker.judge(oracle=AmbiguityOracle.of(bodies)).problems

    assert problem == "I3: unsure, and shows what cannot be the last state: 1 (cus_2)"


def test_a_row_that_is_sure_of_what_its_events_leave_open_is_found(
    checker: Checker, post: Post, tables: psycopg.Connection
) -> None:
    bodies = put_an_open_story(post)
    tables.execute("ALTER TABLE users DISABLE TRIGGER USER")
    tables.execute("UPDATE users SET unsure = FALSE")

    (problem,) = checker.judge(oracle=AmbiguityOracle.of(bodies)).problems

    assert problem == "I3: sure of what its events do not decide: 1 (cus_2)"


def test_an_event_that_counts_twice_is_found(checker: Checker, tables: psycopg.Connection) -> None:
    tables.execute(
        """
        INSERT INTO webhook_events
        (event_id, event_created_at, event_type, customer_id, object_id, received_at, outcome, source)
        VALUES ('evt_1', now(), 'customer.updated', 'cus_1', 'cus_1', now(), 'unchanged', 'webhook')
        """
    )

    assert checker.judge().problems == ("I4: counted more than once: 1 (evt_1)",)


def test_a_final_outcome_that_is_replaced_is_found(checker: Checker, tables: psycopg.Connection) -> None:
    tables.execute("UPDATE webhook_events SET outcome = 'stale' WHERE event_id = 'evt_1'")

    assert checker.judge().problems == ("I4: got another outcome after a final one: 1 (evt_1)",)


def test_a_change_that_the_ledger_does_not_know_is_found(
    checker: Checker, tables: psycopg.Connection
) -> None:
    with tables.transaction():
        tables.execute("SELECT FROM users FOR NO KEY UPDATE")
        tables.execute("UPDATE users SET last_webhook_event_id = 'evt_9'")

    assert checker.judge().problems == ("I4: changed without an entry in the ledger: 1 (cus_1)",)


def test_an_applied_event_that_changed_nothing_is_found(checker: Checker, tables: psycopg.Connection) -> None:
    tables.execute(
        """
        INSERT INTO webhook_events
        (event_id, event_created_at, event_type, customer_id, object_id, received_at, outcome, source)
        VALUES ('evt_9', now(), 'customer.updated', 'cus_1', 'cus_1', now(), 'applied', 'webhook')
        """
    )

    assert checker.judge().problems == ("I4: applied in the ledger, but nothing was written: 1 (evt_9)",)


def test_persons_and_secrets_in_a_log_are_found(checker: Checker, post: Post, tmp_path: Path) -> None:
    (tmp_path / "worker.log").write_text(
        f"celery@machine.example.com took cus_1@example.com, cus_1@placeholder.invalid and {SECRET}\n"
    )
    (tmp_path / "postgres.log").write_text("DETAIL: Key (email)=(cus_1@example.com) already exists.")

    (problem,) = checker.judge().problems

    assert problem.startswith(
        "I8: stands in a log: 3 (cus_1@example.com in postgres.log, cus_1@example.com in"
    )
    assert problem.endswith(f"{SECRET} in worker.log)")


@pytest.mark.parametrize("known_by", ["old@example.com", "Björn Öztürk", "+15550001234"])
def test_what_a_person_was_known_by_once_is_found_in_a_log_after_it_was_erased(
    checker: Checker, post: Post, tmp_path: Path, known_by: str
) -> None:
    person = builders.customer("cus_2", email="old@example.com", name="Björn Öztürk", phone="+15550001234")
    post.put("customer.created", person, id_="evt_4")
    post.drain()
    post.put("customer.deleted", person, id_="evt_5", created=builders.NOW + AN_HOUR)
    post.drain()
    (tmp_path / "worker.log").write_text(json.dumps({"event": "row_written", "of": known_by}))

    assert checker.judge().problems == (f"I8: stands in a log: 1 ({known_by} in worker.log)",)


def test_attempts_that_should_not_have_been_spent_are_found(
    checker: Checker, tables: psycopg.Connection
) -> None:
    tables.execute("ALTER TABLE webhook_events DISABLE TRIGGER USER")
    tables.execute("UPDATE webhook_events SET attempts = 2 WHERE event_id = 'evt_1'")

    assert checker.judge().problems == ("I9: tried more often than allowed: 1 (evt_1)",)
    assert checker.judge(attempts_allowed=2).problems == ()
