"""The mailboxes on the one server that Sentinel names, before and after another one has taken over."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import redis

from cogento.console.web.sessions import Sessions, connect_sessions
from cogento.queue.claims import PutResult
from cogento.queue.durability import AckDurability
from cogento.queue.errors import MailboxUnavailable
from cogento.queue.keys import wakeups_key
from cogento.queue.wakeup import WorkerWakeup
from tests.support.cluster import ask
from tests.support.looped import LoopedMailboxes
from tests.support.mailbox_builders import all_done, claim, envelope, taken
from tests.support.sentinel import watched

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.cluster import Node
    from tests.support.sentinel import Watched


@pytest.fixture(scope="module")
def whole_system(valkey_server: Node) -> Iterator[Watched]:
    """Asks for the one server, which skips where there is no program for any."""
    assert valkey_server
    with watched() as started:
        yield started


@pytest.fixture
def system(whole_system: Watched) -> Iterator[Watched]:
    """The servers, empty before the test and both there after it."""
    whole_system.await_whole()
    ask(whole_system.master(), "FLUSHALL")
    yield whole_system
    for node in whole_system.nodes:
        node.thaw()
        if node.process.exit_code() is not None:
            node.start()
    whole_system.await_whole()


@pytest.fixture
def mailboxes(system: Watched) -> Iterator[LoopedMailboxes]:
    connected = LoopedMailboxes.connect(system.url, ack=AckDurability.REDIS_REPLICATED)
    yield connected
    connected.close()


def test_what_replicas_have_is_there_after_the_master_was_killed(
    system: Watched, mailboxes: LoopedMailboxes
) -> None:
    mailboxes.check_at_start()
    mailboxes.put([envelope("evt_1", second=1)])
    system.fail_over()
    claimed = claim(mailboxes)
    assert taken(claimed) == {"cus_a": ["evt_1"]}
    assert not mailboxes.settle(claimed, all_done(claimed))


def test_a_master_that_took_over_is_asked_what_it_gives(system: Watched) -> None:
    mailboxes = LoopedMailboxes.connect(system.url, ack=AckDurability.REDIS_FSYNC)
    mailboxes.put([envelope("evt_1")])
    ask(system.replica(), "CONFIG SET", "appendfsync", "no")
    system.fail_over()
    with pytest.raises(MailboxUnavailable, match="ACK_DURABILITY=redis_fsync needs"):
        mailboxes.put([envelope("evt_2")])
    ask(system.master(), "CONFIG SET", "appendfsync", "always")
    # Refused, it may have been stored: who took over in the middle of a put is asked when it has answered.
    assert mailboxes.put([envelope("evt_2")])[0].result in {PutResult.QUEUED, PutResult.DUPLICATE}
    mailboxes.close()


def test_one_sentinel_that_does_not_answer_is_passed_over(system: Watched) -> None:
    mailboxes = LoopedMailboxes.connect(system.url, ack=AckDurability.REDIS_FSYNC)
    system.sentinels[0].freeze()
    try:
        assert mailboxes.put([envelope("evt_1")])[0].result is PutResult.QUEUED
    finally:
        system.sentinels[0].thaw()
        mailboxes.close()


def test_wakeups_go_to_the_master(system: Watched) -> None:
    wakeup = WorkerWakeup(system.url)
    wakeup.send()
    assert (wakeup.sent, wakeup.failures) == (1, 0)
    assert ask(system.master(), "LLEN", wakeups_key()) == 1
    wakeup.close()


def test_logins_of_the_console_are_kept_by_the_master(system: Watched) -> None:
    client = connect_sessions(system.url)
    begun = Sessions(client).begin(name="Ada", credential="operators")
    assert Sessions(client).find(begun.id) == begun
    with redis.Redis.from_url(system.master().url) as there:
        assert list(there.scan_iter("cogento:console:session:*"))
    client.close()
