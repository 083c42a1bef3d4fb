"""A letter of each reason: made by that cause, listed, explained, and retried successfully once the cause is fixed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from cogento import runtime
from cogento.events.letters import ADVICE, AUTO_RETRY_REASONS, MESSAGES, LetterReason
from tests.integration.console.conftest import Run
from tests.support.builders import customer
from tests.support.letter_causes import LetterCauses
from tests.support.post import Post
from worker.auto_retry import DeadLetterAutoRetry

if TYPE_CHECKING:
    from collections.abc import Iterator

every_reason = pytest.mark.parametrize("reason", LetterReason)
# Of one that is left out a thin event dies, not a worker's turn: tests/integration/reconcile/test_notices.py. Of
# the other a letter dies once more: tests/unit/worker/test_decode.py.
every_reason_of_a_turn = pytest.mark.parametrize(
    "reason", sorted(set(LetterReason) - {LetterReason.OBJECT_MISSING, LetterReason.FENCED})
)


@pytest.fixture
def causes(post: Post, redis_url: str) -> Iterator[LetterCauses]:
    with pytest.MonkeyPatch.context() as patch:
        made = LetterCauses.make(post, redis_url, patch)
        yield made
        made.post.mailboxes.close()


@every_reason_of_a_turn
def test_a_letter_is_listed_explained_retried_and_applied_once_its_cause_is_fixed(
    run: Run, causes: LetterCauses, reason: LetterReason
) -> None:
    causes.kill(reason)
    (listed,) = json.loads(run("letters", "list", "--json").output)["letters"]
    assert (listed["event_id"], listed["reason"], listed["status"]) == ("evt_1", reason, "open")
    assert listed["api_version"] == "2025-06-30.basil"
    assert ADVICE[reason] in run("letters", "show", "evt_1").output
    assert "became a dead letter at" in run("explain", "evt_1").output

    causes.fix(reason)
    assert run("letters", "retry", "evt_1", "--why", "fixed").exit_code == 0
    causes.post.drain()

    assert "Retried successfully: applied." in run("letters", "show", "evt_1").output
    assert "evt_1: applied" in run("explain", "evt_1").output
    assert run("letters", "list").output == "There are none.\n"


def test_t26_an_address_in_a_row_made_by_hand_is_a_letter_at_once_that_names_the_row_and_no_address(
    run: Run, causes: LetterCauses
) -> None:
    causes.kill(LetterReason.ADDRESS_TAKEN)
    (row,) = causes.post.rows("SELECT user_id, email, stripe_customer_id FROM users")
    letter = json.loads(run("letters", "show", "evt_1", "--json").output)["letter"]
    assert (letter["reason"], letter["attempts"]) == ("address_taken", 1)
    assert str(row["user_id"]) in letter["message"]
    assert "example.com" not in letter["message"]
    assert (row["email"], row["stripe_customer_id"]) == ("cus_1@example.com", "by hand")


def test_t26_a_row_made_by_hand_becomes_the_customers_once_a_person_says_whose_it_is(
    run: Run, causes: LetterCauses
) -> None:
    causes.kill(LetterReason.ADDRESS_TAKEN)
    (before,) = causes.post.rows("SELECT user_id FROM users")
    causes.sql("UPDATE users SET stripe_customer_id = 'cus_1'")
    run("letters", "retry", "evt_1")
    causes.post.drain()
    (after,) = causes.post.rows("SELECT user_id, name FROM users")
    assert after == {"user_id": before["user_id"], "name": "Ada Example"}


def test_t26_other_customers_of_its_batch_do_not_wait(causes: LetterCauses) -> None:
    causes.post.put("customer.created", customer("cus_2"), id_="evt_2")
    causes.kill(LetterReason.ADDRESS_TAKEN)
    assert causes.post.ledger() == {"evt_1": "dead", "evt_2": "applied"}


def test_the_row_of_a_quiet_customer_whose_event_was_given_up_comes_right_by_itself(
    causes: LetterCauses,
) -> None:
    causes.kill(LetterReason.GAVE_UP)
    causes.fix(LetterReason.GAVE_UP)
    causes.post.put("customer.created", customer("cus_2"), id_="evt_2")
    causes.post.drain()
    causes.sql("UPDATE dead_letters SET died_at = died_at - INTERVAL '10 min'")

    runtime.run(DeadLetterAutoRetry(causes.post.store.letters, causes.post.mailboxes.looped).run())
    causes.post.drain()

    assert causes.post.ledger() == {"evt_1": "applied", "evt_2": "applied"}
    assert causes.post.rows("SELECT status, resolution FROM dead_letters") == [
        {"status": "resolved", "resolution": "applied"}
    ]


@pytest.mark.parametrize(
    "reason",
    [
        LetterReason.MALFORMED,
        LetterReason.UNKNOWN_TYPE,
        LetterReason.IMPOSSIBLE_VALUE,
        LetterReason.ADDRESS_TAKEN,
    ],
)
def test_a_letter_that_is_retried_too_early_is_dead_again_of_the_same(
    run: Run, causes: LetterCauses, reason: LetterReason
) -> None:
    causes.kill(reason)
    run("letters", "retry", "evt_1")
    causes.post.drain()
    letter = json.loads(run("letters", "show", "evt_1", "--json").output)["letter"]
    assert (letter["status"], letter["reason"], letter["replays"]) == ("open", reason, 1)


@every_reason
def test_every_reason_says_what_it_means_and_what_to_do(reason: LetterReason) -> None:
    assert MESSAGES[reason].endswith(".")
    assert ADVICE[reason].endswith(".")


def test_advice_promises_a_retry_by_itself_where_there_is_one() -> None:
    promised = {reason for reason, advice in ADVICE.items() if "retried automatically" in advice}
    assert promised == set(AUTO_RETRY_REASONS)
