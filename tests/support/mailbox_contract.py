"""What the receiver may rely on in a mailbox: the fake is tested with it here, the real one in tests/integration."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from cogento.events.envelope import parse_envelope
from cogento.queue.claims import PutResult
from tests.support.builders import NOW, customer, event_body

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cogento.events.envelope import Envelope
    from cogento.queue.claims import Put
    from cogento.queue.group_commit import GroupCommit


def envelope(id_: str = "evt_1", *, name: str = "Ada") -> Envelope:
    return parse_envelope(event_body("customer.updated", customer(name=name), id_=id_), now=NOW)


def put(runner: asyncio.Runner, mailbox: GroupCommit, *envelopes: Envelope) -> Put:
    """Put one after the other and return the result of the last."""

    async def put_all() -> Put:
        return [await mailbox.put(one) for one in envelopes][-1]

    return runner.run(put_all())


class MailboxContract:
    """Subclasses give a fixture `mailbox`, empty at first; it is used in the loop of `runner`."""

    @pytest.fixture
    def runner(self) -> Iterator[asyncio.Runner]:
        with asyncio.Runner() as runner:
            yield runner

    def test_a_new_event_is_queued_and_asks_for_a_wakeup(
        self, runner: asyncio.Runner, mailbox: GroupCommit
    ) -> None:
        first = put(runner, mailbox, envelope())
        assert first.result is PutResult.QUEUED
        assert first.needs_wakeup

    def test_the_same_event_again_is_a_duplicate(self, runner: asyncio.Runner, mailbox: GroupCommit) -> None:
        assert put(runner, mailbox, envelope(), envelope()).result is PutResult.DUPLICATE

    def test_the_same_id_with_another_body_is_told_apart(
        self, runner: asyncio.Runner, mailbox: GroupCommit
    ) -> None:
        second = put(runner, mailbox, envelope(name="Ada"), envelope(name="Eve"))
        assert second.result is PutResult.DUPLICATE_DIFFERS

    def test_another_event_of_the_same_customer_is_queued(
        self, runner: asyncio.Runner, mailbox: GroupCommit
    ) -> None:
        assert put(runner, mailbox, envelope("evt_1"), envelope("evt_2")).result is PutResult.QUEUED
