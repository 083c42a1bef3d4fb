"""Whose events are ours: one rule for every way by which an event comes in.

An event belongs to the account that it names. One that names none belongs to where it comes from: to the account
that owns the endpoint, which no webhook names, or to the account that Stripe was asked for. Knows no setting by
itself.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from cogento.events.envelope import Envelope

_PLACEHOLDER = "evt_00000000000000"


class Fenced(StrEnum):
    """Why an event stays outside."""

    OTHER_MODE = "other_mode"
    OTHER_ACCOUNT = "other_account"
    NO_ACCOUNT = "no_account"  # one account's events are wanted, and this one names none


class Fence(msgspec.Struct, frozen=True):
    """The mode and the account whose events are ours; `account` None: those that name none."""

    livemode: bool
    account: str | None

    def why_not(self, envelope: Envelope) -> Fenced | None:
        """Say why an event that an endpoint was sent stays outside; None when it does not.

        Which account owns the endpoint nobody tells, and a restricted key may not ask (dj-stripe/dj-stripe #1131). So
        an account's own events, which name none, are taken where no account is set, and not otherwise.
        """
        if envelope.livemode is not self.livemode:
            return Fenced.OTHER_MODE
        if envelope.account == self.account:
            return None
        return Fenced.OTHER_ACCOUNT if envelope.account else Fenced.NO_ACCOUNT

    def why_not_asked(self, envelope: Envelope) -> Fenced | None:
        """Say the same of an event that Stripe was asked for, on behalf of our account and with a key of our mode.

        What it does not say is as it was asked for.
        """
        if envelope.livemode is not None and envelope.livemode is not self.livemode:
            return Fenced.OTHER_MODE
        return Fenced.OTHER_ACCOUNT if envelope.account not in {None, self.account} else None


def is_placeholder(envelope: Envelope) -> bool:
    """Tell whether an event is none that happened, but a test webhook of Stripe's dashboard: `evt_00000000000000`.

    All of those share that id, so nothing can be kept under it (cloudcreativity/laravel-stripe #2, dj-stripe/dj-stripe
    #392). The ids of the objects that an event shows do not make it one: what has an id of its own is kept.
    """
    return envelope.event_id == _PLACEHOLDER
