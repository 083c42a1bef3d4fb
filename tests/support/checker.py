"""The history checker: whether the answers to clients agree with the tables, the mailboxes and the logs.

    checker = Checker(database_url, redis_url, logs=folder, secrets=[webhook_secret])
    checker.install()             # before the first event, or while workers run
    ...                           # faults
    judgement = checker.judge(accepted=ids, truth=truth, oracle=oracle)
    assert judgement.problems == ()

Judged are I1 (what was answered 2xx ended once), I2 (order, and one at a time per customer), I3 (the rows equal
the truth, where one is given, and are unsure only where the events do not decide), I4 (each event has one effect),
I8 (no secret and no personal data in a log) and I9 (no attempt was wasted). Each problem is one line that counts the
ids and names the first of them.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg

from cogento.local.stripe.compare import Comparison, compare
from tests.support import audit_rules
from tests.support.ambiguity_oracle import AmbiguityOracle
from tests.support.canaries import leaks, passwords
from tests.support.databases import LIBPQ_OPTIONS
from tests.support.looking import redis_at
from tests.support.mailbox_invariants import broken_invariants

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from cogento.local.stripe.truth import Truth

AUDIT = Path(__file__).with_name("audit.sql")
NAMED = 5
NO_ORACLE = AmbiguityOracle()


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What was found; no problems means that every invariant holds.

    `outcomes` and `sources` count the ledger, `tried_again` the events in it that needed more than one attempt,
    `changes` the audited writes of rows; `unaccounted` were answered 2xx and are nowhere. `confirmed` of the `unsure_rows` are
    unsure rightly: the events that came do not decide how their objects end, or their customers are deleted.
    """

    problems: tuple[str, ...]
    outcomes: Mapping[str, int]
    sources: Mapping[str, int]
    tried_again: int
    changes: int
    waiting: int
    unaccounted: frozenset[str]
    unsure_rows: int
    confirmed: int
    comparison: Comparison | None


@dataclass(frozen=True, slots=True)
class Standing:
    """What the tables say: the ledger's outcome by event, and for each unsure row, by object, the event that it shows.

    `outliving` are subscriptions that show no end although their customers are deleted: they must be unsure.
    """

    outcomes: Mapping[str, str]
    unsure: Mapping[str, str]
    outliving: frozenset[str]


