"""The identifiers that cross package borders, told apart by the type checker and free at run time."""

from __future__ import annotations

from typing import NewType

EventId = NewType("EventId", str)
"""Stripe's event id, `evt_…`: says which event, never which is later."""

CustomerId = NewType("CustomerId", str)
"""Stripe's customer id, `cus_…`; also the name of the customer's mailbox."""

ObjectId = NewType("ObjectId", str)
"""The Stripe object an event is about: a customer's or a subscription's id."""

LeaseToken = NewType("LeaseToken", str)
"""Proof of a claim: only its holder may renew, settle, postpone or bury."""
