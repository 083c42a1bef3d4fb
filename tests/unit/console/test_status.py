from __future__ import annotations

from dataclasses import replace

import pytest

from cogento.console.attention import Tone
from cogento.console.status import health_summary
from tests.support.figures import letters, queue_figures, table_figures, worker, workforce

MAIL = queue_figures()
TABLES = table_figures()


def test_everything_applied_is_good() -> None:
    assert health_summary(MAIL, TABLES).headline == "The tables are in step with Stripe"


def test_mail_of_a_moment_is_no_backlog() -> None:
    assert health_summary(replace(MAIL, waiting=50, oldest_event_age_seconds=2), TABLES).tone is Tone.GOOD


def test_system_that_never_received_anything_is_ready() -> None:
    assert health_summary(replace(MAIL, received_total=0), TABLES).headline == "Ready for the first event"


def test_backlog_is_told_with_its_size_and_age() -> None:
    verdict = health_summary(replace(MAIL, waiting=1234, oldest_event_age_seconds=61), TABLES)
    assert (verdict.headline, verdict.detail) == ("Catching up: 1,234 events wait", "Behind by 1 min.")


def test_mail_that_waits_for_long_is_bad() -> None:
    verdict = health_summary(replace(MAIL, waiting=1, oldest_event_age_seconds=7200), TABLES)
    assert (verdict.tone, verdict.headline) == (Tone.BAD, "The oldest event has waited 2 h")


@pytest.mark.parametrize(
    ("dead", "headline"), [(1, "A dead letter wants a look"), (2, "2 dead letters want a look")]
)
def test_dead_letters_want_a_look(dead: int, headline: str) -> None:
    assert health_summary(MAIL, replace(TABLES, letters=(letters(dead),))).headline == headline


@pytest.mark.parametrize(("dead", "headline"), [(1, "A removal is dead"), (2, "2 removals are dead")])
def test_dead_removals_are_told_before_other_letters_and_the_backlog(dead: int, headline: str) -> None:
    tables = replace(TABLES, letters=(letters(30, removals=dead),))
    verdict = health_summary(replace(MAIL, waiting=1, oldest_event_age_seconds=7200), tables)
    assert (verdict.tone, verdict.headline) == (Tone.BAD, headline)


def test_no_worker_is_told_before_the_backlog_that_it_makes() -> None:
    nobody = replace(MAIL, workforce=workforce(worker(is_alive=False)), oldest_event_age_seconds=7200)
    assert health_summary(nobody, TABLES).headline == "No worker takes events"


def test_no_worker_before_the_first_event_is_no_alarm() -> None:
    assert health_summary(replace(MAIL, workforce=workforce(), received_total=0), TABLES).tone is Tone.GOOD


def test_pause_of_everything_is_told_before_the_backlog_that_it_makes() -> None:
    paused = replace(MAIL, halted=True, waiting=10_000, oldest_event_age_seconds=7200)
    assert health_summary(paused, TABLES).headline == "Everything is paused"


def test_what_workers_wait_for_is_told_before_the_backlog_that_it_makes() -> None:
    waiting = replace(MAIL, waits_for={"postgres": "25006"}, oldest_event_age_seconds=7200)
    assert health_summary(waiting, TABLES).headline == "Workers wait for postgres (25006)"


def test_servers_that_are_away_are_told_first() -> None:
    assert health_summary(None, None).headline == "Redis does not answer"
    assert health_summary(MAIL, None).headline == "PostgreSQL does not answer"


def test_a10_a_server_that_is_there_and_refuses_is_not_told_as_one_that_does_not_answer() -> None:
    verdict = health_summary(
        queue_figures(), None, tables_problem="PostgreSQL refuses the password of this user (28P01)."
    )
    assert (verdict.tone, verdict.headline) == (Tone.BAD, "PostgreSQL cannot be used")
    assert verdict.detail.startswith(
        "PostgreSQL refuses the password of this user (28P01). Events are received"
    )


def test_a10_what_redis_refuses_comes_before_what_postgres_does() -> None:
    verdict = health_summary(
        None, None, queue_problem="Redis refuses the user.", tables_problem="PostgreSQL, too."
    )
    assert verdict.headline == "Redis cannot be used"
    assert "PostgreSQL" not in verdict.detail


def test_a10_only_silence_is_told_as_silence() -> None:
    assert health_summary(queue_figures(), None).headline == "PostgreSQL does not answer"
    assert health_summary(None, table_figures()).headline == "Redis does not answer"
