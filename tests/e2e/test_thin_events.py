"""Only thin events, shuffled and doubled: every object is asked for once per burst and once more a minute later, and the tables equal Stripe."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import psycopg
import pytest

from cogento.local.stripe.truth import read_truth
from tests.support.servers import wait_until
from tests.support.simulated_stripe import askable
from tests.support.whole_system import WholeSystem, whole_system

if TYPE_CHECKING:
    from collections.abc import Iterator

EVENTS_OF_A_BURST = 200
BURSTS = 2
DISORDER = {
    "window_seconds": 1,
    "late_share": 0.02,
    "late_seconds": 4,
    "duplicate_share": 0.2,
    "lost_share": 0,
}


@pytest.fixture(scope="module")
def system() -> Iterator[WholeSystem]:
    seed = os.environ.get("SEED", "1")
    print(f"SEED={seed}")  # noqa: T201 - a failure can be replayed with it
    with whole_system("--simulate", "--ask", "--payloads", "thin", "--rate", "0", "--seed", seed) as running:
        running.sender.ask("disorder", DISORDER)
        yield running


def counted(system: WholeSystem, query: str) -> int:
    with psycopg.connect(system.facts["database_url"]) as connection:
        (count,) = connection.execute(query.encode()).fetchone() or (0,)
    return int(count)


def objects_to_ask(system: WholeSystem) -> int:
    return counted(system, "SELECT count(*) FROM notices WHERE waits_since <= now()")


def objects_told_of(system: WholeSystem) -> int:
    return counted(
        system, "SELECT count(DISTINCT object_id) FROM webhook_events WHERE event_type LIKE 'v1.%'"
    )


def answers(system: WholeSystem) -> int:
    return counted(system, "SELECT count(*) FROM webhook_events WHERE source = 'fetch'")


def burst(system: WholeSystem) -> None:
    """Let a lot happen at once, and wait until all of it is sent, asked for and written."""
    system.sender.ask("happen", {"events": EVENTS_OF_A_BURST})
    system.sender.become_quiet(seconds=60)
    wait_until(lambda: objects_to_ask(system) == 0, what="every object to be asked for", seconds=90)
    wait_until(lambda: system.sender.status().waiting == 0, what="empty mailboxes", seconds=30)


@pytest.mark.timeout(400)
def test_thin_events_alone_fill_the_tables_with_at_most_two_requests_for_an_object_and_burst(
    system: WholeSystem,
) -> None:
    asked = told = 0
    for _ in range(BURSTS):
        before = answers(system)
        burst(system)
        asked += answers(system) - before
        told = objects_told_of(system)
    verdict = system.check(sources_allowed=["fetch"])

    comparison = verdict.judgement.comparison
    assert comparison is not None
    assert [one for one in verdict.judgement.problems if not one.startswith("I3")] == []
    assert askable(comparison.differences, read_truth(system.sender.ask("truth"))) == ()
    assert comparison.unsure_rows == 0
    assert system.sender.counters()["accepted_events"] >= BURSTS * EVENTS_OF_A_BURST
    assert told < asked <= 2 * BURSTS * told
