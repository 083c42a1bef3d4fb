"""Causes of dead letters, one for each reason, each with a way to fix it. Each makes a dead letter of evt_1, an event of cus_1."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from msgspec import structs

from cogento.events.envelope import parse_envelope
from cogento.events.event import read_event
from cogento.events.letters import LetterReason
from cogento.events.names import CustomerId
from cogento.queue.mailboxes import Mailboxes
from cogento.queue.redis_server import RedisServer
from cogento.retries import POLICIES, FailureClass
from tests.support.builders import NOW, customer, event_body, subscription
from tests.support.looped import LoopedMailboxes
from tests.support.mailbox_builders import ManualClock, claim
from worker import decode

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

    from tests.support.post import Post

CUSTOMER = CustomerId("cus_1")
DAY_MS = 86_400_000
FAIL = """
    CREATE FUNCTION fail() RETURNS TRIGGER LANGUAGE plpgsql AS
    $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '{}'; END $$
"""


@dataclass(frozen=True)
class LetterCauses:
    """A worker harness whose clock can be moved, and whose worker can be one of a later release."""

    post: Post
    clock: ManualClock
    patch: pytest.MonkeyPatch

    @classmethod
    def make(cls, post: Post, redis_url: str, patch: pytest.MonkeyPatch) -> LetterCauses:
        """Make the harness's mailboxes use a clock that the test moves."""
        clock = ManualClock(int(time.time() * 1000))
        moved = LoopedMailboxes(Mailboxes(RedisServer.connect(redis_url, timeout_seconds=5), clock=clock))
        return cls(replace(post, mailboxes=moved), clock, patch)

    def sql(self, statement: str) -> None:
        """Change the tables."""
        self.post.rows(statement)

    def kill(self, reason: LetterReason) -> None:
        """Make evt_1 a dead letter for this reason."""
        _KILL[reason](self)

    def fix(self, reason: LetterReason) -> None:
        """Remove the cause."""
        _FIX.get(reason, _leave)(self)


def _put(body: bytes) -> Callable[[LetterCauses], None]:
    """Put bytes that no release so far can read."""

    def kill(causes: LetterCauses) -> None:
        causes.post.mailboxes.put([parse_envelope(body, now=NOW)])
        causes.post.drain()

    return kill


def _learn_to_read(written: bytes, meant: bytes) -> Callable[[LetterCauses], None]:
    """Make the worker one of a release that reads the bytes `written` as `meant`."""

    def fix(causes: LetterCauses) -> None:
        causes.patch.setattr(
            decode, "read_stored_event", lambda body: read_event(body.replace(written, meant))
        )

    return fix


def _take(causes: LetterCauses) -> None:
    causes.post.put("customer.updated", customer(), id_="evt_1")
    causes.post.drain()


def _misroute(causes: LetterCauses) -> None:
    envelope = parse_envelope(event_body("customer.updated", customer(), id_="evt_1"), now=NOW)
    causes.post.mailboxes.put([structs.replace(envelope, customer_id=CustomerId("cus_other"))])
    causes.post.drain()


def _wait_too_long(causes: LetterCauses) -> None:
    causes.post.put("customer.subscription.updated", subscription(), id_="evt_1")
    causes.clock.ms += 4 * DAY_MS
    causes.post.drain()


def _arrive(causes: LetterCauses) -> None:
    causes.post.put("customer.created", customer(), id_="evt_0", created=NOW - 60)
    causes.post.drain()


def _crash(causes: LetterCauses) -> None:
    causes.post.put("customer.updated", customer(), id_="evt_1")
    for _ in range(int(POLICIES[FailureClass.CRASHED_WORKER].attempts_limit)):
        claim(causes.post.mailboxes)
        causes.clock.ms += DAY_MS
    causes.post.drain()


def _refuse(causes: LetterCauses) -> None:
    causes.sql("ALTER TABLE users ADD CONSTRAINT users_refused CHECK (name <> 'Ada Example')")
    _take(causes)


def _allow(causes: LetterCauses) -> None:
    causes.sql("ALTER TABLE users DROP CONSTRAINT users_refused")


def _occupy(causes: LetterCauses) -> None:
    causes.sql("INSERT INTO users (email, stripe_customer_id) VALUES ('cus_1@example.com', 'by hand')")
    _take(causes)


def _vacate(causes: LetterCauses) -> None:
    causes.sql("DELETE FROM users WHERE stripe_customer_id = 'by hand'")


def _fail(code: str, *, tries: int) -> Callable[[LetterCauses], None]:
    """Have the event fail until it is given up."""

    def kill(causes: LetterCauses) -> None:
        causes.sql(FAIL.format(code))
        causes.sql("CREATE TRIGGER failing BEFORE INSERT ON users EXECUTE FUNCTION fail()")
        _take(causes)
        for _ in range(tries - 1):
            causes.clock.ms += DAY_MS // 4
            causes.post.drain()

    return kill


def _work(causes: LetterCauses) -> None:
    causes.sql("DROP TRIGGER failing ON users")


def _leave(_ward: LetterCauses) -> None:
    """Do nothing: the cause was outside of the tables."""


_KILL: dict[LetterReason, Callable[[LetterCauses], None]] = {
    LetterReason.MALFORMED: _put(event_body("customer.updated", customer(phone=4711), id_="evt_1")),
    LetterReason.UNKNOWN_TYPE: _put(event_body("customer.renamed", customer(), id_="evt_1")),
    LetterReason.MISROUTED: _misroute,
    LetterReason.CUSTOMER_MISSING: _wait_too_long,
    LetterReason.CRASHED_WORKER: _crash,
    LetterReason.IMPOSSIBLE_VALUE: _refuse,
    LetterReason.ADDRESS_TAKEN: _occupy,
    LetterReason.GAVE_UP: _fail("57014", tries=int(POLICIES[FailureClass.TRANSIENT].attempts_limit)),
    LetterReason.BUG: _fail("P0001", tries=int(POLICIES[FailureClass.BUG].attempts_limit)),
}
_FIX: dict[LetterReason, Callable[[LetterCauses], None]] = {
    LetterReason.MALFORMED: _learn_to_read(b"4711", b'"4711"'),
    LetterReason.UNKNOWN_TYPE: _learn_to_read(b"customer.renamed", b"customer.updated"),
    LetterReason.CUSTOMER_MISSING: _arrive,
    LetterReason.IMPOSSIBLE_VALUE: _allow,
    LetterReason.ADDRESS_TAKEN: _vacate,
    LetterReason.GAVE_UP: _work,
    LetterReason.BUG: _work,
}
