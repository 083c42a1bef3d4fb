from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support.builders import customer, subscription
from tests.support.servers import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.post import Post
    from tests.support.running_worker import RunningWorker

ROLES = "SELECT role, granted_by FROM user_roles"


def test_a_worker_told_so_makes_members_of_subscribers(
    post: Post, start_worker: Callable[..., RunningWorker]
) -> None:
    start_worker(MEMBER_STATUSES="active,trialing")

    post.put("customer.created", customer(), id_="evt_1")
    post.put("customer.subscription.created", subscription(status="active"), id_="evt_2")

    member = [{"role": "member", "granted_by": "subscription"}]
    wait_until(lambda: post.rows(ROLES) == member, what="the role", seconds=20)
