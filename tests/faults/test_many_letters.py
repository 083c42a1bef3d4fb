"""Ten thousand dead letters of four hundred customers, retried by one command while two workers process them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from tests.support.letter_trial import LetterTrial

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.checker import Checker
    from tests.support.post import Post
    from tests.support.running_worker import RunningWorker

CUSTOMERS, EVENTS = 400, 25
LETTERS = CUSTOMERS * EVENTS

OUT_OF_ORDER = """
    SELECT event_id
    FROM (
        SELECT
            event_id,
            settled_at,
            lag(settled_at) OVER (PARTITION BY customer_id ORDER BY event_created_at) AS settled_before
        FROM webhook_events
    ) AS history
    WHERE settled_at < settled_before
"""
NAMES = "SELECT DISTINCT name FROM users"


@pytest.mark.chaos
def test_ten_thousand_letters_retried_in_one_command_keep_each_customers_order(
    post: Post,
    redis_url: str,
    checker: Checker,
    start_worker: Callable[[], RunningWorker],
    capsys: pytest.CaptureFixture[str],
) -> None:
    trial = LetterTrial(post, redis_url)
    trial.insert_letters(customers=CUSTOMERS, events=EVENTS)
    start_worker()
    start_worker()

    begun = time.monotonic()
    told = trial.type("retry", "--all", "--yes", "--wait", "--json").told()
    seconds = time.monotonic() - begun
    pace = f"put back {LETTERS / told['seconds']:,.0f}/s, settled {LETTERS / seconds:,.0f}/s, {seconds:.1f} s"
    with capsys.disabled():
        print(f" {pace} ")  # noqa: T201 - figures for whoever runs it

    assert {letter["ended_as"] for letter in told["letters"]} <= {"applied", "superseded"}
    assert (len(told["letters"]), told["put_back"]) == (LETTERS, LETTERS)
    assert post.rows(OUT_OF_ORDER) == []
    assert post.rows(NAMES) == [{"name": f"Name {EVENTS - 1}"}]
    assert checker.judge().problems == ()
