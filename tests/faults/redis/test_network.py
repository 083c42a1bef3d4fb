"""Redis slow, silent, or its answers lost: F20 to F22. Nobody waits behind it, and nothing happens twice."""

from __future__ import annotations

import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cogento.queue.durability import AckDurability
from cogento.queue.errors import MailboxUnavailable
from cogento.queue.script_runs import load_script
from tests.support.looped import LoopedMailboxes
from tests.support.mailbox_builders import claim
from tests.support.redis_pipeline import assert_unavailable, new_event, new_events
from tests.support.servers import wait_until

if TYPE_CHECKING:
    from tests.support.redis_pipeline import Pipeline

REPLY = AckDurability.REDIS
SOON_SECONDS = 2.0  # two time-outs of 0.6 s, and what a busy machine adds


def digest(script: str) -> bytes:
    """What a call of this script has on the wire."""
    return load_script(script).sha.encode()


def threads_of(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/task").iterdir()))


@pytest.mark.parametrize("there_and_back_seconds", [0.3, 0.5, 0.7])
def test_f20_a_slow_redis_is_waited_for_no_longer_than_two_seconds(
    pipeline: Pipeline, there_and_back_seconds: float
) -> None:
    (pid,) = pipeline.receiver.worker_pids()
    pipeline.send(new_events(40), clients=40)
    threads = threads_of(pid)
    pipeline.proxy.delay(there_and_back_seconds / 2)
    replies = pipeline.send(new_events(80), clients=40)
    assert {reply.answer.status for reply in replies if reply.answer} <= {200, 503}
    assert max(reply.seconds for reply in replies) < SOON_SECONDS
    assert threads_of(pid) == threads
    pipeline.proxy.heal()
    assert pipeline.ask(new_event()) == 200


def test_f20_a_worker_on_a_slow_redis_is_slow_and_no_worse(pipeline: Pipeline) -> None:
    pipeline.proxy.delay(0.15)
    pipeline.send(new_events(40), clients=40)
    pipeline.await_applied()


def test_f21_a_frozen_redis_is_a_503_in_about_a_second_and_holds_up_nothing_else(pipeline: Pipeline) -> None:
    pipeline.valkey.freeze()
    replies = pipeline.send(new_events(100), clients=100)
    begun = time.monotonic()
    health = pipeline.receiver.get("/healthz")
    health_seconds = time.monotonic() - begun
    ready = pipeline.receiver.get("/readyz")
    ready_seconds = time.monotonic() - begun - health_seconds
    pipeline.valkey.thaw()
    assert {reply.answer.error for reply in replies if reply.answer} == {(503, "mailbox_unavailable")}
    assert max(reply.seconds for reply in replies) < SOON_SECONDS
    assert (health.status, ready.status) == (200, 503)
    assert health_seconds < 1
    assert ready_seconds < SOON_SECONDS


def test_f21_a_worker_that_could_not_settle_does_so_when_redis_moves_again(pipeline: Pipeline) -> None:
    expired = pipeline.mailboxes.status().counters.expired
    failures = len(pipeline.logged("mailboxes_unavailable"))
    with pipeline.worker_in_a_turn():
        pipeline.proxy.black_hole()
    wait_until(lambda: len(pipeline.logged("mailboxes_unavailable")) > failures, what="a settle to fail")
    pipeline.proxy.heal()
    pipeline.await_applied()
    assert pipeline.mailboxes.status().counters.expired == expired


def test_f21_what_a_frozen_redis_does_late_is_nobodys_crash(pipeline: Pipeline) -> None:
    with (
        pipeline.worker_asleep(),
        closing(LoopedMailboxes.connect(pipeline.proxy.url, ack=REPLY)) as mailboxes,
    ):
        pipeline.ask(new_event())
        mailboxes.status()  # connects, and asks for layout and time: what is swallowed below is the claim
        mailboxes.now_ms()
        pipeline.proxy.black_hole()
        with pytest.raises(MailboxUnavailable):
            mailboxes.claim(max_customers=10, max_events=10, lease_seconds=0)
        pipeline.proxy.heal()
        wait_until(lambda: pipeline.mailboxes.status().leased == 1, what="the claim to be done late")
        (claimed,) = claim(mailboxes, lease_seconds=0).batches
        assert claimed.crashes == 0


def test_f22_an_answer_lost_on_the_way_is_no_second_copy(pipeline: Pipeline) -> None:
    request = new_event()
    pipeline.deliver(new_events(1))  # from here on the server has the script
    pipeline.await_applied()
    with pipeline.worker_asleep():
        pipeline.proxy.cut_on(digest("put"), delivered=True)
        assert_unavailable(pipeline.receiver.ask(request))
        wait_until(lambda: pipeline.receiver.waiting() == 1, what="the event to be stored")
        pipeline.await_ready()
        assert pipeline.receiver.ask(request).outcome == (200, "duplicate")
        assert pipeline.receiver.waiting() == 1


@pytest.mark.parametrize("delivered", [True, False], ids=["done", "not done"])
@pytest.mark.parametrize("script", ["claim", "settle"])
def test_f22_a_worker_whose_call_was_cut_goes_on_at_once_and_burns_nothing(
    pipeline: Pipeline, script: str, *, delivered: bool
) -> None:
    expired, cuts = pipeline.mailboxes.status().counters.expired, pipeline.proxy.cuts_done
    with pipeline.worker_asleep():
        pipeline.send(new_events(20))
        pipeline.proxy.cut_on(digest(script), delivered=delivered)
    pipeline.await_applied()
    assert pipeline.proxy.cuts_done == cuts + 1
    assert pipeline.mailboxes.status().counters.expired == expired
