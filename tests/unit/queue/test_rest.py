"""A master that did not answer is left alone for a moment, and then tried by one call for all."""

from __future__ import annotations

import pytest
from redis.exceptions import ClusterDownError, ResponseError
from redis.exceptions import ConnectionError as RedisConnectionError

from cogento.queue.errors import JunkFound, MailboxRefused, MailboxUnavailable
from cogento.queue.redis_server import Rest


class Watched:
    """A Rest whose clock a test moves; it counts how often the cluster's map was doubted."""

    def __init__(self) -> None:
        self.now = 100.0
        self.doubts = 0
        self.rest = Rest(seconds=1, longest_try_seconds=4, on_failure=self.doubt, clock=lambda: self.now)

    def doubt(self) -> None:
        self.doubts += 1

    def fail(self, cause: Exception | None) -> None:
        error = MailboxUnavailable("away")
        error.__cause__ = cause
        self.rest.failed(error)

    def is_resting(self) -> bool:
        try:
            self.rest.begin("one:6379")
        except MailboxUnavailable:
            return True
        return False


@pytest.fixture
def watched() -> Watched:
    return Watched()


@pytest.mark.parametrize(
    "cause", [RedisConnectionError("refused"), TimeoutError(), OSError("reset")], ids=repr
)
def test_after_no_answer_calls_fail_at_once_for_a_second(watched: Watched, cause: Exception) -> None:
    watched.fail(cause)
    assert watched.is_resting()
    assert watched.doubts == 1
    watched.now += 1
    assert not watched.is_resting()


def test_then_one_call_tries_for_all_until_it_is_known_how_it_went(watched: Watched) -> None:
    watched.fail(RedisConnectionError("refused"))
    watched.now += 1
    assert [watched.is_resting() for _ in range(3)] == [False, True, True]
    watched.rest.end()
    assert not watched.is_resting()


def test_a_try_whose_end_nobody_tells_does_not_hold_up_others_for_ever(watched: Watched) -> None:
    watched.fail(RedisConnectionError("refused"))
    watched.now += 1
    assert not watched.is_resting()
    watched.now += 4
    assert not watched.is_resting()


@pytest.mark.parametrize("cause", [ResponseError("OOM"), MailboxRefused("gives too little"), None], ids=repr)
def test_what_the_server_itself_said_is_no_reason(watched: Watched, cause: Exception | None) -> None:
    watched.fail(cause)
    watched.rest.failed(JunkFound("WRONGTYPE"))
    assert not watched.is_resting()


def test_a_server_that_says_that_it_gives_too_little_has_answered_and_may_be_no_master_any_more(
    watched: Watched,
) -> None:
    watched.fail(RedisConnectionError("refused"))
    watched.now += 1
    assert not watched.is_resting()
    watched.fail(None)
    assert not watched.is_resting()
    assert watched.doubts == 2


def test_a_cluster_that_is_down_makes_its_map_doubtful_and_nobody_rest(watched: Watched) -> None:
    watched.fail(ClusterDownError("CLUSTERDOWN"))
    assert watched.doubts == 1
    assert not watched.is_resting()
