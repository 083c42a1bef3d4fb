"""Dead letters that are retried by several at once, too late, or by a process that dies or is stopped meanwhile."""

from __future__ import annotations

import signal
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from cogento.console.dead_letters import DeadLetterService
from cogento.store.letter_records import LetterFilter
from tests.support.builders import NOW, customer
from tests.support.letter_trial import LetterTrial
from tests.support.servers import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cogento.local.valkey import Valkey
    from tests.support.checker import Checker
    from tests.support.post import Post
    from tests.support.running_worker import RunningWorker
    from tests.support.servers import RunningServer

NAMES = "SELECT stripe_customer_id, name FROM users ORDER BY 1"


@pytest.fixture
def trial(post: Post, redis_url: str) -> LetterTrial:
    return LetterTrial(post, redis_url)


@contextmanager
def frozen(server: RunningServer[Valkey]) -> Iterator[None]:
    server.freeze()
    try:
        yield
    finally:
        server.thaw()


def replays(trial: LetterTrial) -> set[int]:
    return {row["replays"] for row in trial.post.rows("SELECT replays FROM dead_letters")}


def test_f59_letters_retried_by_two_commands_at_once_have_one_effect_each(
    trial: LetterTrial, checker: Checker, start_worker: Callable[[], RunningWorker]
) -> None:
    trial.insert_letters(customers=30, events=20)
    start_worker()

    both = [trial.type("retry", "--all", "--yes", "--json"), trial.type("retry", "--all", "--yes", "--json")]
    put = [typed.told()["put_back"] for typed in both]

    trial.await_statuses(resolved=600)
    assert sum(put) == 600
    assert replays(trial) == {1}
    assert [row["name"] for row in trial.post.rows(NAMES)] == ["Name 19"] * 30
    assert checker.judge().problems == ()


def test_f59_a_letter_retried_from_command_and_page_at_once_is_taken_by_one(
    trial: LetterTrial, checker: Checker
) -> None:
    trial.insert_letters(customers=50)
    dead_letters = DeadLetterService(trial.post.mailboxes.looped, trial.post.store)
    ids = sorted(kept.id for kept in dead_letters.page(LetterFilter()))

    typed = trial.type("retry", "--all", "--yes", "--json")
    wait_until(lambda: trial.statuses() != {"open": 50}, what="the command to begin")
    with ThreadPoolExecutor() as people:
        list(people.map(lambda id_: dead_letters.retry([id_], who="console", why=None), ids[::-1]))
    typed.ended()

    assert trial.statuses() == {"retrying": 50}
    assert replays(trial) == {1}
    assert trial.post.mailboxes.status().waiting == 50
    trial.post.drain()
    assert checker.judge().problems == ()


def test_f59_a_letter_retried_again_after_it_was_applied_changes_nothing(
    trial: LetterTrial, checker: Checker
) -> None:
    trial.insert_letters()
    assert trial.type("retry", "evt_cus_0_0").ended()[0] == 0
    trial.post.drain()

    again = trial.type("retry", "evt_cus_0_0", "--json").told()
    trial.post.drain()

    assert again["letters"][0]["result"] == "not_open"
    assert trial.ends() == [("evt_cus_0_0", "resolved", "applied")]
    assert checker.judge().problems == ()


def test_f59_a_letter_retried_after_a_newer_event_ends_as_stale(trial: LetterTrial, checker: Checker) -> None:
    trial.insert_letters()
    trial.post.put("customer.updated", customer("cus_0", name="Newer"), id_="evt_new", created=NOW + 60)
    trial.post.drain()

    trial.type("retry", "evt_cus_0_0").ended()
    trial.post.drain()

    assert trial.ends() == [("evt_cus_0_0", "resolved", "stale")]
    assert trial.post.rows(NAMES) == [{"stripe_customer_id": "cus_0", "name": "Newer"}]
    assert checker.judge().problems == ()


def test_f59_a_letter_whose_event_stripe_sends_again_meanwhile_has_one_effect(
    trial: LetterTrial, checker: Checker
) -> None:
    trial.insert_letters()
    trial.post.put("customer.updated", customer("cus_0", name="Name 0"), id_="evt_cus_0_0")

    told = trial.type("retry", "evt_cus_0_0", "--json").told()
    trial.post.drain()

    assert told["letters"][0]["result"] == "waits_already"
    assert trial.ends() == [("evt_cus_0_0", "resolved", "applied")]
    assert checker.judge().problems == ()


def test_a_retry_killed_between_tables_and_mailboxes_heals_by_itself(
    trial: LetterTrial,
    checker: Checker,
    valkey_server: RunningServer[Valkey],
    start_worker: Callable[[], RunningWorker],
) -> None:
    trial.insert_letters(customers=5)
    with frozen(valkey_server):
        typed = trial.type("retry", "--all", "--yes")
        trial.await_statuses(retrying=5)
        typed.process.kill()
        typed.ended()
    assert trial.statuses() == {"retrying": 5}
    trial.age()

    start_worker().await_line("letters_reopened")

    assert trial.statuses() == {"open": 5}
    assert trial.type("retry", "--all", "--yes", "--wait").ended()[0] == 0
    assert trial.statuses() == {"resolved": 5}
    assert checker.judge().problems == ()


def test_letters_are_as_they_were_when_redis_does_not_answer(
    trial: LetterTrial, valkey_server: RunningServer[Valkey]
) -> None:
    trial.insert_letters(customers=5)
    with frozen(valkey_server):
        code, output, errors = trial.type("retry", "--all", "--yes").ended()

    assert (code, "Requeued 0 of 5" in output, "Redis" in errors) == (1, True, True)
    assert trial.statuses() == {"open": 5}
    assert replays(trial) == {0}


def test_an_operation_killed_in_the_middle_is_continued_and_does_nothing_twice(
    trial: LetterTrial, checker: Checker
) -> None:
    trial.insert_letters(customers=60)
    typed = trial.type("retry", "--all", "--yes", "--rate", "40")
    wait_until(lambda: trial.statuses().get("retrying", 0) >= 12, what="three batches", seconds=20)
    typed.process.kill()
    typed.ended()
    assert trial.type("retry", "--all", "--yes").ended()[0] == 1  # it may still live
    trial.age()

    code, output, _ = trial.type("continue", "1").ended()

    assert (code, "60 of 60 in all" in output) == (0, True)
    assert trial.statuses() == {"retrying": 60}
    assert replays(trial) == {1}
    trial.post.drain()
    assert checker.judge().problems == ()


def test_ctrl_c_in_the_middle_of_many_leaves_each_letter_back_or_open(trial: LetterTrial) -> None:
    trial.insert_letters(customers=100)
    typed = trial.type("retry", "--all", "--yes", "--rate", "20")
    wait_until(lambda: "retrying" in trial.statuses(), what="the first batch", seconds=20)
    typed.process.send_signal(signal.SIGINT)

    code, output, _ = typed.ended()

    statuses = trial.statuses()
    assert (code, sorted(statuses)) == (1, ["open", "retrying"])
    assert statuses["retrying"] == trial.post.mailboxes.status().waiting
    assert f"Requeued {statuses['retrying']} of 100 letters" in output
    assert f"{statuses['open']} not begun" in output
