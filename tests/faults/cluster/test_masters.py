"""A cluster's masters come and go under load (F67 to F72): 503 for whose mail they keep, and nothing acknowledged is lost.

The fixture's end judges each test: what was answered 2xx is applied, once and in order, and no attempt was burnt.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from cogento.queue.keys import shard_of, tags
from tests.faults.cluster.conftest import SHARDS
from tests.support.cluster import move_slot, role_of
from tests.support.redis_pipeline import new_event, new_events
from tests.support.servers import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.cluster import RunningCluster
    from tests.support.redis_pipeline import Pipeline

TAGS = tags(SHARDS)
FIRST, OTHER = TAGS[0], TAGS[5]
CUSTOMERS = 40


def customer_of(tag: str) -> str:
    """A customer whose mailbox is in this shard."""
    names = (f"cus_{number}" for number in range(1000))
    return next(name for name in names if TAGS[shard_of(name, shards=SHARDS)] == tag)  # type: ignore[arg-type]


@contextmanager
def load(pipeline: Pipeline, *, events: int = 1500) -> Iterator[None]:
    """Deliver events from the beginning of the block on, each until it is accepted, and await the last at its end."""
    requests = new_events(events, customers=CUSTOMERS)
    before = len(pipeline.accepted)
    with ThreadPoolExecutor(1) as sender:
        sending = sender.submit(pipeline.deliver, requests, clients=8)
        wait_until(lambda: len(pipeline.ledger()) > before + 20, what="the first events to be applied")
        yield
        sending.result()


@pytest.mark.parametrize("tag", [FIRST, OTHER], ids=["of the first shard", "another"])
def test_f67_a_master_is_killed_and_its_replica_takes_over(
    tag: str, whole_cluster: RunningCluster, pipeline: Pipeline
) -> None:
    victim = whole_cluster.master_of(tag)
    successor = whole_cluster.replica_of(victim)
    with load(pipeline):
        victim.kill()
        wait_until(lambda: role_of(successor) == "master", what="the replica to take over")
        victim.start()


def test_f68_a_master_that_freezes_is_replaced_and_comes_back_as_a_replica(
    whole_cluster: RunningCluster, pipeline: Pipeline
) -> None:
    frozen = whole_cluster.master_of(OTHER)
    successor = whole_cluster.replica_of(frozen)
    with load(pipeline):
        frozen.freeze()
        wait_until(lambda: role_of(successor) == "master", what="the replica to take over")
        frozen.thaw()
    wait_until(lambda: role_of(frozen) == "slave", what="the old master to follow")


def test_f68_whose_mail_another_master_keeps_is_served_while_one_is_frozen(
    whole_cluster: RunningCluster, pipeline: Pipeline
) -> None:
    frozen = whole_cluster.master_of(OTHER)
    frozen.freeze()
    try:
        elsewhere = new_events(20, customers=1)
        assert pipeline.ask(new_event(customer_of(OTHER))) == 503
        assert {pipeline.ask(new_event(customer_of(FIRST))) for _ in elsewhere} == {200}
    finally:
        frozen.thaw()


def test_f69_a_master_that_cannot_see_its_replica_acknowledges_nothing(
    whole_cluster: RunningCluster, pipeline: Pipeline
) -> None:
    replica = whole_cluster.replica_of(whole_cluster.master_of(OTHER))
    with load(pipeline):
        replica.freeze()
        wait_until(lambda: pipeline.ask(new_event(customer_of(OTHER))) == 503, what="a refusal")
        assert pipeline.ask(new_event(customer_of(FIRST))) == 200
        replica.thaw()


def test_f70_masters_are_handed_over_one_after_the_other(
    whole_cluster: RunningCluster, pipeline: Pipeline
) -> None:
    with load(pipeline):
        whole_cluster.hand_over(whole_cluster.replica_of(whole_cluster.master_of(TAGS[0])))
        whole_cluster.hand_over(whole_cluster.replica_of(whole_cluster.master_of(TAGS[5])))
        whole_cluster.hand_over(whole_cluster.replica_of(whole_cluster.master_of(TAGS[10])))


def test_f71_slots_move_key_by_key_to_another_master(
    whole_cluster: RunningCluster, pipeline: Pipeline
) -> None:
    source, target = whole_cluster.master_of(OTHER), whole_cluster.master_of(TAGS[10])
    with load(pipeline):
        move_slot(whole_cluster, OTHER, target)
        move_slot(whole_cluster, TAGS[6], target)
        move_slot(whole_cluster, OTHER, source)
        move_slot(whole_cluster, TAGS[6], source)


def test_f72_without_the_broker_what_is_accepted_is_applied_all_the_same(pipeline: Pipeline) -> None:
    pipeline.proxy.refuse()
    try:
        pipeline.deliver(new_events(20, customers=CUSTOMERS))
        pipeline.await_applied()
    finally:
        pipeline.proxy.heal()
