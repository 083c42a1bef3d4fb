"""Letters whose cause has gone are retried by the worker itself, and those that got lost are opened again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cogento import runtime
from cogento.events.letters import AUTO_RETRY_REASONS, LetterReason
from cogento.retries import FailureClass
from tests.support import builders
from tests.support.builders import NOW, customer, subscription
from tests.support.store_letters import letter
from worker.auto_retry import LOST, DeadLetterAutoRetry

if TYPE_CHECKING:
    from tests.support.post import Post

ENDS = "SELECT event_id, status, resolution, replays FROM dead_letters ORDER BY event_id"
ACTIONS = "SELECT action, who, why FROM dead_letter_actions ORDER BY id"


def insert_orphan(post: Post) -> None:
    """A subscription of cus_1 whose customer never came."""
    body = builders.event_body("customer.subscription.created", subscription(), id_="evt_1")
    orphan = {"reason": "customer_missing", "failure_class": FailureClass.PERMANENT, "raw_body": body}
    runtime.run(
        post.store.insert_dead_letters(
            [letter("1", event_type="customer.subscription.created", object_id="sub_1", **orphan)]
        )
    )


def insert_given_up(post: Post) -> None:
    """An event of cus_1 that failed for a day."""
    body = builders.event_body("customer.updated", customer(name="Given up"), id_="evt_1")
    cause = {"reason": "gave_up", "failure_class": FailureClass.TRANSIENT, "failure_code": "57014"}
    runtime.run(post.store.insert_dead_letters([letter("1", raw_body=body, **cause)]))


def rest(post: Post) -> None:
    """Let ten minutes pass since every death."""
    post.rows("UPDATE dead_letters SET died_at = died_at - INTERVAL '10 min' RETURNING 1")


def take(post: Post, *, seconds_ago: int) -> None:
    """Take every letter and go no further, as a process that is killed there."""
    ids = [row["id"] for row in post.rows("SELECT id FROM dead_letters")]
    runtime.run(post.store.letters.retry(ids, why="test", who="worker"))
    post.rows(f"UPDATE dead_letters SET retrying_since = now() - INTERVAL '{seconds_ago} s' RETURNING 1")


def auto_retry(post: Post) -> DeadLetterAutoRetry:
    return DeadLetterAutoRetry(post.store.letters, post.mailboxes.looped)


def test_a_subscription_is_retried_by_itself_once_its_customer_is_there(post: Post) -> None:
    insert_orphan(post)
    runtime.run(auto_retry(post).run())
    assert post.mailboxes.status().waiting == 0

    post.put("customer.created", customer(), id_="evt_c")
    post.drain()
    runtime.run(auto_retry(post).run())
    post.drain()

    assert post.rows(ENDS) == [
        {"event_id": "evt_1", "status": "resolved", "resolution": "applied", "replays": 1}
    ]
    assert post.rows(ACTIONS) == [
        {"action": "retry", "who": "worker", "why": AUTO_RETRY_REASONS[LetterReason.CUSTOMER_MISSING]}
    ]


def test_an_event_that_was_given_up_is_retried_once_others_are_written_to_ten_minutes_later(
    post: Post,
) -> None:
    insert_given_up(post)
    post.put("customer.updated", customer("cus_2"), id_="evt_2")
    post.drain()
    runtime.run(auto_retry(post).run())
    too_early = post.mailboxes.status().waiting
    rest(post)

    runtime.run(auto_retry(post).run())
    post.drain()

    assert too_early == 0
    assert post.rows(ENDS) == [
        {"event_id": "evt_1", "status": "resolved", "resolution": "applied", "replays": 1}
    ]
    assert post.rows(ACTIONS) == [
        {"action": "retry", "who": "worker", "why": AUTO_RETRY_REASONS[LetterReason.GAVE_UP]}
    ]


def test_an_event_that_was_given_up_and_is_followed_by_a_later_one_ends_as_stale(post: Post) -> None:
    insert_given_up(post)
    post.put("customer.updated", customer(name="Later"), id_="evt_2", created=NOW + 60)
    post.drain()
    rest(post)

    runtime.run(auto_retry(post).run())
    post.drain()

    assert post.rows(ENDS) == [
        {"event_id": "evt_1", "status": "resolved", "resolution": "stale", "replays": 1}
    ]
    assert post.rows("SELECT name FROM users") == [{"name": "Later"}]


def test_what_is_given_up_again_after_its_retry_is_left_to_a_person(post: Post) -> None:
    insert_given_up(post)
    post.put("customer.updated", customer("cus_2"), id_="evt_2")
    post.drain()
    rest(post)
    runtime.run(
        post.store.letters.retry(
            [row["id"] for row in post.rows("SELECT id FROM dead_letters")], why="test", who="worker"
        )
    )
    insert_given_up(post)
    rest(post)

    runtime.run(auto_retry(post).run())

    assert post.mailboxes.status().waiting == 0


def test_no_other_letter_is_retried_by_itself(post: Post) -> None:
    others = [reason for reason in LetterReason if reason not in AUTO_RETRY_REASONS]
    runtime.run(
        post.store.insert_dead_letters([letter(str(n), reason=reason) for n, reason in enumerate(others)])
    )
    post.put("customer.updated", customer(), id_="evt_c", created=NOW + 60)
    post.drain()

    runtime.run(auto_retry(post).run())

    assert post.mailboxes.status().waiting == 0
    assert {row["status"] for row in post.rows(ENDS)} == {"open"}


def test_a_letter_whose_retry_was_cut_short_is_open_again_and_can_be_retried(post: Post) -> None:
    insert_given_up(post)
    take(post, seconds_ago=61)

    runtime.run(auto_retry(post).reopen_lost())

    assert post.rows(ENDS) == [{"event_id": "evt_1", "status": "open", "resolution": None, "replays": 0}]
    assert post.rows(ACTIONS)[-1] == {"action": "reopen", "who": "worker", "why": LOST}


def test_a_letter_that_has_just_been_taken_is_left_to_whoever_took_it(post: Post) -> None:
    insert_given_up(post)
    take(post, seconds_ago=59)

    runtime.run(auto_retry(post).reopen_lost())

    assert post.rows(ENDS)[0]["status"] == "retrying"


def test_a_letter_that_waits_or_is_parked_is_not_taken_for_lost(post: Post) -> None:
    insert_orphan(post)
    post.put("customer.subscription.created", subscription(), id_="evt_1")
    take(post, seconds_ago=3600)
    runtime.run(auto_retry(post).reopen_lost())
    assert post.rows(ENDS)[0]["status"] == "retrying"

    post.drain()
    assert post.mailboxes.status().parked == 1
    runtime.run(auto_retry(post).reopen_lost())

    assert post.rows(ENDS)[0]["status"] == "retrying"


def test_a_letter_that_was_opened_too_early_is_closed_by_its_event_all_the_same(post: Post) -> None:
    insert_given_up(post)
    take(post, seconds_ago=61)
    runtime.run(auto_retry(post).reopen_lost())

    post.put("customer.updated", customer(name="Given up"), id_="evt_1")
    post.drain()

    assert post.rows(ENDS)[0]["resolution"] == "applied"
