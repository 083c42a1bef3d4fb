"""Compares the tables with Stripe: every column of every row, in both directions, absent rows too.

`python -m cogento.local.stripe.compare --truth URL_OR_FILE` prints the differences and ends with 1 when a row differs that is
not marked unsure. Unsure rows are counted separately: their events leave the last state open.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import click
import msgspec

from cogento.database_schema import DEFAULT_SCHEMA, with_schema
from cogento.local.stripe.truth import Truth, read_truth
from cogento.store.connecting import connect_plainly

FETCHED_ID = "evt_fetched_"
JSON_COLUMNS = ("address", "metadata", "items", "pause_collection")
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
    """What was compared and what differs; `unsure_rows` counts rows marked unsure, whether they differ or not."""

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

    Reads both tables in one snapshot, so that a running system is seen at one moment.
    """
    connection = await connect_plainly(database_url, application_name="compare")
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            users = _by_stripe_id(await connection.fetch(_query("compare_users.sql")))
            subscriptions = _by_stripe_id(await connection.fetch(_query("compare_subscriptions.sql")))
    finally:
        await connection.close()

    true_users = {one.stripe_customer_id: {**asdict(one), "roles_after_deletion": 0} for one in truth.users}
    true_subscriptions = {one.stripe_subscription_id: asdict(one) for one in truth.subscriptions}
    found = [
        *_compare_table("users", true_users, users),
        *_compare_table("subscriptions", true_subscriptions, subscriptions),
    ]
    counted = [one for one in found if one.column not in ignored]
    return Comparison(
        users=len(users),
        subscriptions=len(subscriptions),
        unsure_rows=sum(row["unsure"] for row in (*users.values(), *subscriptions.values())),
        differences=tuple(one for one in counted if not one.unsure),
        unsure_differences=tuple(one for one in counted if one.unsure),
    )


def _query(name: str) -> str:
    return (_FOLDER / name).read_text(encoding="utf-8")


def _by_stripe_id(records: Iterable[Any]) -> dict[str, Row]:
    """Key rows by their first column, JSON parsed."""
    rows: dict[str, Row] = {}
    for record in records:
        json_columns = [name for name in JSON_COLUMNS if record.get(name) is not None]
        rows[record[0]] = {**record, **{name: json.loads(record[name]) for name in json_columns}}
    return rows


def _compare_table(table: str, expected: Mapping[str, Row], found: Mapping[str, Row]) -> Iterator[Difference]:
    for stripe_id, row in expected.items():
        shown = found.get(stripe_id)
        if shown is None:
            yield Difference(table, stripe_id, "row", "present", None, unsure=False)
            continue
        columns = {name: value for name, value in row.items() if name != "events"}
        for column, value in (*columns.items(), *_event_columns(row["events"], shown)):
            if shown[column] != value:
                yield Difference(table, stripe_id, column, value, shown[column], unsure=shown["unsure"])
    for stripe_id in found.keys() - expected.keys():
        yield Difference(table, stripe_id, "row", None, "present", unsure=False)


def _event_columns(events: Mapping[str, int], found: Row) -> Iterator[tuple[str, Any]]:
    """Yield the expected event of a row and its second: the row's own if it is a possible one, the true last one otherwise.

    A row that was fetched names our own event, with the second of the answer.
    """
    shown = found["last_webhook_event_id"]
    if events and not str(shown).startswith(FETCHED_ID):
        named = shown if shown in events else next(iter(events))
        yield "last_webhook_event_id", named
        yield "stripe_updated_at", events[named]


@click.command()
@click.option("--database-url", envvar="DATABASE_URL", required=True, help="The tables.")
@click.option("--database-schema", envvar="DATABASE_SCHEMA", default=DEFAULT_SCHEMA, help="Their schema.")
@click.option("--truth", "source", required=True, help="The simulation's /_sim/truth, or a file of it.")
@click.option("--ignore", "ignored", multiple=True, help="A column that may differ; may be repeated.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object with every difference.")
@click.pass_context
def main(
    ctx: click.Context,
    *,
    database_url: str,
    database_schema: str,
    source: str,
    ignored: tuple[str, ...],
    as_json: bool,
) -> None:
    """Compare the tables with the simulated Stripe; exit code 1 when a sure row differs."""
    if source.startswith("http"):
        with urlopen(source, timeout=60) as answer:  # noqa: S310 - the scheme was looked at
            lines: bytes = answer.read()
    else:
        lines = Path(source).read_bytes()
    place = with_schema(database_url, database_schema)
    comparison = asyncio.run(compare(place, read_truth(lines), ignored=ignored))
    click.echo(msgspec.json.encode(comparison).decode() if as_json else describe(comparison))
    ctx.exit(0 if comparison.is_equal else 1)


def describe(comparison: Comparison) -> str:
    """Say in words what differs, a line for each of the first 20, and count all."""
    lines = [
        f"{one.table} {one.stripe_id} {one.column}: expected {one.expected!r}, found {one.found!r}"
        f"{' (unsure)' if one.unsure else ''}"
        for one in (*comparison.differences, *comparison.unsure_differences)[:_SHOWN]
    ]
    lines.append(
        f"{comparison.rows} rows, {len(comparison.differences)} differences; {comparison.unsure_rows} rows "
        f"unsure, with {len(comparison.unsure_differences)} differences"
    )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
