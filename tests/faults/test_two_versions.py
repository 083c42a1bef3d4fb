"""Two releases at work on the same mailboxes and tables, as in every deployment."""

from __future__ import annotations

import math
import shutil
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from cogento import RELEASE, VERSION
from cogento.events.names import CustomerId
from cogento.ordering import evidence
from cogento.queue import codec
from cogento.retries import POLICIES
from tests.support.builders import customer, event_body
from tests.support.postgres_mail import await_quiet
from tests.support.running_worker import ROOT, RunningWorker
from tests.support.servers import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.support.checker import Checker
    from tests.support.looped import LoopedMailboxes
    from tests.support.post import Post

    StartWorker = Callable[..., RunningWorker]

NEXT = "99.0.0"
CUSTOMER = CustomerId("cus_1")
PUT = """
import asyncio, sys, time
from cogento.events.envelope import parse_envelope
from cogento.queue.durability import AckDurability
from cogento.queue.errors import MailboxUnavailable
from cogento.queue.mailboxes import Mailboxes
async def put(envelope):
    mailboxes = Mailboxes.connect(sys.argv[1], ack=AckDurability.REDIS)
    try:
        for _ in range(5):  # a disk that others share stalls for a moment
            try:
                sys.exit(not await mailboxes.put([envelope]))
            except MailboxUnavailable as error:
                print(error, file=sys.stderr)
    finally:
        await mailboxes.close()
    sys.exit("the event could not be put")
asyncio.run(put(parse_envelope(sys.stdin.buffer.read(), now=int(time.time()))))
"""


