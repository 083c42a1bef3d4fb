"""Who holds an e-mail address: Stripe's are nullable and shared, ours are unique and used to sign in.

An address belongs to the oldest live customer that has it in Stripe. Case, surrounding white space and Unicode normal form do
not count: people type all of them and mean one address. Every other customer's row shows a placeholder under a reserved domain,
which can neither receive mail nor be signed in with (RFC 2606). The result depends on the claims alone, not on their order or on
who held an address before.
"""

from __future__ import annotations

import math
import unicodedata
from typing import TYPE_CHECKING

import msgspec

from cogento.events.kinds.customer import MAX_EMAIL_LENGTH
from cogento.events.names import CustomerId

if TYPE_CHECKING:
    from collections.abc import Iterable

STAND_IN = "@placeholder.invalid"
"""What follows the customer's id in a placeholder address."""


class EmailClaim(msgspec.Struct, frozen=True):
    """What decides about a customer's address; `stripe_created_at` is in Unix seconds."""

    customer_id: CustomerId
    stripe_email: str | None
    stripe_created_at: int | None
    deleted: bool


def placeholder(customer_id: CustomerId) -> str:
    """The address that a customer's row shows while it holds none."""
    return f"{customer_id}{STAND_IN}"


def canonical_address(email: str) -> str:
    """Return the canonical form of an address: without surrounding white space, in normal form C, in lower case.

    A letter whose lower case has several characters (`İ`) stays as it is, so that Postgres's `lower` gives the same result.
    Nothing else is folded: `ß` and `ss`, i with and without its dot, full width, zero width, white space inside, a host and its
    `xn--` form are different addresses, and may be different people's.
    """
    if email.isascii():
        return email.strip().lower()
    composed = unicodedata.normalize("NFC", email.strip())
    lowered = (lower if len(lower := one.lower()) == 1 else one for one in composed)
    return unicodedata.normalize("NFC", "".join(lowered))


def claimed_address(claim: EmailClaim) -> str | None:
    """Return the address that a claim is about; None when the customer is deleted, or where the address is a placeholder.

    None as well for an address that normalising has made longer than an address may be: no index could hold it.
    """
    if claim.deleted or not claim.stripe_email:
        return None
    address = canonical_address(claim.stripe_email)
    if not address or len(address) > MAX_EMAIL_LENGTH or address.endswith(STAND_IN):
        return None
    return address


def assign_addresses(claims: Iterable[EmailClaim]) -> dict[CustomerId, str]:
    """Return, for every claimant, the address that its row shows.

    For each address among them, `claims` must hold every customer that has it, each once. Ids are
    compared by code point (`COLLATE "C"` in SQL); a customer of unknown age is the youngest.
    """
    claims = tuple(claims)
    holders: dict[str, CustomerId] = {}
    for claim in sorted(claims, key=_age):
        address = claimed_address(claim)
        if address is not None:
            holders.setdefault(address, claim.customer_id)
    held = {customer_id: address for address, customer_id in holders.items()}
    return {
        claim.customer_id: held.get(claim.customer_id, placeholder(claim.customer_id)) for claim in claims
    }


def _age(claim: EmailClaim) -> tuple[float, str]:
    """Order the oldest first."""
    created = claim.stripe_created_at
    return (math.inf if created is None else created, claim.customer_id)
