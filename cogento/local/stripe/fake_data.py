"""Made-up identifiers, names, addresses and metadata to fill simulated objects with."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from random import Random

_FIRST = (
    "Ada",
    "Björn",
    "Chloé",
    "Dmitri",
    "Elif",
    "Fatima",
    "Grace",
    "Håkan",
    "Ines",
    "Jun",
    "Łucja",
    "Zoë",
)
_LAST = ("Lovelace", "Ångström", "Müller", "O'Neil", "Nakamura", "Søndergaard", "Öztürk", "García", "Smith")
_CITIES = (
    ("Lund", "SE", "221 00"),
    ("Łódź", "PL", "90-001"),
    ("Porto", "PT", "4000-008"),
    ("Wien", "AT", "1010"),
)
_STREETS = ("Storgatan", "Piotrkowska", "Rua das Flores", "Ringstraße")
_MEMBERSHIPS = ("Adult", "Junior", "Family", "Honorary")
_TIERS = ("Basic", "Premium", "Team")

_LETTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_ACCOUNT_BLOCK = "2fVmBzG7em"
_SKEW_SECONDS = 3


def name(random: Random) -> str:
    """A full name, not always in ASCII."""
    return f"{random.choice(_FIRST)} {random.choice(_LAST)}"


def email(random: Random) -> str:
    """An address that, almost surely, no other customer has."""
    return f"user{random.randrange(10**9)}@example.com"


def phone(random: Random) -> str:
    """A number of a range kept for fiction."""
    return f"+1555{random.randrange(10**7):07d}"


def postal_address(random: Random) -> dict[str, str | None]:
    """A customer's `address`, with the six keys Stripe always gives it."""
    city, country, postal_code = random.choice(_CITIES)
    line1 = f"{random.choice(_STREETS)} {random.randint(1, 99)}"
    return {
        "city": city,
        "country": country,
        "line1": line1,
        "line2": random.choice((None, "c/o Example")),
        "postal_code": postal_code,
        "state": None,
    }


def customer_metadata(random: Random) -> dict[str, str]:
    """What an application notes on a customer."""
    return {"membership_type": random.choice(_MEMBERSHIPS), "member_number": str(random.randrange(10**6))}


def subscription_metadata(random: Random) -> dict[str, str]:
    """What an application notes on a subscription."""
    return {"subscription_type": random.choice(_TIERS), "order": str(random.randrange(10**6))}


def edited(metadata: dict[str, str], random: Random) -> dict[str, str]:
    """The same notes with one key added, changed or, now and then, removed."""
    left = dict(metadata)
    if left and random.random() < 0.3:  # noqa: PLR2004 - a share, said where it is used
        del left[random.choice(sorted(left))]
    left[random.choice(("note", "source", "revision"))] = str(random.randrange(1000))
    return left


def new_id(prefix: str, random: Random) -> str:
    """A customer's, item's or request's id: the prefix and fourteen random characters."""
    return f"{prefix}_{_characters(random, 14)}"


def new_timed_id(prefix: str, random: Random, *, at: int) -> str:
    """An event's or subscription's id: a second (skewed by up to 3), an account block, eight random characters."""
    second, digits = at + random.randint(-_SKEW_SECONDS, _SKEW_SECONDS), ""
    while second:
        second, digit = divmod(second, len(_LETTERS))
        digits = _LETTERS[digit] + digits
    return f"{prefix}_1{digits}{_ACCOUNT_BLOCK}{_characters(random, 8)}"


def _characters(random: Random, count: int) -> str:
    return "".join(random.choices(_LETTERS, k=count))
