"""Putting dead letters back: taken from where they are kept, put into the mailboxes, given back where that fails.

A redelivery is a put like any other, in its place in the customer's order; nothing is forced. Does not know
where letters are kept.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from cogento.events.envelope import ANY_TIME, parse_envelope
from cogento.events.errors import RejectedError
from cogento.events.outcomes import Source
from cogento.queue.claims import PutResult

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from cogento.events.envelope import Envelope
    from cogento.events.names import EventId
    from cogento.queue.mailboxes import Mailboxes


class Redelivery(StrEnum):
    """What became of one letter that was to be put back."""

    PUT_BACK = "put_back"
    WAITS_ALREADY = "waits_already"  # Stripe sent the event again: that copy decides
    NOT_OPEN = "not_open"  # somebody else took it, it is closed, or its bytes were erased
    FULL = "full"  # a cap of the mailboxes is reached
    UNREADABLE = "unreadable"  # the bytes are no event, or another event than the letter names


TAKEN_ALONG = frozenset({Redelivery.PUT_BACK, Redelivery.WAITS_ALREADY})
"""The results after which a letter stays on its way; after the others it is open again."""

_OF_PUT = {
    PutResult.QUEUED: Redelivery.PUT_BACK,
    PutResult.DUPLICATE: Redelivery.WAITS_ALREADY,
    PutResult.DUPLICATE_DIFFERS: Redelivery.WAITS_ALREADY,
    PutResult.FULL: Redelivery.FULL,
}


class TakenLetter(Protocol):
    """A letter that is the caller's to put back, and nobody else's."""

    @property
    def id(self) -> int:
        """Its number."""

    @property
    def event_id(self) -> EventId:
        """The event that it is kept under."""

    @property
    def body(self) -> bytes:
        """The exact bytes."""


class LetterSource(Protocol):
    """Where letters are taken from, in somebody's name and for a reason."""

    async def take(self, letter_ids: Collection[int]) -> Sequence[TakenLetter]:
        """Take those that are open, oldest event first."""

    async def give_back(self, letter_ids: Collection[int]) -> None:
        """Open letters again that could not be put back."""


async def redeliver(
    letter_ids: Collection[int], letters: LetterSource, mailboxes: Mailboxes
) -> dict[int, Redelivery]:
    """Put letters back into their customers' mailboxes, and say of each what became of it.

    Whatever is raised meanwhile, letters that were taken are given back; if a put has happened all the same, the event's outcome
    closes the open letter. Letters that a process had taken when it died are found and opened by a worker (worker/auto_retry.py).
    """
    taken = await letters.take(letter_ids)
    try:
        results = await _put(taken, mailboxes)
    except BaseException:
        await letters.give_back([letter.id for letter in taken])
        raise
    left = [id_ for id_, result in results.items() if result not in TAKEN_ALONG]
    if left:
        await letters.give_back(left)
    return dict.fromkeys(letter_ids, Redelivery.NOT_OPEN) | results


async def _put(taken: Sequence[TakenLetter], mailboxes: Mailboxes) -> dict[int, Redelivery]:
    opened = [(letter.id, envelope) for letter in taken if (envelope := _open(letter))]
    # No wake-up is sent for what is put: an idle worker polls by itself.
    results = dict.fromkeys((letter.id for letter in taken), Redelivery.UNREADABLE)
    if opened:
        puts = await mailboxes.put([envelope for _, envelope in opened], source=Source.RETRY)
        results |= {id_: _OF_PUT[put.result] for (id_, _), put in zip(opened, puts, strict=True)}
    return results


def _open(letter: TakenLetter) -> Envelope | None:
    """Read the envelope again from the bytes, so that a letter from a wrong mailbox goes into the right one."""
    try:
        envelope = parse_envelope(letter.body, now=ANY_TIME)
    except RejectedError:
        return None
    return envelope if envelope.event_id == letter.event_id else None
