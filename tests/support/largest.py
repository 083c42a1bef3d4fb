"""The longest event that Stripe can send of the objects copied here: Stripe's limits, in the shape that repeats values most.

`python -m tests.support.largest` prints how long it is by how a character is written.

- A subscription has at most 20 items (docs.stripe.com/billing/subscriptions/multiple-products).
- A set of metadata has at most 50 keys of 40 characters with values of 500 (docs.stripe.com/metadata). The
  subscription has one, and each item three: its own, its price's, and the price's again where it is shown as a plan.
- `previous_attributes` repeats what changed, which may be all of it.
- JSON may write a character as `\\uXXXX`, one beyond the basic plane as two of them.
"""

from __future__ import annotations

import json
import random
from enum import Enum
from typing import Any

from tests.support.builders import Json, event, item, subscription

ITEMS = 20
KEYS = 50
KEY_LENGTH = 40
VALUE_LENGTH = 500


class Writing(Enum):
    """How a character may be written: first and last of an alphabet, and whether it is escaped."""

    ASCII = (0x41, 0x5A, False)
    UTF8 = (0x1F300, 0x1F5FF, False)
    ESCAPED = (0x4E00, 0x9FFF, True)
    ESCAPED_PAIRS = (0x1F300, 0x1F5FF, True)


def largest_event(id_: str, writing: Writing, *, customer: str = "cus_1", seed: int = 1) -> bytes:
    """Return the body of a `customer.subscription.updated` in which everything is as long as it may be, and changed."""
    dice = random.Random(seed)
    before, after = (_subscription(dice, writing, customer) for _ in range(2))
    changed = event(
        "customer.subscription.updated",
        after,
        id_=id_,
        before=before,
    )
    return json.dumps(changed, indent=2, ensure_ascii=writing.value[2]).encode()


def _subscription(dice: random.Random, writing: Writing, customer: str) -> Json:
    items = [_item(dice, writing, number) for number in range(ITEMS)]
    return subscription(customer=customer, items=items, metadata=_metadata(dice, writing))


def _item(dice: random.Random, writing: Writing, number: int) -> Json:
    one: Any = item(f"si_{number}", price=f"price_{number}", metadata=_metadata(dice, writing))
    of_price = _metadata(dice, writing)
    return {
        **one,
        "plan": {**one["plan"], "metadata": of_price},
        "price": {**one["price"], "metadata": of_price},
    }


def _metadata(dice: random.Random, writing: Writing) -> dict[str, str]:
    return {_text(dice, writing, KEY_LENGTH): _text(dice, writing, VALUE_LENGTH) for _ in range(KEYS)}


def _text(dice: random.Random, writing: Writing, length: int) -> str:
    first, last, _ = writing.value
    return "".join(map(chr, dice.choices(range(first, last + 1), k=length)))


if __name__ == "__main__":
    for each in Writing:
        print(f"{each.name:14}{len(largest_event('evt_1', each)):>12,} bytes")
