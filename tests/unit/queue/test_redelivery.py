"""Putting letters back: each in its place, those that cannot be put are opened again, and none stays in between."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from cogento import runtime
from cogento.events.names import CustomerId, EventId
from cogento.events.outcomes import Source
from cogento.queue import redelivery
from cogento.queue.claims import Limits, Put, PutResult
from cogento.queue.errors import MailboxUnavailable
from cogento.queue.mailboxes import Mailboxes
from cogento.queue.redelivery import Redelivery
from tests.support.builders import NOW, customer, event_body
from tests.support.looped import LoopedMailboxes
from tests.support.mailbox_builders import ManualClock, claim

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    import fakeredis

    from cogento.events.envelope import Envelope

CUSTOMER = CustomerId("cus_1")


@dataclass(frozen=True)
class Kept:
    """A letter as it is taken."""

    id: int
    event_id: EventId
    body: bytes


@dataclass
class Drawer:
    """Letters in memory: those that are open are taken once."""

    kept: dict[int, Kept]
    given_back: list[int] = field(default_factory=list)

    async def take(self, letter_ids: Collection[int]) -> list[Kept]:
        return [self.kept.pop(id_) for id_ in letter_ids if id_ in self.kept]

    async def give_back(self, letter_ids: Collection[int]) -> None:
        self.given_back += letter_ids


class Away(Mailboxes):
    """Mailboxes whose Redis does not answer."""

    def __init__(self) -> None:
        pass

    async def put(self, envelopes: Sequence[Envelope], *, source: Source = Source.WEBHOOK) -> list[Put]:  # noqa: ARG002
        raise MailboxUnavailable("Redis: TimeoutError")


def kept(number: int, *, created: int = NOW, body: bytes | None = None) -> Kept:
    whole = body or event_body("customer.updated", customer(), id_=f"evt_{number}", created=created)
    return Kept(number, EventId(f"evt_{number}"), whole)


def drawer(*letters: Kept) -> Drawer:
    return Drawer({letter.id: letter for letter in letters})


def redeliver(ids: list[int], letters: Drawer, mailboxes: LoopedMailboxes) -> dict[int, Redelivery]:
    return runtime.run(redelivery.redeliver(ids, letters, mailboxes.looped))


def test_letters_go_to_their_places_in_the_customers_order(mailboxes: LoopedMailboxes) -> None:
    letters = drawer(kept(1, created=NOW), kept(2, created=NOW + 60))
    assert redeliver([2], letters, mailboxes) == {2: Redelivery.PUT_BACK}
    assert redeliver([1], letters, mailboxes) == {1: Redelivery.PUT_BACK}
    (batch,) = claim(mailboxes).batches
    assert [(one.event_id, one.source) for one in batch.events] == [
        ("evt_1", Source.RETRY),
        ("evt_2", Source.RETRY),
    ]


def test_a_letter_that_somebody_else_took_is_left_alone(mailboxes: LoopedMailboxes) -> None:
    letters = drawer(kept(1))
    redeliver([1], letters, mailboxes)
    assert redeliver([1], letters, mailboxes) == {1: Redelivery.NOT_OPEN}
    assert mailboxes.status().waiting == 1


def test_an_event_that_waits_already_is_not_put_twice(mailboxes: LoopedMailboxes) -> None:
    redeliver([1], drawer(kept(1)), mailboxes)
    letters = drawer(kept(1))
    assert redeliver([1], letters, mailboxes) == {1: Redelivery.WAITS_ALREADY}
    assert letters.given_back == []
    assert mailboxes.status().waiting == 1


def test_what_finds_no_room_is_given_back(client: fakeredis.FakeRedis) -> None:
    small = LoopedMailboxes.on(client, clock=ManualClock(), limits=Limits(customer_events=1))
    letters = drawer(kept(1), kept(2))
    assert redeliver([1, 2], letters, small) == {1: Redelivery.PUT_BACK, 2: Redelivery.FULL}
    assert letters.given_back == [2]


@pytest.mark.parametrize("body", [b"\x01scribble", event_body("customer.updated", customer(), id_="evt_9")])
def test_bytes_that_are_not_the_letters_event_are_given_back(mailboxes: LoopedMailboxes, body: bytes) -> None:
    letters = drawer(kept(1, body=body))
    assert redeliver([1], letters, mailboxes) == {1: Redelivery.UNREADABLE}
    assert letters.given_back == [1]
    assert mailboxes.status().waiting == 0


def test_a_letter_that_lay_in_a_wrong_mailbox_goes_to_the_one_its_bytes_name(
    mailboxes: LoopedMailboxes,
) -> None:
    stray = kept(1, body=event_body("customer.updated", customer("cus_mine"), id_="evt_1"))
    redeliver([1], drawer(stray), mailboxes)
    assert mailboxes.view(CustomerId("cus_mine")).waiting_total == 1


def test_what_was_taken_is_given_back_when_redis_does_not_answer() -> None:
    letters = drawer(kept(1), kept(2))
    with pytest.raises(MailboxUnavailable):
        runtime.run(redelivery.redeliver([1, 2], letters, Away()))
    assert letters.given_back == [1, 2]


def test_every_result_of_a_put_has_its_meaning_here() -> None:
    assert set(redelivery._OF_PUT) == set(PutResult)
