"""A pause does not delay an erasure: deletions of paused customers are applied, and the person's events leave Redis."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import redis

from cogento import runtime
from cogento.events.errors import OtherReleaseError
from cogento.events.names import CustomerId
from tests.support.builders import NOW, customer, subscription
from worker.paused_deletions import LEADER, PausedDeletions

if TYPE_CHECKING:
    from tests.support.post import Post

CUS = CustomerId("cus_1")
ROW = "SELECT name, deleted_at IS NOT NULL AS deleted FROM users WHERE stripe_customer_id = 'cus_1'"


def put_life_of_a_paused_customer(post: Post, *, deleted: bool = True) -> None:
    """A row, then a pause, and behind it changes, a subscription and perhaps the deletion."""
    post.put("customer.created", customer(name="Zeisig"), id_="evt_1", created=NOW)
    post.drain()
    post.mailboxes.pause(CUS, who="ops-1", why="INC-7")
    post.put("customer.updated", customer(name="Zeisig Two"), id_="evt_2", created=NOW + 1)
    post.put("customer.subscription.created", subscription(), id_="evt_3", created=NOW + 2)
    if deleted:
        post.put("customer.deleted", customer(name="Zeisig Two"), id_="evt_4", created=NOW + 3)


def apply_paused_deletions(post: Post) -> None:
    runtime.run(PausedDeletions(post.store, post.mailboxes.looped).run())


def waiting(post: Post) -> list[str]:
    return [one.event_id for one in post.mailboxes.view(CUS).waiting]


def test_a_deletion_behind_a_pause_is_applied_and_the_customer_s_events_leave_redis(
    post: Post, redis_url: str
) -> None:
    put_life_of_a_paused_customer(post)
    apply_paused_deletions(post)
    assert post.rows(ROW) == [{"name": None, "deleted": True}]
    assert waiting(post) == ["evt_3"]
    with redis.Redis.from_url(redis_url) as client:
        assert list(client.scan_iter("*:event:*")) == [b"{cogento:0}:event:evt_3"]
    assert post.ledger() == {"evt_1": "applied", "evt_2": "superseded", "evt_4": "applied"}


def test_what_is_about_a_subscription_stays_paused_and_is_applied_when_resumed(post: Post) -> None:
    put_life_of_a_paused_customer(post)
    apply_paused_deletions(post)
    post.drain()
    assert waiting(post) == ["evt_3"]
    post.mailboxes.resume(CUS)
    post.drain()
    assert post.ledger()["evt_3"] == "applied"
    assert post.mailboxes.status().waiting == 0


def test_a_pause_without_a_deletion_is_kept_whole(post: Post) -> None:
    put_life_of_a_paused_customer(post, deleted=False)
    apply_paused_deletions(post)
    assert waiting(post) == ["evt_2", "evt_3"]
    assert post.rows(ROW) == [{"name": "Zeisig", "deleted": False}]


def test_what_comes_late_or_was_left_by_a_crash_leaves_with_the_next_look(post: Post) -> None:
    put_life_of_a_paused_customer(post)
    apply_paused_deletions(post)
    post.put(
        "customer.updated", customer(name="Zeisig Two"), id_="evt_2", created=NOW + 1
    )  # as if not removed
    post.put("customer.updated", customer(name="Zeisig Late"), id_="evt_5", created=NOW + 2)
    apply_paused_deletions(post)
    assert waiting(post) == ["evt_3"]
    assert (post.ledger()["evt_2"], post.ledger()["evt_5"]) == ("superseded", "stale")


def test_while_another_worker_looks_nothing_is_done_twice(post: Post) -> None:
    put_life_of_a_paused_customer(post)
    lease = runtime.run(post.store.try_leader_lease(LEADER))
    assert lease is not None
    apply_paused_deletions(post)
    assert waiting(post) == ["evt_2", "evt_3", "evt_4"]
    runtime.run(lease.end())
    apply_paused_deletions(post)
    assert waiting(post) == ["evt_3"]


def test_a_deletion_that_cannot_be_applied_holds_up_no_other(post: Post) -> None:
    for number in (1, 2):
        post.put("customer.created", customer(f"cus_{number}"), id_=f"evt_{number}1", created=NOW)
    post.drain()
    for number in (1, 2):
        post.mailboxes.pause(CustomerId(f"cus_{number}"))
        post.put("customer.deleted", customer(f"cus_{number}"), id_=f"evt_{number}2", created=NOW + 3)
    of_a_newer_release = "'\\x93c0'::bytea"
    post.rows(f"UPDATE users SET evidence = {of_a_newer_release} WHERE stripe_customer_id = 'cus_1'")

    with pytest.raises(OtherReleaseError):
        apply_paused_deletions(post)

    rows = post.rows("SELECT stripe_customer_id AS id FROM users WHERE deleted_at IS NOT NULL")
    assert rows == [{"id": "cus_2"}]
