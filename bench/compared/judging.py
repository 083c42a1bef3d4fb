"""What rows show of customers and subscriptions, in one form for everything that is compared, and which rows are wrong.

Stripe moved a subscription's period to its items in 2025; where an engine's column for it is empty, its items count. An
engine's row is right if a reader who knows all of its tables finds what Stripe has.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg.rows import dict_row

from bench.compared.results import OURS
from cogento.local.stripe import compare

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from cogento.local.stripe.truth import SubscriptionTruth, Truth, UserTruth

Shown = Mapping[str, Any]
"""One object as its row shows it: plain values by name."""
Row = Mapping[str, Any]

DELETED: Shown = {"deleted": True}
CUSTOMER = ("email", "name", "phone", "address", "metadata")
SUBSCRIPTION = (
    *("customer", "status", "metadata", "cancel_at_period_end", "cancel_at"),
    *("canceled_at", "ended_at", "trial_end", "start_date", "collection_method", "pause_collection"),
)
ITEM_ROWS = "rows of items"
OUR_ROWS = tuple(
    Path(compare.__file__).with_name(f"compare_{table}.sql").read_bytes()
    for table in ("users", "subscriptions")
)
THEIR_ROWS = tuple(
    f"SELECT to_jsonb(one) AS row FROM stripe.{table} AS one".encode()
    for table in ("customers", "subscriptions", "subscription_items")
)


@dataclass(frozen=True, slots=True)
class Found:
    """Every object that the tables show, by its id, and which rows are marked unsure."""

    shown: Mapping[str, Shown]
    unsure: frozenset[str] = frozenset()

    def only(self, ids: Collection[str]) -> Found:
        """The same of these objects alone."""
        return Found({one: row for one, row in self.shown.items() if one in ids}, self.unsure)


@dataclass(frozen=True, slots=True)
class Wrong:
    """A row that does not show what Stripe has; `says_so` if it is marked unsure."""

    id: str
    differences: Mapping[str, tuple[Any, Any]]
    says_so: bool

    def __str__(self) -> str:
        told = (
            f"{name} {found!r} instead of {wanted!r}" for name, (wanted, found) in self.differences.items()
        )
        return f"{self.id}: {', '.join(told)}"


def wrong_rows(wanted: Mapping[str, Shown], found: Found) -> list[Wrong]:
    """Compare what Stripe has with what rows show; a missing or surplus row is one wrong row."""
    return [
        Wrong(one, differences, one in found.unsure)
        for one in sorted(wanted.keys() | found.shown.keys())
        if (differences := dict(_differences(wanted.get(one), found.shown.get(one))))
    ]


def _differences(wanted: Shown | None, found: Shown | None) -> Iterator[tuple[str, tuple[Any, Any]]]:
    if wanted is None or found is None:
        yield "row", ("none" if wanted is None else "one", "none" if found is None else "one")
        return
    for name in sorted(wanted.keys() | found.keys()):
        if wanted.get(name) != found.get(name):
            yield name, (wanted.get(name), found.get(name))


def found_in(name: str, database_url: str) -> Found:
    """Read the tables of one of the three."""
    with psycopg.connect(database_url, autocommit=True, row_factory=dict_row) as connection:
        if name == OURS:
            return found_in_ours(*(connection.execute(query).fetchall() for query in OUR_ROWS))
        tables = (connection.execute(query).fetchall() for query in THEIR_ROWS)
        return found_in_theirs(*([as_stripe_wrote(one["row"]) for one in rows] for rows in tables))


def wanted_of(truth: Truth) -> Mapping[str, Shown]:
    """What Stripe has of every object."""
    return {
        **{one.stripe_customer_id: _customer_of_truth(one) for one in truth.users},
        **{one.stripe_subscription_id: _subscription_of_truth(one) for one in truth.subscriptions},
    }


def _customer_of_truth(truth: UserTruth) -> Shown:
    if truth.deleted:
        return DELETED
    return {"email": truth.stripe_email, **{name: getattr(truth, name) for name in CUSTOMER[1:]}}


def _subscription_of_truth(truth: SubscriptionTruth) -> Shown:
    items = sorted((one["id"], one["price"], one["quantity"]) for one in truth.items)
    return {
        "customer": truth.stripe_customer_id,
        **{name: getattr(truth, name) for name in SUBSCRIPTION[1:]},
        "period": (truth.current_period_start, truth.current_period_end),
        "items": items,
        ITEM_ROWS: items,
    }


def found_in_ours(users: Sequence[Row], subscriptions: Sequence[Row]) -> Found:
    """What our tables show."""
    rows = [*users, *subscriptions]
    shown = {
        **{row["stripe_customer_id"]: _our_customer(row) for row in users},
        **{row["stripe_subscription_id"]: _our_subscription(row) for row in subscriptions},
    }
    unsure = frozenset(
        row.get("stripe_subscription_id") or row["stripe_customer_id"] for row in rows if row["unsure"]
    )
    return Found(shown, unsure)


def _our_customer(row: Row) -> Shown:
    if row["deleted"]:
        return DELETED
    shown = {name: row[name] for name in CUSTOMER[1:]}
    return {**shown, "email": row["stripe_email"], **_parsed(row, ("address", "metadata"))}


def _our_subscription(row: Row) -> Shown:
    parsed = _parsed(row, ("metadata", "items", "pause_collection"))
    items = sorted((one["id"], one["price"], one["quantity"]) for one in parsed.pop("items") or ())
    return {
        **{name: row[name] for name in SUBSCRIPTION[1:]},
        **parsed,
        "customer": row["stripe_customer_id"],
        "period": (row["current_period_start"], row["current_period_end"]),
        "items": items,
        ITEM_ROWS: items,
    }


def _parsed(row: Row, names: Iterable[str]) -> dict[str, Any]:
    return {name: row[name] and json.loads(row[name]) for name in names}


def as_stripe_wrote(row: Row) -> Row:
    """The object of a row: in one column, or a column for each of its values."""
    whole: Row = row.get("_raw_data") or row
    return whole


def found_in_theirs(customers: Iterable[Row], subscriptions: Iterable[Row], items: Iterable[Row]) -> Found:
    """What an engine's tables show: Stripe's objects, and the items of subscriptions once more as rows."""
    live: dict[str, list[tuple[Any, ...]]] = {}
    for one in items:
        if not one.get("deleted"):
            live.setdefault(one["subscription"], []).append((one["id"], one["price"], one["quantity"]))
    return Found(
        {
            **{one["id"]: _their_customer(one) for one in customers},
            **{one["id"]: _their_subscription(one, live.get(one["id"], [])) for one in subscriptions},
        }
    )


def _their_customer(row: Row) -> Shown:
    return DELETED if row.get("deleted") else {name: row.get(name) for name in CUSTOMER}


def _their_subscription(row: Row, live: list[tuple[Any, ...]]) -> Shown:
    items = (row.get("items") or {}).get("data") or []
    return {
        **{name: row.get(name) for name in SUBSCRIPTION},
        "period": (
            row.get("current_period_start") or max(_each(items, "current_period_start"), default=None),
            row.get("current_period_end") or min(_each(items, "current_period_end"), default=None),
        ),
        "items": sorted((one["id"], one["price"]["id"], one["quantity"]) for one in items),
        ITEM_ROWS: sorted(live),
    }


def _each(items: Iterable[Row], name: str) -> list[int]:
    return [one[name] for one in items if one.get(name) is not None]
