"""Do the tables equal Stripe? Every column of every row, in both directions, absent rows too.

`python -m cogento.local.stripe.compare --truth URL_OR_FILE` prints the differences and ends with 1 when a row that does
not call itself unsure differs. Rows that do are counted apart: their events cannot tell, and they say so.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import asyncpg
import click
import msgspec

from cogento.local.stripe.truth import SubscriptionTruth, Truth, UserTruth, read_truth

FETCHED_ID = "evt_fetched_"
_FOLDER = Path(__file__).parent
_SHOWN = 20

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Difference:
    """One column that differs; a missing or surplus row differs in the column `row`."""

    table: str
    stripe_id: str
    column: str
    expected: Any
    found: Any
    unsure: bool


@dataclass(frozen=True, slots=True)
class Comparison:
    """What was compared and what differs; `unsure_rows` call themselves so, whether they differ or not."""

    users: int
    subscriptions: int
    unsure_rows: int
    differences: tuple[Difference, ...]
    unsure_differences: tuple[Difference, ...]

    @property
    def rows(self) -> int:
        """Rows of both tables."""
        return self.users + self.subscriptions

    @property
    def is_equal(self) -> bool:
        """Whether every row that is sure shows the truth."""
        return not self.differences


async def compare(database_url: str, truth: Truth, *, ignored: Collection[str] = ()) -> Comparison:
    """Compare both tables with the truth; `ignored` columns may differ.

    Reads both in one snapshot, so that a running system is caught at one moment.
    """
    users, subscriptions = await _read_tables(database_url)
    found = [
        *_compare_table("users", map(_user_row, truth.users), users),
        *_compare_table("subscriptions", map(_subscription_row, truth.subscriptions), subscriptions),
    ]
    counted = [one for one in found if one.column not in ignored]
    return Comparison(
        users=len(users),
        subscriptions=len(subscriptions),
        unsure_rows=sum(row["unsure"] for row in (*users.values(), *subscriptions.values())),
        differences=tuple(one for one in counted if not one.unsure),
        unsure_differences=tuple(one for one in counted if one.unsure),
    )


async def _read_tables(database_url: str) -> tuple[dict[str, Row], dict[str, Row]]:
    connection = await asyncpg.connect(database_url)
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            users = await connection.fetch(_query("compare_users.sql"))
            subscriptions = await connection.fetch(_query("compare_subscriptions.sql"))
    finally:
        await connection.close()
    return _by_stripe_id(users), _by_stripe_id(subscriptions)


def _by_stripe_id(records: Iterable[Any]) -> dict[str, Row]:
    return {record[0]: {**record, **_parsed(record)} for record in records}


def _parsed(record: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: json.loads(record[name]) for name in ("address", "metadata") if record.get(name) is not None
    }


def _user_row(user: UserTruth) -> tuple[str, Row]:
    return user.stripe_customer_id, {**asdict(user), "roles_after_deletion": 0}


def _subscription_row(subscription: SubscriptionTruth) -> tuple[str, Row]:
    return subscription.stripe_subscription_id, asdict(subscription)


def _compare_table(
    table: str, expected: Iterable[tuple[str, Row]], found: Mapping[str, Row]
) -> Iterator[Difference]:
    wanted = dict(expected)
    for stripe_id, row in wanted.items():
        if stripe_id in found:
            yield from _compare_row(table, stripe_id, row, found[stripe_id])
        else:
            yield Difference(table, stripe_id, "row", "present", None, unsure=False)
    for stripe_id in found.keys() - wanted.keys():
        yield Difference(table, stripe_id, "row", None, "present", unsure=False)


def _compare_row(table: str, stripe_id: str, expected: Row, found: Row) -> Iterator[Difference]:
    for column, value in (*_plain_columns(expected), *_event_columns(expected["events"], found)):
        if found[column] != value:
            yield Difference(table, stripe_id, column, value, found[column], unsure=found["unsure"])


def _plain_columns(expected: Row) -> Iterator[tuple[str, Any]]:
    return ((column, value) for column, value in expected.items() if column != "events")


def _event_columns(events: Mapping[str, int], found: Row) -> Iterator[tuple[str, Any]]:
    """The event that a row names and its second: any of the possible ones, the true last one otherwise.

    A row that was fetched names our question, and the second of the answer.
    """
    shown = found["last_webhook_event_id"]
    if events and not str(shown).startswith(FETCHED_ID):
        named = shown if shown in events else next(iter(events))
        yield "last_webhook_event_id", named
        yield "stripe_updated_at", events[named]


def _query(name: str) -> str:
    return (_FOLDER / name).read_text(encoding="utf-8")


@click.command()
@click.option("--database-url", envvar="DATABASE_URL", required=True, help="The tables.")
@click.option("--truth", "source", required=True, help="The simulation's /_sim/truth, or a file of it.")
@click.option("--ignore", "ignored", multiple=True, help="A column that may differ; may be repeated.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object with every difference.")
@click.pass_context
def main(
    ctx: click.Context, *, database_url: str, source: str, ignored: tuple[str, ...], as_json: bool
) -> None:
    """Compare the tables with the simulated Stripe; exit code 1 when a sure row differs."""
    comparison = asyncio.run(compare(database_url, read_truth(_fetch(source)), ignored=ignored))
    click.echo(msgspec.json.encode(comparison).decode() if as_json else _summary(comparison))
    ctx.exit(0 if comparison.is_equal else 1)


def _fetch(source: str) -> bytes:
    if source.startswith("http"):
        with urlopen(source, timeout=60) as answer:  # noqa: S310 - the scheme was looked at
            content: bytes = answer.read()
            return content
    return Path(source).read_bytes()


def _summary(comparison: Comparison) -> str:
    shown = (*comparison.differences, *comparison.unsure_differences)[:_SHOWN]
    lines = [
        f"{one.table} {one.stripe_id} {one.column}: expected {one.expected!r}, found {one.found!r}"
        f"{' (unsure)' if one.unsure else ''}"
        for one in shown
    ]
    return "\n".join([*lines, _counts(comparison)])


def _counts(comparison: Comparison) -> str:
    return (
        f"{comparison.rows} rows, {len(comparison.differences)} differences; {comparison.unsure_rows} rows "
        f"unsure, with {len(comparison.unsure_differences)} differences"
    )


if __name__ == "__main__":
    main()
