"""The history checker: does what clients were told fit what the tables, the mailboxes and the logs say?

    checker = Checker(database_url, redis_url)
    checker.install()             # before the first event, or while workers run
    ...                           # faults
    judgement = checker.judge(accepted=ids, truth=truth, logs=paths)
    assert judgement.problems == ()

Judged are I1 (what was answered 2xx ended once), I2 (order, and one at a time per customer), I3 (the rows equal
the truth, where one is given), I4 (each event has one effect), I8 (no secret in a log) and I9 (no attempt was
burnt). Each problem is one line that counts the ids and names the first of them.
"""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import redis

from local.stripe.compare import Comparison, compare
from tests.audit_rules import RULES
from tests.mailbox_invariants import broken_invariants

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from local.stripe.truth import Truth

AUDIT = Path(__file__).with_name("audit.sql")
NAMED = 5
ADDRESS = re.compile(rb"[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What was found; no problems means that every invariant holds.

    `outcomes` counts the ledger, `tried_again` the events in it that needed more than one attempt, `changes` the
    audited writes of rows; `unaccounted` were answered 2xx and are nowhere.
    """

    problems: tuple[str, ...]
    outcomes: Mapping[str, int]
    tried_again: int
    changes: int
    waiting: int
    unaccounted: frozenset[str]
    comparison: Comparison | None


class Checker:
    """Judges one database and its mailboxes."""

    def __init__(self, database_url: str, redis_url: str) -> None:
        self._database_url = database_url
        self._redis_url = redis_url

    def install(self) -> None:
        """Let triggers witness every write from here on; once per database, workers may be running."""
        with psycopg.connect(self._database_url) as connection:
            connection.execute(AUDIT.read_bytes())

    def judge(
        self,
        *,
        accepted: Collection[str] = (),
        truth: Truth | None = None,
        logs: Iterable[Path] = (),
        canaries: Collection[str] = (),
        waiting_allowed: int = 0,
        attempts_allowed: int = 0,
    ) -> Judgement:
        """Judge a system that has become quiet.

        `accepted` were answered 2xx. `canaries` are secrets that must not stand in `logs`, where no e-mail
        address of the tables may either. `waiting_allowed` events may still wait or be parked. An event may
        have failed `attempts_allowed` times: infrastructure that is away burns none.
        """
        with psycopg.connect(self._database_url) as connection:
            ledger = _ledger(connection)
            broken = list(_broken_rules(connection, attempts_allowed))
            changes = _count(connection, "SELECT count(*) FROM audit.changes")
            tried_again = _count(connection, "SELECT count(*) FROM webhook_events WHERE attempts > 0")
            secrets = {*canaries, *_addresses(connection)}
        waiting, untidy = self._mailboxes(waiting_allowed)
        unaccounted = frozenset(accepted) - ledger.keys() - waiting
        comparison = asyncio.run(compare(self._database_url, truth)) if truth else None
        problems = (
            _problem("I1: answered 2xx and nowhere", unaccounted),
            *broken,
            *untidy,
            _problem("I3: differs from the truth", map(str, comparison.differences) if comparison else ()),
            _problem("I8: stands in a log", _leaks(logs, secrets)),
        )
        return Judgement(
            problems=tuple(filter(None, problems)),
            outcomes=dict(sorted(Counter(ledger.values()).items())),
            tried_again=tried_again,
            changes=changes,
            waiting=len(waiting),
            unaccounted=unaccounted,
            comparison=comparison,
        )

    def _mailboxes(self, waiting_allowed: int) -> tuple[set[str], list[str]]:
        """Name the events that wait, and what is wrong with how they do."""
        with redis.Redis.from_url(self._redis_url) as client:
            keys = [key.decode() for key in client.scan_iter("{cogento:*}:event:*", count=1000)]
            waiting = {key.partition(":event:")[2] for key in keys}
            if len(waiting) > waiting_allowed:
                return waiting, [_problem("I1: still waiting", waiting)]
            broken = [] if waiting else broken_invariants(client)
            return waiting, [f"the mailboxes are untidy: not true that {name}" for name in broken]


def _broken_rules(connection: psycopg.Connection, attempts_allowed: int) -> Iterator[str]:
    for rule, query in RULES.items():
        found = connection.execute(query.encode(), {"attempts_allowed": attempts_allowed}).fetchall()
        yield _problem(rule, (id_ for (id_,) in found))


def _ledger(connection: psycopg.Connection) -> dict[str, str]:
    """Outcome by event; a letter that the ledger forgot counts as well."""
    query = """
        SELECT event_id, 'dead' FROM dead_letters
        UNION ALL
        SELECT event_id, outcome FROM webhook_events
    """
    return dict(connection.execute(query).fetchall())


def _addresses(connection: psycopg.Connection) -> set[str]:
    """Every person's address, without the stand-ins."""
    query = "SELECT stripe_email FROM users WHERE stripe_email LIKE '%@%'"
    return {address for (address,) in connection.execute(query)}


def _count(connection: psycopg.Connection, query: str) -> int:
    (row,) = connection.execute(query.encode()).fetchall()
    return int(row[0])


def _leaks(logs: Iterable[Path], secrets: Collection[str]) -> Iterator[str]:
    """Look for addresses token by token: there may be very many of them; and for all else as it stands."""
    addresses = {secret.encode() for secret in secrets if "@" in secret}
    others = [secret.encode() for secret in secrets if "@" not in secret]
    for log in logs:
        content = log.read_bytes()
        found = [*(addresses & set(ADDRESS.findall(content))), *(one for one in others if one in content)]
        yield from (f"{one.decode()} in {log.name}" for one in sorted(found))


def _problem(rule: str, ids: Iterable[str]) -> str:
    """Say what is wrong with how many and with which; nothing when there are none."""
    found = sorted(ids)
    if not found:
        return ""
    more = ", …" if len(found) > NAMED else ""
    return f"{rule}: {len(found)} ({', '.join(found[:NAMED])}{more})"
