"""Every recorded Stripe payload through `cogento send`, the receiver and the worker, into rows a person expects."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from psycopg.rows import dict_row

from cogento.local.services import ROOT
from tests.support import builders, servers
from tests.support.stripe_files import FOLDER, GOLDEN, MALFORMED, NAMES, NOT_OURS, ROWS
from tests.support.whole_system import WholeSystem, whole_system

if TYPE_CHECKING:
    from collections.abc import Iterator

# Of the objects that several files show, the file that shows the last state, read from the files by a person:
# an end absorbs whatever else there is, and of the rest the one with the latest event second counts.
LAST_OF = {
    "cus_IhGfebO16cMIGN": "sync-engine__customer_deleted.json",
    "sub_JdIzvfy6o5GZRd": "sync-engine__subscription_deleted.json",
    "sub_1TbGh3JEe0yY0QKrmHd5I4l8": "zulip__customer_subscription_deleted_with_collection_method.json",
}
# The stub of a deleted customer does not say when it was created; the update before it did.
KNOWN_FROM_ANOTHER = {"cus_IhGfebO16cMIGN": {"stripe_created_at": 1609763141}}
UNKNOWABLE = {"sub_00000000000000", "cus_QXg1o8vcGmoR32", "sub_1Pgc6rB7WZ01zgkWNy0Cn5nw"}
# Its id is that of every test webhook. `send` gives the next file with it an id of its own, which makes it an event.
PLACEHOLDER = "chirpyhire__customer.subscription.created.json"

USERS = """SELECT stripe_customer_id, stripe_email, name, phone, address, metadata,
    extract(epoch FROM stripe_created_at)::BIGINT AS stripe_created_at, deleted_at IS NOT NULL AS deleted
    FROM users"""
SUBSCRIPTIONS = """SELECT s.stripe_subscription_id, u.stripe_customer_id AS customer_id, s.product_id, s.status,
    extract(epoch FROM s.current_period_start)::BIGINT AS current_period_start,
    extract(epoch FROM s.current_period_end)::BIGINT AS current_period_end, s.metadata,
    extract(epoch FROM s.stripe_created_at)::BIGINT AS stripe_created_at,
    s.items, s.cancel_at_period_end, extract(epoch FROM s.cancel_at)::BIGINT AS cancel_at,
    extract(epoch FROM s.canceled_at)::BIGINT AS canceled_at, extract(epoch FROM s.ended_at)::BIGINT AS ended_at,
    extract(epoch FROM s.trial_end)::BIGINT AS trial_end, extract(epoch FROM s.start_date)::BIGINT AS start_date,
    s.collection_method, s.pause_collection
    FROM subscriptions AS s JOIN users AS u USING (user_id)"""


@dataclass(frozen=True)
class Sent:
    answers: dict[str, dict[str, Any]]
    rows: dict[str, dict[str, Any]]


def _row_of(name: str) -> dict[str, Any]:
    (row,) = GOLDEN[name].values()
    result: dict[str, Any] = row
    return result


def _id_of(name: str) -> str:
    row = _row_of(name)
    return str(row.get("stripe_subscription_id") or row["stripe_customer_id"])


def _expected() -> dict[str, str]:
    """File by the object that it shows the last state of."""
    return {id_: LAST_OF.get(id_, name) for name in KEPT if (id_ := _id_of(name)) not in UNKNOWABLE}


def _missing_customers() -> set[str]:
    owners = {_row_of(name)["customer_id"] for name in KEPT if "subscriptions" in GOLDEN[name]}
    return owners - {_id_of(name) for name in KEPT}


KEPT = [name for name in ROWS if name != PLACEHOLDER]


def _send(system: WholeSystem, path: Path) -> list[dict[str, Any]]:
    command = (sys.executable, "-m", "cogento", "send", str(path), "--data", str(system.data), "--json")
    sent = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return [json.loads(line) for line in sent.stdout.splitlines()]


def _rows(database_url: str) -> dict[str, dict[str, Any]]:
    with psycopg.connect(database_url, row_factory=dict_row) as connection:
        rows = [*connection.execute(USERS).fetchall(), *connection.execute(SUBSCRIPTIONS).fetchall()]
    return {row.get("stripe_subscription_id") or row["stripe_customer_id"]: row for row in rows}


@pytest.fixture(scope="module")
def sent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sent]:
    customers = tmp_path_factory.mktemp("customers") / "customers.ndjson"
    lines = (json.dumps(builders.customer(id_, email=None)) for id_ in sorted(_missing_customers()))
    customers.write_text("\n".join(lines))
    with whole_system("--no-simulate") as system:
        _send(system, customers)
        answers = {Path(answer["source"]).name: answer for answer in _send(system, FOLDER)}
        servers.wait_until(lambda: system.sender.status().waiting == 0, what="empty mailboxes", seconds=30)
        yield Sent(answers, _rows(system.facts["database_url"]))


@pytest.mark.parametrize("name", KEPT)
def test_an_event_of_ours_is_queued(name: str, sent: Sent) -> None:
    assert (sent.answers[name]["status"], sent.answers[name]["answer"]) == (200, "queued")


@pytest.mark.parametrize("name", NOT_OURS)
def test_an_event_that_is_not_ours_is_ignored(name: str, sent: Sent) -> None:
    assert (sent.answers[name]["status"], sent.answers[name]["answer"]) == (200, "ignored")


@pytest.mark.parametrize("name", MALFORMED)
def test_an_impossible_event_that_is_not_ours_is_ignored(name: str, sent: Sent) -> None:
    assert (sent.answers[name]["status"], sent.answers[name]["answer"]) == (200, "ignored")


def test_a_placeholder_is_ignored(sent: Sent) -> None:
    assert (sent.answers[PLACEHOLDER]["status"], sent.answers[PLACEHOLDER]["answer"]) == (200, "ignored")


@pytest.mark.parametrize(("id_", "name"), _expected().items(), ids=_expected())
def test_the_row_is_what_a_person_reads_in_the_file(id_: str, name: str, sent: Sent) -> None:
    assert sent.rows[id_] == {**_row_of(name), **KNOWN_FROM_ANOTHER.get(id_, {})}


def test_every_file_was_sent(sent: Sent) -> None:
    assert sorted(sent.answers) == NAMES
