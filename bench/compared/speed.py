"""Events a second that each of the three accepts and applies, with empty tables and with full ones, and its memory afterwards.

All get the same signed stream from the same 32 connections, in turn, on one Postgres server. An engine writes within the
request, so an accepted event is an applied one. Ours is done when no event waits; then every row of each must show its object's
last state.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from typing import TYPE_CHECKING, Any

import msgspec
import psycopg

from bench.compared.databases import databases
from bench.compared.results import OURS
from bench.compared.setups import ENGINE_OF, NAMES, running_setup
from bench.sending import RefusedError, flood, signed
from bench.stream import bodies

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bench.compared.databases import Databases

REVISIONS_OF_OURS = """
SELECT stripe_customer_id, metadata ->> 'revision' FROM users WHERE stripe_customer_id = ANY(%s)
UNION ALL
SELECT stripe_subscription_id, metadata ->> 'revision' FROM subscriptions WHERE stripe_subscription_id = ANY(%s)
"""
REVISIONS_OF_THEIRS = """
SELECT id, metadata ->> 'revision' FROM stripe.customers WHERE id = ANY(%s)
UNION ALL
SELECT id, metadata ->> 'revision' FROM stripe.subscriptions WHERE id = ANY(%s)
"""
DIGITS = 2
ATTEMPTS = 4


class _Object(msgspec.Struct):
    id: str
    metadata: dict[str, str]


class _Data(msgspec.Struct):
    object: _Object


class _Event(msgspec.Struct):
    data: _Data


def measured(events: int, *, customers: int, rounds: int, existing: int = 0) -> dict[str, Any]:
    """Measure rounds of all three in turn, and the medians; `existing` subscriptions are in the tables already."""
    with databases(existing=existing) as made:
        return in_turn(made, NAMES, list(bodies(events, customers=customers)), rounds=rounds)


def measured_with_an_index(events: int, *, customers: int, rounds: int, existing: int) -> dict[str, Any]:
    """The same of the engines alone, with an index that they lack."""
    with databases(existing=existing, indexed=True) as made:
        return in_turn(made, tuple(ENGINE_OF), list(bodies(events, customers=customers)), rounds=rounds)


def in_turn(made: Databases, names: Sequence[str], stream: Sequence[bytes], *, rounds: int) -> dict[str, Any]:
    """Measure `rounds` rounds, each of all of them in turn."""
    by_round = [{name: one_run(made, name, stream) for name in names} for _ in range(rounds)]
    return {name: summed([one[name] for one in by_round]) for name in names}


def one_run(made: Databases, name: str, stream: Sequence[bytes]) -> dict[str, Any]:
    """One stream into a database of its own: rates, rows that are wrong in the end, and MB of each process.

    On a machine that others keep busy a webhook may be refused. Stripe would send it again; here the run starts again, and that is counted.
    """
    for refused in range(ATTEMPTS):
        try:
            return {**_one_run(made, name, stream), "begun_again": refused}
        except RefusedError as answer:
            print(
                f"speed: {name} refused a webhook: {str(answer).splitlines()[0]}", file=sys.stderr, flush=True
            )
    raise SystemExit(f"{name} refused a webhook in each of {ATTEMPTS} runs")


def _one_run(made: Databases, name: str, stream: Sequence[bytes]) -> dict[str, Any]:
    with (
        made.one_for(name) as database_url,
        running_setup(name, made.servers, database_url) as setup,
    ):
        requests = signed(stream)
        begun = time.perf_counter()
        sent = flood(setup.port, requests)
        setup.settle()
        applied = len(stream) / (time.perf_counter() - begun)
        run = {
            "accepted_per_s": round(sent.per_second, DIGITS),
            "applied_per_s": round(applied, DIGITS),
            "wrong_rows": outdated(name, database_url, last_revisions(stream)),
            "mb": {process: round(mb, DIGITS) for process, mb in setup.resident_mb().items()},
        }
    print(f"speed, {made.existing:,} there before: {name} {json.dumps(run)}", file=sys.stderr, flush=True)
    return run


def last_revisions(stream: Sequence[bytes]) -> Mapping[str, str]:
    """The number of each object's last change, by its id."""
    objects = (msgspec.json.decode(body, type=_Event).data.object for body in stream)
    return {one.id: one.metadata["revision"] for one in objects}


def outdated(name: str, database_url: str, wanted: Mapping[str, str]) -> int:
    """How many rows are missing or show another change than the last."""
    query = REVISIONS_OF_OURS if name == OURS else REVISIONS_OF_THEIRS
    with psycopg.connect(database_url, autocommit=True) as connection:
        shown: dict[str, str] = dict(connection.execute(query, (list(wanted), list(wanted))).fetchall())
    return sum(shown.get(one) != revision for one, revision in wanted.items())


def summed(runs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The medians of each figure, and all rounds."""
    return {
        "accepted_per_s": statistics.median(run["accepted_per_s"] for run in runs),
        "applied_per_s": statistics.median(run["applied_per_s"] for run in runs),
        "wrong_rows": max(run["wrong_rows"] for run in runs),
        "begun_again": sum(run["begun_again"] for run in runs),
        "mb": {process: statistics.median(run["mb"][process] for run in runs) for process in runs[0]["mb"]},
        "rounds": list(runs),
    }
