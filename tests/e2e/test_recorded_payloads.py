"""Every recorded Stripe payload through `cogento send`, the receiver and the worker, into the rows that were written by hand for it."""

from __future__ import annotations

import datetime as dt
import json
import subprocess
import sys
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from psycopg.rows import dict_row

from cogento.events.kinds import CUSTOMER, KINDS, is_deletion
from cogento.local.services import ROOT
from tests.support import builders, servers
from tests.support.stripe_files import (
    DEAD,
    DEAD_LETTER,
    FOLDER,
    GOLDEN,
    NAMES,
    ROWS,
    answer_to,
    is_whole_event,
    posted,
)
from tests.support.whole_system import WholeSystem, whole_system

if TYPE_CHECKING:
    from collections.abc import Iterator

# The stub of a deleted customer does not say when it was created; the update before it did.
KNOWN_FROM_ANOTHER = {"cus_IhGfebO16cMIGN": {"stripe_created_at": 1609763141}}
# Its id is that of every test webhook. `send` gives the next file with it an id of its own, which makes it an event.
PLACEHOLDER = "chirpyhire__customer.subscription.created.json"


@dataclass(frozen=True)
class Sent:
    answers: dict[str, dict[str, Any]]
    rows: dict[str, dict[str, Any]]
    letters: list[str]


def _row_of(name: str) -> dict[str, Any]:
    (row,) = GOLDEN[name].values()
    result: dict[str, Any] = row
    return result


def _id_of(name: str) -> str:
    (table,) = GOLDEN[name]
    return str(_row_of(name)[KINDS_BY_TABLE[table].stripe_id_column])


def _expected() -> dict[str, str]:
    """Return the file with the last state of each object; without objects whose last state is undecided."""
    files: defaultdict[str, list[str]] = defaultdict(list)
    for name in KEPT:
        files[_id_of(name)].append(name)
    return {
        id_: max(names, key=_place)
        for id_, names in files.items()
        if len(names) == 1 or all(map(is_whole_event, names))
    }


def _place(name: str) -> tuple[int, bool]:
    """Of an object's events the one of the latest second counts; in a second, its end."""
    sent = json.loads(posted(name))
    return sent["created"], is_deletion(sent["type"])


def _missing_customers() -> set[str]:
    owners = {_row_of(name)["customer_id"] for name in KEPT if CUSTOMER.table not in GOLDEN[name]}
    return owners - {_id_of(name) for name in KEPT}


KINDS_BY_TABLE = {kind.table: kind for kind in KINDS}
KEPT = [name for name in ROWS if name != PLACEHOLDER]
EXPECTED = _expected()


def _send(system: WholeSystem, path: Path) -> list[dict[str, Any]]:
    command = (sys.executable, "-m", "cogento", "send", str(path), "--data", str(system.data), "--json")
    sent = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return [json.loads(line) for line in sent.stdout.splitlines()]


def _rows(connection: psycopg.Connection[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """All rows by Stripe's ids, under the names of GOLDEN besides their own, times in Unix seconds."""
    rows = {
        row[kind.stripe_id_column]: {
            **row,
            "customer_id": row["owner"],
            "deleted": row["deleted_at"] is not None,
        }
        for kind in KINDS
        for row in connection.execute(
            f"SELECT u.deleted_at, u.stripe_customer_id AS owner, t.* FROM {kind.table} AS t JOIN users AS u USING (user_id)"
        )
    }
    return {id_: {name: _plain(value) for name, value in row.items()} for id_, row in rows.items()}


def _plain(value: Any) -> Any:
    return int(value.timestamp()) if isinstance(value, dt.datetime) else value


@pytest.fixture(scope="module")
def sent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sent]:
    customers = tmp_path_factory.mktemp("customers") / "customers.ndjson"
    lines = (json.dumps(builders.customer(id_, email=None)) for id_ in sorted(_missing_customers()))
    customers.write_text("\n".join(lines))
    with whole_system("--no-simulate") as system:
        _send(system, customers)
        answers = {Path(answer["source"]).name: answer for answer in _send(system, FOLDER)}
        servers.wait_until(lambda: system.sender.status().waiting == 0, what="empty mailboxes", seconds=30)
        with psycopg.connect(system.facts["database_url"], row_factory=dict_row) as connection:
            letters = connection.execute("SELECT message FROM cogento_internal.dead_letters").fetchall()
            rows = _rows(connection)
        yield Sent(answers, rows, [letter["message"] for letter in letters])


@pytest.mark.parametrize("name", [name for name in NAMES if name != PLACEHOLDER])
def test_it_is_answered_as_a_person_reads_it(name: str, sent: Sent) -> None:
    assert (sent.answers[name]["status"], sent.answers[name]["answer"]) == answer_to(name)


def test_a_placeholder_is_ignored(sent: Sent) -> None:
    assert (sent.answers[PLACEHOLDER]["status"], sent.answers[PLACEHOLDER]["answer"]) == (200, "ignored")


@pytest.mark.parametrize(("id_", "name"), EXPECTED.items(), ids=EXPECTED)
def test_the_row_is_what_a_person_reads_in_the_file(id_: str, name: str, sent: Sent) -> None:
    expected = {**_row_of(name), **KNOWN_FROM_ANOTHER.get(id_, {})}
    assert {column: sent.rows[id_][column] for column in expected} == expected


def test_what_no_row_can_show_is_a_dead_letter(sent: Sent) -> None:
    assert sorted(sent.letters) == sorted(GOLDEN[name].removeprefix(DEAD_LETTER) for name in DEAD)


def test_every_file_was_sent(sent: Sent) -> None:
    assert sorted(sent.answers) == NAMES
