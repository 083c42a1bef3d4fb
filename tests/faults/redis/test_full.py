"""Redis without room, in memory or on its disk: F18 and F19. 503 until there is some; what waits is drained."""

from __future__ import annotations

import subprocess
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from cogento.queue.wakeup import WorkerWakeup
from tests.support.redis_pipeline import accepted_ids, assert_unavailable, new_event, new_events
from tests.support.servers import wait_until
from tests.support.storm import storm

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.faults.redis.conftest import StartReceiver
    from tests.support.redis_pipeline import Pipeline

ROOM_BYTES = 2000  # of one or two events


@contextmanager
def full_memory(pipeline: Pipeline) -> Iterator[None]:
    """Redis may use less memory than it does."""
    pipeline.redis.config_set("maxmemory", 1)
    try:
        yield
    finally:
        pipeline.redis.config_set("maxmemory", 0)


def fill_disk(pipeline: Pipeline) -> None:
    """Limit the size of Redis's files to little more than it is; Redis ignores SIGXFSZ, as every child of Python does."""
    folder = pipeline.valkey.description.folder / "appendonlydir"
    limit_files(pipeline, max(file.stat().st_size for file in folder.glob("*.incr.aof")) + ROOM_BYTES)


def limit_files(pipeline: Pipeline, most_bytes: object) -> None:
    """Change the soft limit; only who runs the server may, not even root without all its capabilities."""
    owner = Path(f"/proc/{pipeline.valkey.pid}").stat()
    command = ["prlimit", f"--pid={pipeline.valkey.pid}", f"--fsize={most_bytes}:"]
    subprocess.run(command, user=owner.st_uid, group=owner.st_gid, check=True)


def test_f18_a_full_redis_takes_nothing_and_is_drained_all_the_same(pipeline: Pipeline) -> None:
    with pipeline.worker_asleep():
        pipeline.send(new_events(50))
        pipeline.redis.config_set("maxmemory", 1)
    with full_memory(pipeline):
        assert_unavailable(pipeline.receiver.ask(new_event()), "mailbox_full")
        assert pipeline.receiver.get("/readyz").status == 503
        pipeline.await_applied()
    assert pipeline.ask(new_event()) == 200


def test_f18_a_worker_that_is_rung_while_memory_is_full_goes_on(pipeline: Pipeline) -> None:
    with pipeline.worker_asleep():
        pipeline.ask(new_event())
        with closing(WorkerWakeup(pipeline.valkey.url)) as wakeup:
            wakeup.send()
        pipeline.redis.config_set("maxmemory", 1)
    with full_memory(pipeline):
        pipeline.await_applied()
    pipeline.send(new_events(20))
    pipeline.await_applied()


def test_f19_a_full_disk_is_a_503_until_there_is_room(
    pipeline: Pipeline, start_receiver: StartReceiver
) -> None:
    receiver = start_receiver(pipeline.proxy.url, ACK_DURABILITY="redis")
    pipeline.redis.config_set("appendfsync", "everysec")
    fill_disk(pipeline)
    replies = storm(receiver, new_events(100), clients=10)
    ready = receiver.get("/readyz")
    limit_files(pipeline, "unlimited")
    assert replies[-1].answer is not None
    assert_unavailable(replies[-1].answer)
    assert ready.status == 503
    wait_until(lambda: receiver.get("/readyz").status == 200, what="the receiver to be ready")
    pipeline.accepted |= accepted_ids([*replies, *storm(receiver, new_events(20), clients=10)])
    pipeline.await_applied()
    pipeline.redis.config_set("appendfsync", "always")


def test_f19_where_every_write_is_synced_a_full_disk_ends_redis_and_loses_nothing(pipeline: Pipeline) -> None:
    fill_disk(pipeline)
    replies = pipeline.send(new_events(100))
    assert replies[-1].answer is not None
    assert_unavailable(replies[-1].answer)
    wait_until(lambda: pipeline.valkey.process.exit_code() is not None, what="Redis to end")
    pipeline.valkey.start()
    pipeline.await_ready()
    pipeline.send(new_events(20))
    pipeline.await_applied()
