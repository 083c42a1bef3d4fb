"""What the receiver may rely on in a mailbox: the fake keeps it here, the real one in tests/integration."""

from __future__ import annotations

from typing import TYPE_CHECKING

from events.envelope import open_envelope
from mailboxes.mail import PutResult
from tests.builders import NOW, customer, event_body

if TYPE_CHECKING:
    from events.envelope import Envelope
    from receiver.intake import Mailbox


def envelope(id_: str = "evt_1", *, name: str = "Ada") -> Envelope:
    return open_envelope(event_body("customer.updated", customer(name=name), id_=id_), now=NOW)


class MailboxContract:
    """Subclasses give a fixture `mailbox`, empty at first."""

    def test_a_new_event_is_queued_and_asks_for_a_ring(self, mailbox: Mailbox) -> None:
        put = mailbox.put(envelope())
        assert put.result is PutResult.QUEUED
        assert put.ring

    def test_the_same_event_again_is_a_duplicate(self, mailbox: Mailbox) -> None:
        mailbox.put(envelope())
        assert mailbox.put(envelope()).result is PutResult.DUPLICATE

    def test_the_same_id_with_another_body_is_told_apart(self, mailbox: Mailbox) -> None:
        mailbox.put(envelope(name="Ada"))
        assert mailbox.put(envelope(name="Eve")).result is PutResult.DUPLICATE_DIFFERS

    def test_another_event_of_the_same_customer_is_queued(self, mailbox: Mailbox) -> None:
        mailbox.put(envelope("evt_1"))
        assert mailbox.put(envelope("evt_2")).result is PutResult.QUEUED
