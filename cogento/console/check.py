"""Everything that must be right before events are processed well, checked once: settings, servers, rights, clocks.

Nothing is judged twice: processes check their settings, mailboxes and tables check their servers, `cogento status` judges what
needs attention, and this module reports what they say. Stripe's part is in cogento/console/check_stripe.py.
"""

from __future__ import annotations

import re
import subprocess
import sys
import time
from typing import TYPE_CHECKING

from cogento import runtime
from cogento.console.attention import Tone
from cogento.console.connections import connect
from cogento.console.errors import Failure, friendly_errors
from cogento.console.findings import Finding, Grade, away, good, warning, wrong
from cogento.console.formatting import duration
from cogento.console.status import read_status
from cogento.console.system import newest_revision
from cogento.queue.durability import warning_of
from cogento.settings import (
    EX_CONFIG,
    ChangesSettings,
    ConsoleSettings,
    ReceiverSettings,
    ReconcileSettings,
    WorkerSettings,
    load,
    problems_of,
)
from cogento.store.connecting import check_connection
from cogento.store.store import Store
from cogento.store.table_schemas import FOR_PEOPLE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cogento.queue.mailboxes import Mailboxes

NAME = "cogento check"
ANSWER_SECONDS = 10
CONNECTIONS = 2
PROCESSES: dict[str, type[ReceiverSettings | WorkerSettings | ConsoleSettings]] = {
    "receiver": ReceiverSettings,
    "worker": WorkerSettings,
    "console": ConsoleSettings,
}
WRITTEN_BY_WORKERS = (*FOR_PEOPLE, "webhook_events", "dead_letters", "sweep_progress")
FULL_SHARE = 0.8
QUEUE_FULL_SHARE = 0.5
"""The share of the queue from which nothing is announced any more (schema/migrations/versions/0015_changes.sql)."""
CLOCKS_DIFFER_SECONDS = 30
NOTHING_SIGNED = re.compile(r"STRIPE_WEBHOOK_SECRET(__\w+)? is not set")
RECEIVER_SECONDS = 60
MIGRATE = "Run `cogento migrate`."


def check_settings(*, polls: bool) -> Iterator[Finding]:
    """Check one account's settings for every process; a problem that several processes report is reported once."""
    said: dict[str, list[str]] = {}
    for process, kind in PROCESSES.items():
        for problem in problems_of(kind):
            said.setdefault(problem, []).append(process)
    if polls:  # no webhook is sent, so none needs a signing secret
        said = {
            problem: processes for problem, processes in said.items() if not NOTHING_SIGNED.match(problem)
        }
    for problem, processes in said.items():
        yield wrong("settings", f"{problem} ({', '.join(processes)})")
    if not said:
        yield good("settings", "usable by every process")


def check_receiver() -> Iterator[Finding]:
    """Have the receiver, which serves all accounts, say whether it would start; problems of its settings were reported before."""
    if not problems_of(ReceiverSettings):
        yield _check_receiver()


def _check_receiver() -> Finding:
    """Run the check that its server runs before it listens."""
    try:
        asked = subprocess.run(
            [sys.executable, "-m", "receiver"],
            check=False,
            capture_output=True,
            text=True,
            timeout=RECEIVER_SECONDS,
        )
    except subprocess.TimeoutExpired:
        return away("receiver", f"it does not say within {RECEIVER_SECONDS} s whether it may start")
    if asked.returncode == 0:
        return good("receiver", "may start")
    said = asked.stderr.strip().rpartition("\n")[2].removeprefix("cogento: ")
    return (wrong if asked.returncode == EX_CONFIG else away)("receiver", said or "does not start")


def check_redis(mailboxes: Mailboxes) -> Iterator[Finding]:
    """Write to Redis, and check what it promises."""
    try:
        with friendly_errors():
            runtime.run(
                mailboxes.check(), timeout_seconds=ANSWER_SECONDS
            )  # the reply says what is refused, and why
            facts = runtime.run(mailboxes.ping_write(), timeout_seconds=ANSWER_SECONDS)
            skew = runtime.run(mailboxes.now_ms(), timeout_seconds=ANSWER_SECONDS) / 1000 - time.time()
    except (Failure, TimeoutError) as error:
        yield _failed("redis", error, "Redis")
        return
    yield good("redis", f"{facts.name} {facts.version}, takes writes")
    promise = warning_of(facts.ack)
    level = f"{facts.ack} ({facts.ack_means})"
    yield good("promise", level) if promise is None else warning("promise", f"{level}: {promise}.")
    if facts.maxmemory_bytes and facts.used_memory_bytes > FULL_SHARE * facts.maxmemory_bytes:
        share = facts.used_memory_bytes / facts.maxmemory_bytes
        yield warning(
            "redis",
            f"its memory is {share:.0%} full",
            "Give it more, or see why events wait: `cogento status`.",
        )
    yield _clock("redis", skew)


