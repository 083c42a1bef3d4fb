"""Which events are ours: one rule for every way by which an event comes in.

An event belongs to the account that it names. One that names none belongs to the account that owns the webhook endpoint, which
no webhook names, or to the account that Stripe was asked for. Reads no settings itself.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from cogento.events.envelope import Envelope

_PLACEHOLDER = "evt_00000000000000"


class Fenced(StrEnum):
    """Why an event is kept out."""

    OTHER_MODE = "other_mode"
    OTHER_ACCOUNT = "other_account"
    NO_ACCOUNT = "no_account"  # STRIPE_ACCOUNT is set, and this event names no account


class Fence(msgspec.Struct, frozen=True):
    """The mode and the account whose events are ours; `account` None: events that name no account."""

    livemode: bool
    account: str | None

    def why_not(self, envelope: Envelope) -> Fenced | None:
        """Say why an event that came to an endpoint is kept out; None when it is let in.

        No webhook names the account that owns the endpoint, and a restricted key may not ask (dj-stripe/dj-stripe #1131). So an
        account's own events, which name no account, are let in only where no account is set.
        """
        if envelope.livemode is not self.livemode:
            return Fenced.OTHER_MODE
        if envelope.account == self.account:
            return None
        return Fenced.OTHER_ACCOUNT if envelope.account else Fenced.NO_ACCOUNT

    def why_not_asked(self, envelope: Envelope) -> Fenced | None:
        """Say the same of an event that Stripe was asked for, for our account and with a key of our mode.

        Where it names no account or mode, those of the request count.
        """
        if envelope.livemode is not None and envelope.livemode is not self.livemode:
            return Fenced.OTHER_MODE
        return Fenced.OTHER_ACCOUNT if envelope.account not in {None, self.account} else None


def is_placeholder(envelope: Envelope) -> bool:
    """Tell whether an event never happened, but is a test webhook of Stripe's dashboard: `evt_00000000000000`.

    All of these share that id, so nothing can be kept under it (cloudcreativity/laravel-stripe #2, dj-stripe/dj-stripe #392).
    The ids of its objects do not matter: an event with an id of its own is kept.
    """
    return envelope.event_id == _PLACEHOLDER