class Checker:
    """Judges one database, its mailboxes, and the logs of our processes in a folder."""

    def __init__(
        self, database_url: str, redis_url: str, *, logs: Path, secrets: Collection[str] = ()
    ) -> None:
        self._database_url = database_url
        self._redis_url = redis_url
        self._logs = logs
        self._secrets = {*secrets, *passwords(database_url, redis_url)}

    def install(self) -> None:
        """Install triggers that record every write from now on; once per database, workers may be running."""
        with psycopg.connect(self._database_url, options=LIBPQ_OPTIONS) as connection:
            connection.execute(AUDIT.read_bytes())

    def standing(self) -> Standing:
        """Read what became of events, and which rows are unsure."""
        with psycopg.connect(self._database_url, options=LIBPQ_OPTIONS) as connection:
            return Standing(
                dict(connection.execute(audit_rules.LEDGER).fetchall()),
                dict(connection.execute(audit_rules.UNSURE).fetchall()),
                frozenset(id_ for (id_,) in connection.execute(audit_rules.OUTLIVING)),
            )

    def judge(
        self,
        *,
        accepted: Collection[str] = (),
        truth: Truth | None = None,
        oracle: AmbiguityOracle = NO_ORACLE,
        logs: Iterable[Path] = (),
        waiting_allowed: int = 0,
        attempts_allowed: int = 0,
        dead_allowed: Collection[str] = (),
        sources_allowed: Collection[str] = (),
    ) -> Judgement:
        """Judge a system that has become quiet.

        `accepted` were answered 2xx. `oracle` holds the stories of the objects whose rows may be unsure.
        The checker's logs, and these further `logs`, may contain no secret, and nobody's address, name or number.
        `waiting_allowed` events may still wait or be parked, the `dead_allowed` may be dead letters. An event may have failed
        `attempts_allowed` times: infrastructure that is away spends none. `sources_allowed` (`sweep`, `fetch`, `verify`) are the
        ways in which events may have come from asking Stripe.
        """
        standing = self.standing()
        waiting, untidy = self._mailboxes(waiting_allowed)
        unaccounted = frozenset(accepted) - standing.outcomes.keys() - waiting
        comparison = asyncio.run(compare(self._database_url, truth)) if truth else None
        witnessed = self._witnessed(
            attempts_allowed=attempts_allowed,
            dead_allowed=[*dead_allowed],
            sources_allowed=[*sources_allowed],
            contested=[*oracle.contested],
        )
        problems = (
            _problem("I1: answered 2xx and nowhere", unaccounted),
            *witnessed.broken,
            *untidy,
            _problem("I3: differs from the truth", map(str, comparison.differences) if comparison else ()),
            *_needless_doubts(standing, oracle),
            _problem("I8: stands in a log", self._told_in([*self.logs(), *logs], witnessed.persons)),
        )
        return Judgement(
            problems=tuple(filter(None, problems)),
            outcomes=dict(sorted(Counter(standing.outcomes.values()).items())),
            sources=witnessed.sources,
            tried_again=witnessed.tried_again,
            changes=witnessed.changes,
            waiting=len(waiting),
            unaccounted=unaccounted,
            unsure_rows=len(standing.unsure),
            confirmed=len(standing.unsure.keys() & (oracle.open | standing.outliving)),
            comparison=comparison,
        )

    def _witnessed(self, **allowed: object) -> _Witnessed:
        with psycopg.connect(self._database_url, options=LIBPQ_OPTIONS) as connection:
            return _Witnessed(
                broken=tuple(_broken_rules(connection, allowed)),
                sources=dict(connection.execute(audit_rules.SOURCES).fetchall()),
                tried_again=_count(connection, "SELECT count(*) FROM webhook_events WHERE attempts > 0"),
                changes=_count(connection, "SELECT count(*) FROM audit.changes"),
                persons=frozenset(one for (one,) in connection.execute(audit_rules.PERSONS)),
            )

    def _mailboxes(self, waiting_allowed: int) -> tuple[set[str], list[str]]:
        """Return the events that wait, and problems of the mailboxes."""
        with redis_at(self._redis_url) as client:
            keys = [key.decode() for key in client.scan_iter("{cogento:*", count=1000)]
            waiting = {key.partition(":event:")[2] for key in keys if ":event:" in key}
            if len(waiting) > waiting_allowed:
                return waiting, [_problem("I1: still waiting", waiting)]
            shards = [] if waiting else sorted({key.partition("}")[0] + "}" for key in keys})
            broken = [name for tag in shards for name in broken_invariants(client, tag)]
            return waiting, [f"the mailboxes are untidy: not true that {name}" for name in broken]

    def logs(self) -> list[Path]:
        """The logs of our processes, and of servers that we started."""
        return sorted(self._logs.glob("*.log"))

    def _told_in(self, logs: Iterable[Path], persons: Collection[str]) -> Iterator[str]:
        for log in logs:
            told = leaks(log.read_bytes(), secrets=self._secrets, persons=persons)
            yield from (f"{one} in {log.name}" for one in told)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Witnessed:
    """What the triggers in the database recorded."""

    broken: tuple[str, ...]
    sources: Mapping[str, int]
    tried_again: int
    changes: int
    persons: frozenset[str]


def _broken_rules(connection: psycopg.Connection, allowed: Mapping[str, object]) -> Iterator[str]:
    for rule, query in audit_rules.RULES.items():
        found = connection.execute(query.encode(), allowed).fetchall()
        yield _problem(rule, (id_ for (id_,) in found))


def _needless_doubts(standing: Standing, oracle: AmbiguityOracle) -> Iterator[str]:
    """Find unsure rows that the oracle does not confirm, or that show a state which it excludes.

    Rows of objects whose customers are deleted must be unsure as well.
    """
    unsure = standing.unsure
    yield _problem("I3: unsure without need", unsure.keys() - oracle.open - standing.outliving)
    shown = ((id_, event) for id_, event in unsure.items() if id_ in oracle.open)
    impossible = (id_ for id_, event in shown if not oracle.stories[id_].allows(event))
    yield _problem("I3: unsure, and shows what cannot be the last state", impossible)


def _count(connection: psycopg.Connection, query: str) -> int:
    (row,) = connection.execute(query.encode()).fetchall()
    return int(row[0])


def _problem(rule: str, ids: Iterable[str]) -> str:
    """Describe a problem: the rule, how many ids break it and which; empty when none does."""
    found = sorted(ids)
    if not found:
        return ""
    more = ", …" if len(found) > NAMED else ""
    return f"{rule}: {len(found)} ({', '.join(found[:NAMED])}{more})"
