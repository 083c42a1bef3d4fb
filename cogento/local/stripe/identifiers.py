"""Identifiers that look like Stripe's: random, so that nothing can be read from their order.

Knows no clock: the second in an event id is passed in, and is off by a few seconds, as recorded ones are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from random import Random

_LETTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_ACCOUNT_BLOCK = "2fVmBzG7em"
_SKEW_SECONDS = 3


def new_id(prefix: str, random: Random) -> str:
    """A customer's, item's or request's id: the prefix and fourteen random characters."""
    return f"{prefix}_{_characters(random, 14)}"


def new_timed_id(prefix: str, random: Random, *, at: int) -> str:
    """An event's or subscription's id: a second (skewed by up to 3), an account block, eight random characters."""
    second = at + random.randint(-_SKEW_SECONDS, _SKEW_SECONDS)
    return f"{prefix}_1{_base62(second)}{_ACCOUNT_BLOCK}{_characters(random, 8)}"


def _characters(random: Random, count: int) -> str:
    return "".join(random.choices(_LETTERS, k=count))


def _base62(number: int) -> str:
    digits = ""
    while number:
        number, digit = divmod(number, 62)
        digits = _LETTERS[digit] + digits
    return digits
