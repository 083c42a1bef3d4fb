"""Redis gone and back: F13, F14, F16 and F17. 503 meanwhile, and within ten seconds everything works again."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
import redis

from cogento.queue.durability import AckDurability
from cogento.queue.errors import MailboxUnavailable
from tests.support.looped import LoopedMailboxes
from tests.support.redis_pipeline import assert_unavailable, new_event, new_events
from tests.support.running_receiver import is_rewriting
from tests.support.servers import wait_until

if TYPE_CHECKING:
    from tests.support.redis_pipeline import Pipeline
    from tests.support.wire import HttpAnswer

ACCEPTED = 'cogento_webhook_requests_total{outcome="queued"}'
FILLERS = [f"load:{number}" for number in range(2000)]


def test_f13_a_restart_is_a_gap_of_503s_and_the_worker_is_back_in_ten_seconds(pipeline: Pipeline) -> None:
    pipeline.send(new_events(20))
    pipeline.valkey.stop()
    assert_unavailable(pipeline.receiver.ask(new_event()))
    assert pipeline.receiver.get("/readyz").status == 503
    assert pipeline.receiver.get("/healthz").status == 200
    pipeline.valkey.start()
    pipeline.await_ready()
    assert pipeline.receiver.ask(new_event()).outcome == (200, "queued")
    pipeline.await_applied()


def test_f13_an_outage_of_many_tries_does_not_make_workers_slow_to_return(pipeline: Pipeline) -> None:
    pipeline.valkey.stop()
    wait_until(lambda: len(pipeline.logged("mailboxes_unavailable")) > 6, what="many tries", seconds=30)
    pipeline.valkey.start()
    pipeline.await_ready()
    pipeline.send(new_events(20))
    pipeline.await_applied()


def test_f14_nothing_acknowledged_is_lost_when_redis_is_killed_under_load(pipeline: Pipeline) -> None:
    before = pipeline.receiver.metric(ACCEPTED)
    with ThreadPoolExecutor(1) as sender:
        sending = sender.submit(pipeline.send, new_events(1000), clients=16)
        wait_until(lambda: pipeline.receiver.metric(ACCEPTED) > before + 50, what="some events")
        pipeline.valkey.kill()
        replies = sending.result()
    pipeline.valkey.start()
    pipeline.await_ready()
    assert {reply.answer.status for reply in replies if reply.answer} == {200, 503}
    pipeline.await_applied()


def test_f16_a_redis_that_still_loads_is_not_there_yet(pipeline: Pipeline) -> None:
    with ThreadPoolExecutor(1) as pool:
        _let_it_load_slowly(pipeline)
        asked = pool.submit(_ask_while_loading, pipeline)
        pipeline.valkey.start()
    pipeline.redis.delete(*FILLERS)
    assert_unavailable(asked.result())
    pipeline.await_ready()
    pipeline.send(new_events(20))
    pipeline.await_applied()


def test_f16_what_a_redis_that_still_loads_says_of_itself_refuses_nobody(pipeline: Pipeline) -> None:
    with ThreadPoolExecutor(1) as pool:
        _let_it_load_slowly(pipeline)
        checked = pool.submit(_check_while_loading, pipeline)
        pipeline.valkey.start()
    pipeline.redis.delete(*FILLERS)
    with pytest.raises(MailboxUnavailable, match="still loading"):
        checked.result()


def _let_it_load_slowly(pipeline: Pipeline) -> None:
    """Stop it with a file that takes it a while to load: half a millisecond for each key, see conftest.py."""
    pipeline.redis.mset(dict.fromkeys(FILLERS, "x" * 100))
    pipeline.redis.bgrewriteaof()
    wait_until(lambda: not is_rewriting(pipeline.redis), what="the append-only file to be rewritten")
    pipeline.valkey.stop()


def _check_while_loading(pipeline: Pipeline) -> None:
    wait_until(lambda: _is_loading(pipeline.redis), what="the server to load")
    with closing(LoopedMailboxes.connect(pipeline.valkey.url, ack=AckDurability.REDIS_FSYNC)) as mailboxes:
        mailboxes.check()


def _ask_while_loading(pipeline: Pipeline) -> HttpAnswer:
    wait_until(lambda: _is_loading(pipeline.redis), what="the server to load")
    assert pipeline.receiver.get("/readyz").status == 503
    return pipeline.receiver.ask(new_event())


def _is_loading(client: redis.Redis) -> bool:
    try:
        client.ping()
    except redis.BusyLoadingError:
        return True
    except redis.ConnectionError:
        return False
    return False


def test_f17_a_flushed_redis_is_filled_again_and_what_is_sent_again_counts_once(pipeline: Pipeline) -> None:
    requests, before = new_events(400), pipeline.receiver.metric(ACCEPTED)
    with ThreadPoolExecutor(1) as sender:
        sending = sender.submit(pipeline.send, requests, clients=16)
        wait_until(lambda: pipeline.receiver.metric(ACCEPTED) > before + 50, what="some events")
        pipeline.redis.flushall()
        pipeline.redis.script_flush()
        sending.result()
    pipeline.send(requests)
    pipeline.await_applied()
    assert {pipeline.ledger()[id_] for id_ in pipeline.accepted} <= {"applied", "unchanged", "superseded"}


def test_f17_a_worker_whose_claim_was_flushed_goes_on_without_a_word(pipeline: Pipeline) -> None:
    failures = len(pipeline.logged("periodic_task_failed"))
    with pipeline.worker_in_a_turn() as requests:
        pipeline.redis.flushall()
    pipeline.send(requests)
    pipeline.await_applied()
    assert len(pipeline.logged("periodic_task_failed")) == failures