def check_postgres(database_url: str) -> Iterator[Finding]:
    """Connect as a worker does, write, and check migrations, rights and connections."""
    try:
        with friendly_errors():
            runtime.run(check_connection(database_url, application_name=NAME), timeout_seconds=ANSWER_SECONDS)
            opening = Store.open(database_url, pool_size=CONNECTIONS, application_name=NAME)
            store = runtime.run(opening)
            try:
                yield from _check_tables(store)
            finally:
                runtime.run(store.close())
    except (Failure, TimeoutError) as error:
        yield _failed("postgresql", error, "PostgreSQL")


def _check_tables(store: Store) -> Iterator[Finding]:
    facts = runtime.run(store.history.server(), timeout_seconds=ANSWER_SECONDS)
    yield good("postgresql", f"PostgreSQL {facts.version}")
    if facts.is_read_only:
        yield wrong(
            "postgresql",
            "it takes no writes: it is a standby, or read-only",
            "Name the primary in DATABASE_URL.",
        )
    if facts.connections > FULL_SHARE * facts.max_connections:
        yield warning(
            "connections",
            f"{facts.connections} of {facts.max_connections} are in use",
            "Raise the limit, or end idle ones.",
        )
    revision, newest = (
        runtime.run(store.history.revision(), timeout_seconds=ANSWER_SECONDS),
        newest_revision(),
    )
    if revision < newest:
        yield away(
            "migrations", f"the tables are at revision {revision}, this release wants {newest}", MIGRATE
        )
        return
    if revision > newest:
        yield warning(
            "migrations", f"the tables are at revision {revision} of a newer release; this one knows {newest}"
        )
    else:
        yield good("migrations", f"revision {revision}")
    lacking = runtime.run(store.history.rights_lacking(WRITTEN_BY_WORKERS), timeout_seconds=ANSWER_SECONDS)
    if lacking:
        yield wrong(
            "rights",
            f"this user may not read and write {', '.join(lacking)}",
            "Grant it, or correct DATABASE_URL.",
        )
    elif not facts.is_read_only:
        runtime.run(store.ping_write(), timeout_seconds=ANSWER_SECONDS)
        yield good("rights", "this user reads and writes the tables")
    if not lacking:
        yield from _check_changes(store)
    yield _clock("postgresql", runtime.run(store.sweeps.status()).now - time.time())


def _check_changes(store: Store) -> Iterator[Finding]:
    """Check whether changes are announced as CHANGES says; reports nothing where they are not wanted."""
    if problems := [one for one in problems_of(ChangesSettings) if one.startswith("CHANGES ")]:
        yield wrong("changes", problems[0])
        return
    wanted = load(ChangesSettings).changes
    state = runtime.run(store.changes.state(), timeout_seconds=ANSWER_SECONDS)
    if wanted not in {None, state.is_on}:
        yield warning(
            "changes", f"{'kept' if state.is_on else 'not kept'}, and CHANGES says otherwise", MIGRATE
        )
    elif state.is_on and state.queue_usage >= QUEUE_FULL_SHARE:
        yield warning(
            "changes",
            f"kept and not announced: PostgreSQL's queue of announcements is {state.queue_usage:.0%} full, because a session "
            "that listens stays in a transaction",
            "End the oldest: SELECT pid, xact_start FROM pg_stat_activity ORDER BY xact_start.",
        )
    elif state.is_on:
        yield good("changes", f"kept, and announced on {state.channel}")


def check_state(settings: ReconcileSettings) -> Iterator[Finding]:
    """Say what needs attention just now, as `cogento status` does; servers that are away were reported already."""
    mailboxes = connect(settings)
    store = runtime.run(
        Store.open(settings.database_url.get_secret_value(), pool_size=CONNECTIONS, application_name=NAME)
    )
    try:
        now = read_status(mailboxes, store)
    finally:
        runtime.run(store.close())
        runtime.run(mailboxes.close())
    if now.errors:
        return
    verdict = now.report.verdict
    needed = [line for line in verdict.lines if line.tone in {Tone.BAD, Tone.BUSY}]
    for line in needed:
        say = away if line.tone is Tone.BAD else warning
        yield say("state", f"{line.label}: {line.text}")
    if not needed:
        yield good("state", f"{verdict.headline}.")


def _failed(subject: str, error: Failure | TimeoutError, name: str) -> Finding:
    if isinstance(error, TimeoutError):
        return away(subject, f"{name} does not answer within {ANSWER_SECONDS} s.")
    say = wrong if error.exit_code == EX_CONFIG else away
    return say(subject, error.message)


def _clock(whose: str, seconds_ahead: float) -> Finding:
    """Compare a server's clock with this machine's."""
    apart = abs(seconds_ahead)
    if apart <= CLOCKS_DIFFER_SECONDS:
        return good("clock", f"{whose} and this machine agree")
    side = "ahead of" if seconds_ahead > 0 else "behind"
    return warning("clock", f"{whose} is {duration(apart)} {side} this machine", "Have both follow NTP.")


def exit_code(findings: list[Finding]) -> int:
    """Return 0 where nothing is bad, 78 where only other settings or rights help, else 1."""
    bad = [finding for finding in findings if finding.grade is Grade.BAD]
    if any(finding.as_configured for finding in bad):
        return EX_CONFIG
    return 1 if bad else 0
