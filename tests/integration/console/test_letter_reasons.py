"""A letter of each reason: made by what the reason says, listed, explained, retried once that is mended, ended well."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from events.letters import ADVICE, MESSAGES, RETRIED_BY_ITSELF, LetterReason
from tests.builders import customer
from tests.integration.console.conftest import Run
from tests.integration.console.ward import Ward
from tests.integration.worker.post import Post
from worker.revival import MENDED, Revival

if TYPE_CHECKING:
    from collections.abc import Iterator

every_reason = pytest.mark.parametrize("reason", LetterReason)
# Of the one that is left out a thin event dies, not a worker's turn: tests/integration/reconcile/test_notices.py.
every_reason_of_a_turn = pytest.mark.parametrize(
    "reason", sorted(set(LetterReason) - {LetterReason.OBJECT_MISSING})
)


@pytest.fixture
def ward(post: Post, redis_url: str) -> Iterator[Ward]:
    with pytest.MonkeyPatch.context() as patch:
        yield Ward.make(post, redis_url, patch)


@every_reason_of_a_turn
def test_a_letter_is_listed_explained_retried_and_applied_once_its_cause_is_mended(
    run: Run, ward: Ward, reason: LetterReason
) -> None:
    ward.kill(reason)
    (listed,) = json.loads(run("letters", "list", "--json").output)["letters"]
    assert (listed["event_id"], listed["reason"], listed["status"]) == ("evt_1", reason, "open")
    assert listed["api_version"] == "2025-06-30.basil"
    assert ADVICE[reason] in run("letters", "show", "evt_1").output
    assert "is a dead letter since" in run("explain", "evt_1").output

    ward.mend(reason)
    assert run("letters", "retry", "evt_1", "--why", "mended").exit_code == 0
    ward.post.drain()

    assert "Its retry ended as applied" in run("letters", "show", "evt_1").output
    assert "evt_1 is applied" in run("explain", "evt_1").output
    assert run("letters", "list").output == "There are none.\n"


def test_the_row_of_a_quiet_customer_whose_event_was_given_up_comes_right_by_itself(ward: Ward) -> None:
    ward.kill(LetterReason.GAVE_UP)
    ward.mend(LetterReason.GAVE_UP)
    ward.post.put("customer.created", customer("cus_2"), id_="evt_2")
    ward.post.drain()
    ward.sql("UPDATE dead_letters SET died_at = died_at - INTERVAL '10 min'")

    Revival(ward.post.store.letters, ward.post.mailboxes).look()
    ward.post.drain()

    assert ward.post.ledger() == {"evt_1": "applied", "evt_2": "applied"}
    assert ward.post.rows("SELECT status, resolution FROM dead_letters") == [
        {"status": "resolved", "resolution": "applied"}
    ]


@pytest.mark.parametrize(
    "reason", [LetterReason.MALFORMED, LetterReason.UNKNOWN_TYPE, LetterReason.IMPOSSIBLE_VALUE]
)
def test_a_letter_that_is_retried_too_early_is_dead_again_of_the_same(
    run: Run, ward: Ward, reason: LetterReason
) -> None:
    ward.kill(reason)
    run("letters", "retry", "evt_1")
    ward.post.drain()
    letter = json.loads(run("letters", "show", "evt_1", "--json").output)["letter"]
    assert (letter["status"], letter["reason"], letter["replays"]) == ("open", reason, 1)


@every_reason
def test_every_reason_says_what_it_means_and_what_to_do(reason: LetterReason) -> None:
    assert MESSAGES[reason].endswith(".")
    assert ADVICE[reason].endswith(".")


def test_advice_promises_a_retry_by_itself_where_there_is_one() -> None:
    promised = {reason for reason, advice in ADVICE.items() if "retried by itself" in advice}
    assert promised == RETRIED_BY_ITSELF == set(MENDED)
