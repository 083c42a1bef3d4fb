"""Rows that an older release wrote, before this one or beside it, brought to this one's rules.

A page at a time, and by the same rules as every batch; doing it twice is harmless. Knows nothing of when it is done.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from cogento.events.addresses import EmailClaim, claimed_address, placeholder
from cogento.events.names import CustomerId
from cogento.store import holders
from schema.queries import query

if TYPE_CHECKING:
    from cogento.store.database import Database
    from cogento.store.holders import AddressTakenError

PAGE = 1000

_OUTLIVING = query("mending_outliving")
_CLAIMS = query("mending_claims")


async def doubt_what_outlives(database: Database) -> None:
    """Mark subscriptions as unsure that have not ended though their customers are deleted."""
    await database.write(_OUTLIVING)


async def mend_addresses(database: Database) -> list[AddressTakenError]:
    """Let every row claim its address in the canonical form, and the oldest show it; returns what stands in the way."""
    taken: list[AddressTakenError] = []
    after = ""
    while rows := await database.fetch(_CLAIMS, after, PAGE):
        after = rows[-1]["stripe_customer_id"]
        off = [claim for row in rows if _is_off(row, claim := _claim(row))]
        if off:
            customers = [claim.customer_id for claim in off]
            addresses = [address for claim in off if (address := claimed_address(claim))]
            taken += await database.transaction(
                partial(holders.mend, customers=customers, addresses=addresses)
            )
    return taken


def _claim(row: Any) -> EmailClaim:
    return EmailClaim(
        customer_id=CustomerId(row["stripe_customer_id"]),
        stripe_email=row["stripe_email"],
        stripe_created_at=None,
        deleted=row["deleted"],
    )


def _is_off(row: Any, claim: EmailClaim) -> bool:
    """Whether a row shows an address that it cannot come to show, or says another than it claims."""
    address = claimed_address(claim)
    return row["claimed_email"] != address or row["email"] not in {address, placeholder(claim.customer_id)}
