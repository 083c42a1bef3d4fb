"""Redis loses a key, or somebody overwrites one, while events wait: F62. All of them are applied all the same."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from cogento.events.names import CustomerId
from cogento.queue.status import MailboxState
from tests.support.mailbox_invariants import broken_invariants
from tests.support.redis_pipeline import event_id, new_event, new_events
from tests.support.servers import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    import redis

    from tests.support.redis_pipeline import Pipeline

    Harm = Callable[[redis.Redis, str], None]

TAG = "{cogento:0}"
FOUND_AGAIN_SECONDS = 60
KEYS = ("ready", "since", "stats", "pauses", "mail:cus_1")
QUICK_KEYS = ("ready", "mail:cus_1")


def delete(client: redis.Redis, key: str) -> None:
    client.delete(key)


def overwrite(client: redis.Redis, key: str) -> None:
    client.set(key, "junk")


HARMS = pytest.mark.parametrize("harm", [delete, overwrite])


def await_tidy(pipeline: Pipeline) -> None:
    """Wait until everything is applied, and nothing of the harm is left."""
    pipeline.await_applied(seconds=FOUND_AGAIN_SECONDS)
    wait_until(
        lambda: broken_invariants(pipeline.redis) == [],
        what="the mailboxes to be tidy",
        seconds=FOUND_AGAIN_SECONDS,
    )


@HARMS
@pytest.mark.parametrize("key", QUICK_KEYS)
def test_a9_events_whose_key_was_lost_are_applied_within_a_minute_without_anybodys_help(
    harm: Harm, key: str, pipeline: Pipeline
) -> None:
    with pipeline.worker_asleep():
        pipeline.send(new_events(20))
        harm(pipeline.redis, f"{TAG}:{key}")
    await_tidy(pipeline)


@HARMS
@pytest.mark.parametrize("key", KEYS)
def test_f62_all_events_are_accounted_for_whichever_key_is_lost_under_load(
    harm: Harm, key: str, pipeline: Pipeline
) -> None:
    requests = new_events(60)
    with pipeline.worker_asleep():
        pipeline.deliver(requests[:30])
        harm(pipeline.redis, f"{TAG}:{key}")
        pipeline.deliver(requests[30:])
    await_tidy(pipeline)


def test_a9_a_repetition_of_an_event_that_lies_nowhere_is_kept(pipeline: Pipeline) -> None:
    request = new_event("cus_lost")
    with pipeline.worker_asleep():
        pipeline.ask(request)
        pipeline.redis.delete(f"{TAG}:mail:cus_lost")
        assert pipeline.ask(request) == 200
        view = pipeline.mailboxes.view(CustomerId("cus_lost"))
        assert [one.event_id for one in view.waiting] == [event_id(request)]
        assert view.state is MailboxState.READY
    await_tidy(pipeline)


def test_f62_an_event_whose_bytes_are_lost_is_told_of_and_holds_nobody_up(pipeline: Pipeline) -> None:
    lost, later = new_event("cus_bytes"), new_event("cus_bytes")
    with pipeline.worker_asleep():
        pipeline.receiver.ask(
            lost
        )  # not noted as accepted: a missed-event sweep would bring it, and there is none
        pipeline.ask(later)
        pipeline.redis.delete(f"{TAG}:event:{event_id(lost)}")
    await_tidy(pipeline)
    wait_until(lambda: bool(pipeline.logged("events_lost")), what="the loss to be told", seconds=20)
    assert event_id(lost) in json.loads(pipeline.logged("events_lost")[-1])["event_ids"]
    assert event_id(later) in pipeline.ledger()
