"""A cluster's masters come and go under load (F67 to F72): 503 for customers whose mailboxes they keep, nothing acknowledged lost.

The fixture's end judges each test: what was answered 2xx is applied, once and in order, and no attempt was wasted. The last
tests have two accounts, whose mailboxes lie on every master.
"""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from cogento import runtime
from cogento.events.envelope import parse_envelope
from cogento.queue.claims import PutResult
from cogento.queue.durability import AckDurability
from cogento.queue.errors import MailboxUnavailable
from cogento.queue.group_commit import GroupCommit
from cogento.queue.keys import shard_of, tags
from tests.faults.cluster.conftest import SHARDS
from tests.support import builders
from tests.support.accounts import Accounts
from tests.support.cluster import move_slot, role_of
from tests.support.redis_pipeline import new_event, new_events
from tests.support.servers import wait_until
from tests.support.worker_here import WorkerHere
from worker.process import WorkerProcess

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cogento.local.valkey import Valkey
    from tests.support.cluster import RunningCluster
    from tests.support.redis_pipeline import Pipeline
    from tests.support.servers import RunningServer

TAGS = tags(SHARDS)
FIRST, OTHER = TAGS[0], TAGS[5]
CUSTOMERS = 40
ACCOUNTS = ("eu", "us")
TOGETHER = [f"cus_{number}" for number in range(40)]
LATER = [f"cus_later{number}" for number in range(40)]


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


def test_f68_customers_on_other_masters_are_served_while_one_is_frozen(
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


@pytest.fixture
def accounts(whole_cluster: RunningCluster, accounts_url: str) -> Iterator[Accounts]:
    """Two accounts beside the pipeline's, which is called default, and a worker of theirs in this process."""
    whole_cluster.await_whole()
    made = Accounts(
        whole_cluster.url, accounts_url, ACCOUNTS, shards=SHARDS, ack=AckDurability.REDIS_REPLICATED
    )
    yield made
    made.close()
    whole_cluster.await_whole()


@pytest.fixture
def start_accounts_worker(
    accounts: Accounts, valkey_server: RunningServer[Valkey]
) -> Iterator[Callable[[], WorkerHere]]:
    started: list[WorkerHere] = []

    def start() -> WorkerHere:
        settings = accounts.settings(
            mailbox_shards=SHARDS, ack_durability="redis_replicated", broker_url=valkey_server.url
        )
        worker = WorkerHere(runtime.run(WorkerProcess.open(*settings)))
        started.append(worker)
        worker.start()
        return worker

    yield start
    for worker in started:
        worker.stop()


def put_together(accounts: Accounts) -> set[PutResult]:
    """Put an event of each customer of each account, as a receiver does: those that come together in one call."""

    async def put_all() -> set[PutResult]:
        of_account = {name: accounts.mailboxes[name].looped for name in ACCOUNTS}
        first = GroupCommit(of_account["eu"])
        queues = {"eu": first, "us": first.beside(of_account["us"])}
        puts = [
            queues[name].put(
                parse_envelope(
                    builders.event_body(
                        "customer.created",
                        builders.customer(id_, email=f"{id_}@{name}.example"),
                        id_=f"evt_{id_}",
                    ),
                    now=int(time.time()),
                )
            )
            for id_ in TOGETHER
            for name in ACCOUNTS
        ]
        return {put.result for put in await asyncio.gather(*puts)}

    return runtime.run(put_all())


def is_put(accounts: Accounts, name: str, customer_id: str) -> bool:
    """Put an event, and say whether it was acknowledged."""
    try:
        accounts.put(name, customer_id)
    except MailboxUnavailable:
        return False
    return True


def all_are_put(accounts: Accounts, acknowledged: dict[tuple[str, str], bool]) -> bool:
    """Put what is not acknowledged yet, as Stripe does, and say whether all is."""
    for name, id_ in [each for each, is_there in acknowledged.items() if not is_there]:
        acknowledged[name, id_] = is_put(accounts, name, id_)
    return all(acknowledged.values())


def expected(*customers: str) -> dict[str, set[str]]:
    return {name: {f"{id_}@{name}.example" for id_ in customers} for name in ACCOUNTS}


def test_events_of_two_accounts_lie_on_every_master_and_reach_each_ones_tables(
    whole_cluster: RunningCluster, accounts: Accounts, start_accounts_worker: Callable[[], WorkerHere]
) -> None:
    assert put_together(accounts) == {PutResult.QUEUED}
    masters = {name: {whole_cluster.master_of(tag) for tag in tags(SHARDS, name)} for name in ACCOUNTS}
    assert {name: len(of_account) for name, of_account in masters.items()} == {"eu": 3, "us": 3}
    assert {name: accounts.mailboxes[name].status().waiting for name in ACCOUNTS} == {"eu": 40, "us": 40}
    start_accounts_worker()
    wait_until(accounts.are_done, what="both accounts' events to be processed")
    assert {name: accounts.emails(name) for name in ACCOUNTS} == expected(*TOGETHER)


def test_f67_killed_master_loses_no_accounts_acknowledged_events(
    whole_cluster: RunningCluster, accounts: Accounts, start_accounts_worker: Callable[[], WorkerHere]
) -> None:
    victim = whole_cluster.master_of(tags(SHARDS, "eu")[5])
    successor = whole_cluster.replica_of(victim)
    assert put_together(accounts) == {PutResult.QUEUED}
    start_accounts_worker()
    victim.kill()
    acknowledged = {(name, id_): is_put(accounts, name, id_) for id_ in LATER for name in ACCOUNTS}
    wait_until(lambda: role_of(successor) == "master", what="the replica to take over")
    victim.start()
    assert {name for (name, _), is_there in acknowledged.items() if is_there} == {*ACCOUNTS}
    wait_until(lambda: all_are_put(accounts, acknowledged), what="every event to be taken", seconds=60)
    wait_until(accounts.are_done, what="both accounts' events to be processed", seconds=60)
    assert {name: accounts.emails(name) for name in ACCOUNTS} == expected(*TOGETHER, *LATER)
    once = "SELECT count(*), count(DISTINCT event_id) FROM webhook_events WHERE outcome <> 'duplicate'"
    assert {name: accounts.rows(name, once) for name in ACCOUNTS} == {name: [(80, 80)] for name in ACCOUNTS}