@pytest.fixture(scope="module")
def next_release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the program with a newer version, which stores events and evidence in newer forms and reads the old."""
    copy = tmp_path_factory.mktemp("next-release")
    for name in ("cogento", "schema", "worker"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    _change(copy / "cogento/__init__.py", f'RELEASE = "{RELEASE}"', f'RELEASE = "{NEXT}"')
    _renew(copy / "cogento/queue/codec.py", f"VERSION = {codec.VERSION}", max(codec.READABLE) + 1)
    _renew(copy / "cogento/ordering/evidence.py", f"FORMAT = {evidence.FORMAT}", max(evidence.READABLE) + 1)
    return copy


@pytest.fixture
def start_worker(redis_url: str, database_url: str, tmp_path: Path) -> Iterator[StartWorker]:
    """Start workers of any release; they end with the test."""
    started: list[RunningWorker] = []

    def start(folder: Path = ROOT) -> RunningWorker:
        log = tmp_path / f"worker-{len(started)}.log"
        worker = RunningWorker(redis_url, database_url, log, folder)
        started.append(worker)
        worker.await_start()
        return worker

    yield start
    for worker in started:
        worker.process.kill()


def put_by(release: Path, redis_url: str, event_id: str, name: str) -> None:
    """Put an event as the receiver of that release does."""
    body = event_body("customer.updated", customer(CUSTOMER, name=name), id_=event_id)
    subprocess.run([sys.executable, "-c", PUT, redis_url], cwd=release, input=body, check=True)


def versions_at_work(mailboxes: LoopedMailboxes) -> set[str]:
    return {seen.version for seen in mailboxes.workers.seen() if seen.is_alive}


def test_f49_what_the_older_release_stored_is_read_by_the_newer_one(
    post: Post, checker: Checker, redis_url: str, next_release: Path, start_worker: StartWorker
) -> None:
    put_by(ROOT, redis_url, "evt_old", "Old")

    start_worker(next_release)

    wait_until(lambda: post.ledger() == {"evt_old": "applied"}, what="the event to be applied", seconds=20)
    await_quiet(post)
    assert checker.judge(accepted=["evt_old"]).problems == ()


def test_f49_what_only_the_newer_release_can_read_waits_for_it(
    post: Post, checker: Checker, redis_url: str, next_release: Path, start_worker: StartWorker
) -> None:
    start_worker()
    put_by(next_release, redis_url, "evt_new", "New")
    wait_until(lambda: post.mailboxes.status().parked == 1, what="the older one to set it aside", seconds=20)
    assert post.ledger() == {}

    start_worker(next_release)
    wait_until(lambda: versions_at_work(post.mailboxes) == {VERSION, NEXT}, what="both at work", seconds=20)

    def is_applied() -> bool:
        post.mailboxes.replay(CUSTOMER)  # what time does as well, every five minutes
        return post.ledger() == {"evt_new": "applied"}

    wait_until(is_applied, what="the newer one to take it", seconds=20)
    await_quiet(post)
    assert checker.judge(accepted=["evt_new"]).problems == ()


def test_f49_what_is_set_aside_holds_up_no_later_event_and_undoes_none(
    post: Post, checker: Checker, redis_url: str, next_release: Path, start_worker: StartWorker
) -> None:
    start_worker()
    put_by(next_release, redis_url, "evt_new", "First")
    wait_until(lambda: post.mailboxes.status().parked == 1, what="the older one to set it aside", seconds=20)
    later = customer(CUSTOMER, name="Second")
    post.put("customer.updated", later, id_="evt_later", created=post.mailboxes.now_ms() // 1000)
    wait_until(lambda: "evt_later" in post.ledger(), what="the later event to be settled", seconds=20)

    start_worker(next_release)
    wait_until(lambda: _taken(post), what="the newer one to take what was set aside", seconds=20)

    assert post.rows("SELECT name FROM users") == [{"name": "Second"}]
    await_quiet(post)
    assert checker.judge(accepted=["evt_new", "evt_later"]).problems == ()


def test_f49_what_the_newer_release_remembers_of_a_row_makes_later_events_wait_for_it(
    post: Post, redis_url: str, next_release: Path, start_worker: StartWorker
) -> None:
    newer = start_worker(next_release)
    put_by(ROOT, redis_url, "evt_first", "First")
    wait_until(
        lambda: post.ledger() == {"evt_first": "applied"}, what="the newer one to make the row", seconds=20
    )
    newer.send(signal.SIGTERM)
    newer.await_death(seconds=30)

    older = start_worker()
    later = customer(CUSTOMER, name="Second")
    post.put("customer.updated", later, id_="evt_later", created=post.mailboxes.now_ms() // 1000)
    put_off = older.await_line("event_postponed")
    wait_until(
        lambda: _puts_off_again(post, older), what="the older one to have tried many times", seconds=60
    )

    assert (put_off["failure"], put_off["attempts"]) == ("other_release", 0)
    assert post.mailboxes.view(CUSTOMER).waiting[0].attempts == 0
    assert post.ledger() == {"evt_first": "applied"}

    start_worker(next_release)
    wait_until(lambda: _is_settled(post, "evt_later"), what="the newer one to take it", seconds=20)

    assert post.ledger() == {"evt_first": "applied", "evt_later": "applied"}
    assert post.rows("SELECT name FROM users") == [{"name": "Second"}]
    assert post.rows("SELECT reason FROM dead_letters") == []


def test_f49_what_the_older_release_remembers_of_a_row_is_read_by_the_newer_one(
    post: Post, redis_url: str, next_release: Path, start_worker: StartWorker
) -> None:
    older = start_worker()
    put_by(ROOT, redis_url, "evt_first", "First")
    wait_until(
        lambda: post.ledger() == {"evt_first": "applied"}, what="the older one to make the row", seconds=20
    )
    older.send(signal.SIGTERM)
    older.await_death(seconds=30)

    start_worker(next_release)
    post.put("customer.updated", customer(CUSTOMER, name="Second"), id_="evt_later")
    wait_until(lambda: "evt_later" in post.ledger(), what="the newer one to take it", seconds=20)

    assert post.ledger() == {"evt_first": "applied", "evt_later": "applied"}


def _puts_off_again(post: Post, worker: RunningWorker) -> bool:
    """More often than any class allows that gives up."""
    post.mailboxes.replay(CUSTOMER)
    most = max(policy.attempts_limit for policy in POLICIES.values() if policy.attempts_limit < math.inf)
    return len(worker.lines("event_postponed")) > most


def _is_settled(post: Post, event_id: str) -> bool:
    post.mailboxes.replay(CUSTOMER)
    return event_id in post.ledger()


def _taken(post: Post) -> bool:
    post.mailboxes.replay(CUSTOMER)
    return post.ledger().get("evt_new") == "stale"


def _renew(path: Path, written: str, following: int) -> None:
    """Let a module write the next form of something and read both."""
    readable = "READABLE = frozenset({"
    _change(path, f"\n{written}\n", f"\n{written.partition(' = ')[0]} = {following}\n")
    _change(path, readable, f"{readable}{following}, ")


def _change(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text, f"{path.name} has no {old!r} any more"
    path.write_text(text.replace(old, new))
