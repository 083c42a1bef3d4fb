"""Objects fetched from Stripe, in the form of events.

So they are queued with their customer's events, applied in turn with them, and recorded in the ledger. R10 in
cogento/ordering/order.py decides their order.
"""

from __future__ import annotations

import hashlib

import msgspec

from cogento.events.errors import PermanentError
from cogento.events.kinds import KINDS_BY_NAME
from cogento.events.letters import LetterReason


class _FetchedObject(msgspec.Struct):
    id: str
    object: str
    livemode: bool | None = None


class _FetchedData(msgspec.Struct):
    object: msgspec.Raw


class _FetchedEvent(msgspec.Struct):
    """The event, in Stripe's own field names; `data.object` holds exactly the bytes that Stripe sent."""

    id: str
    api_version: str
    created: int
    data: _FetchedData
    livemode: bool | None
    type: str
    object: str = "event"


def fetched_event_body(sent: bytes, *, fetched_at: int, api_version: str) -> bytes:
    """Make the body of an event from an object as Stripe sent it.

    `fetched_at` is the second by Stripe's clock; a customer may be the stub of a deleted one. The id is derived from object,
    second and content, so that an answer put twice counts once.

    Raises PermanentError(reason="malformed") for anything else.
    """
    try:
        asked = _read(sent)
    except msgspec.DecodeError as error:
        raise PermanentError(LetterReason.MALFORMED, "Stripe's answer is not an object") from error
    kind = KINDS_BY_NAME.get(asked.object)
    if kind is None:
        raise PermanentError(LetterReason.MALFORMED, "Stripe's answer is an object that has no table")
    digest = hashlib.blake2b(b"%d " % fetched_at + sent, digest_size=12)
    answer = _FetchedEvent(
        id=f"evt_fetched_{digest.hexdigest()}",
        api_version=api_version,
        created=fetched_at,
        data=_FetchedData(msgspec.Raw(sent)),
        livemode=asked.livemode,
        type=kind.fetched,
    )
    return _write(answer)


_read = msgspec.json.Decoder(_FetchedObject).decode
_write = msgspec.json.Encoder().encode
