"""`cogento check` against real servers, with a simulated Stripe and addresses that answer oddly."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
import redis

from cogento import runtime
from cogento.console import check
from cogento.console.check_stripe import TOLERANCE_SECONDS
from cogento.console.findings import good
from cogento.local.stripe.errors import Fault, FaultKind
from cogento.local.stripe.http_server import Response, serving
from cogento.reconcile.sweep import TYPES
from cogento.settings import EX_CONFIG
from cogento.store.migrate import migrate
from cogento.stripe.api import API_VERSION
from tests.support.databases import let_in
from tests.support.simulated_stripe import SimulatedStripe
from tests.support.stripe_asking import KEY

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from click.testing import Result

    from cogento.local.stripe.http_server import Request
    from tests.integration.console.conftest import Run

SECRET = f"whsec_{'a' * 32}"


ASK_RECEIVER = check._check_receiver


@pytest.fixture(autouse=True)
def _configured(monkeypatch: pytest.MonkeyPatch) -> None:
    """A receiver is a process, which takes a second to ask: only tests with `asked_receiver` ask it."""
    monkeypatch.setenv("STRIPE_WEBHOOK_SECRET", SECRET)
    monkeypatch.setattr(check, "_check_receiver", lambda: good("receiver", "not asked"))


@pytest.fixture
def asked_receiver(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the receiver say itself whether it would start."""
    monkeypatch.setattr(check, "_check_receiver", ASK_RECEIVER)


@pytest.fixture
def stripe(monkeypatch: pytest.MonkeyPatch) -> Iterator[SimulatedStripe]:
    """An account whose clock is ours, with no endpoint yet."""
    simulated = SimulatedStripe()
    simulated.now = int(time.time())
    monkeypatch.setattr("cogento.stripe.requests.next_delay", lambda *_, **__: 0)
    monkeypatch.setenv("STRIPE_API_KEY", KEY)
    monkeypatch.setenv("STRIPE_API_BASE", simulated.url)
    yield simulated
    simulated.close()


@pytest.fixture
def receiver(stripe: SimulatedStripe) -> Iterator[dict[str, Any]]:
    """What answers at the address that the account's endpoint has; `answer` is what it answers."""
    asked: dict[str, Any] = {"answer": Response(405, headers={"Allow": "POST", "Server": "nginx"})}

    async def handler(_request: Request) -> Response:
        answer: Response = asked["answer"]
        return answer

    running = serving(handler)
    url = runtime.run(running.__aenter__())
    asked["url"] = f"{url}/webhooks/stripe"
    stripe.api.endpoints.made.append(
        {
            "id": "we_1",
            "object": "webhook_endpoint",
            "api_version": API_VERSION,
            "enabled_events": [*TYPES],
            "livemode": False,
            "status": "enabled",
            "url": asked["url"],
        }
    )
    yield asked
    runtime.run(running.__aexit__(None, None, None))


def graded(result: Result, subject: str) -> list[tuple[str, str]]:
    """Grades and texts of one subject in `check --json`."""
    findings = json.loads(result.stdout)["findings"]
    return [(one["grade"], one["text"]) for one in findings if one["subject"] == subject]


def worst_of(result: Result) -> dict[str, str]:
    """Each subject that is not good, and its grade."""
    findings = json.loads(result.stdout)["findings"]
    return {one["subject"]: one["grade"] for one in findings if one["grade"] != "good"}


@pytest.mark.usefixtures("asked_receiver")
def test_where_all_is_well_every_line_is_good_but_the_unencrypted_address(
    run: Run, receiver: dict[str, Any]
) -> None:
    result = run("check", "--json")

    assert result.exit_code == 0, result.output
    assert worst_of(result) == {"endpoint": "warning"}
    assert graded(result, "receiver") == [("good", "may start")]
    assert graded(result, "address") == [("good", f"{receiver['url']} leads to a receiver")]
    assert "nginx" in graded(result, "proxy")[0][1]
    assert len(graded(result, "clock")) == 3


def test_for_people_each_line_begins_with_its_grade(run: Run, receiver: dict[str, Any]) -> None:
    lines = run("check").output.splitlines()

    assert lines[0].startswith("good     settings")
    assert {line.split(" ")[0] for line in lines} <= {"good", "warning", ""}


def test_changes_are_not_spoken_of_where_nobody_wants_them(run: Run) -> None:
    assert graded(run("check", "--json"), "changes") == []


@pytest.mark.parametrize(
    ("is_on", "setting", "said"),
    [
        (True, "", ("good", "kept, and announced on cogento_changes")),
        (True, "on", ("good", "kept, and announced on cogento_changes")),
        (True, "off", ("warning", "kept, and CHANGES says otherwise")),
        (False, "on", ("warning", "not kept, and CHANGES says otherwise")),
        (
            False,
            "perhaps",
            ("bad", "CHANGES is not usable: Input should be a valid boolean, unable to interpret input"),
        ),
    ],
)
def test_whether_changes_are_announced_as_the_setting_says(
    run: Run,
    database_url: str,
    monkeypatch: pytest.MonkeyPatch,
    *,
    is_on: bool,
    setting: str,
    said: tuple[str, str],
) -> None:
    migrate(database_url, changes=is_on)
    monkeypatch.setenv("CHANGES", setting)
    assert graded(run("check", "--json"), "changes") == [said]


def test_settings_that_a_process_would_refuse_are_said_once_and_by_whom(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAILBOX_SHARDS", "0")
    monkeypatch.setenv("BATCH_EVENTS", "no")

    result = run("check", "--json")

    texts = [text for _, text in graded(result, "settings")]
    assert result.exit_code == EX_CONFIG
    assert [
        text for text in texts if text.startswith("MAILBOX_SHARDS") and "(receiver, worker, console)" in text
    ]
    assert [text for text in texts if text.startswith("BATCH_EVENTS") and text.endswith("(worker)")]


@pytest.mark.usefixtures("asked_receiver")
def test_what_the_receiver_itself_refuses_is_said_in_its_words(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLASK_DEBUG", "1")

    result = run("check", "--json")

    assert result.exit_code == EX_CONFIG
    assert graded(result, "receiver") == [
        ("bad", "FLASK_DEBUG must not be set: it shows requests to whoever causes an error")
    ]


def test_a_redis_that_cannot_keep_the_promise_is_wrong_as_configured(
    run: Run, monkeypatch: pytest.MonkeyPatch, redis_url: str
) -> None:
    with redis.Redis.from_url(redis_url) as client:
        before = client.config_get("maxmemory-policy")["maxmemory-policy"]
        client.config_set("maxmemory-policy", "allkeys-lru")
        try:
            result = run("check", "--json", "--release")
        finally:
            client.config_set("maxmemory-policy", before)

    assert result.exit_code == EX_CONFIG
    assert "throw waiting events away" in graded(result, "redis")[0][1]


def test_servers_that_are_away_are_bad_and_stop_no_release(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1/0")
    monkeypatch.setenv("DATABASE_URL", "postgresql://127.0.0.1:1/none")

    result = run("check", "--json")

    assert result.exit_code == 1
    assert {name: worst_of(result)[name] for name in ("redis", "postgresql")} == {
        "redis": "bad",
        "postgresql": "bad",
    }
    assert run("check", "--release").exit_code == 0


def test_tables_of_an_older_release_say_to_migrate(run: Run, database_url: str) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute("UPDATE cogento_alembic_version SET version_num = '0005'")

    result = run("check")

    assert result.exit_code == 1
    assert "Run `cogento migrate`." in result.output


def test_a_user_without_rights_is_told_of_which_tables(
    run: Run, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = let_in(
        "looks_only",
        database_url,
        "GRANT USAGE ON SCHEMA cogento_internal TO looks_only",
        "GRANT SELECT ON ALL TABLES IN SCHEMA public, cogento_internal TO looks_only",
        "GRANT INSERT, UPDATE ON users TO looks_only",
    )
    monkeypatch.setenv("DATABASE_URL", url)

    result = run("check", "--json")

    (found,) = graded(result, "rights")
    assert result.exit_code == EX_CONFIG
    assert "subscriptions, sweep_progress, user_roles, webhook_events" in found[1]
    assert "users," not in found[1]


@pytest.mark.parametrize(
    ("fault", "grade", "text"),
    [
        (Fault(kind=FaultKind.UNAUTHORIZED), "bad", "Stripe refuses STRIPE_API_KEY"),
        (Fault(kind=FaultKind.FORBIDDEN, path="/v1/events"), "bad", "STRIPE_API_KEY may not read Events."),
        (Fault(kind=FaultKind.FORBIDDEN, path="/v1/webhook"), "good", "reads all it must, test mode"),
        (Fault(kind=FaultKind.RESET), "warning", "Try again later; nothing is lost."),
    ],
)
def test_the_key_is_judged_by_what_it_may_read(
    run: Run, stripe: SimulatedStripe, fault: Fault, grade: str, text: str
) -> None:
    stripe.trouble(fault)

    ((found, said),) = graded(run("check", "--json"), "key")

    assert found == grade
    assert text in said


@pytest.mark.parametrize(
    ("apart", "grade"), [(5, "good"), (-100, "warning"), (TOLERANCE_SECONDS + 60, "bad"), (-400, "bad")]
)
def test_this_machines_clock_is_held_against_stripes(
    run: Run, stripe: SimulatedStripe, apart: int, grade: str
) -> None:
    stripe.now += apart

    assert graded(run("check", "--json"), "clock")[-1][0] == grade


def test_an_account_whose_endpoints_send_us_nothing_is_wrong_unless_we_poll(
    run: Run, stripe: SimulatedStripe, monkeypatch: pytest.MonkeyPatch
) -> None:
    without = run("check", "--json")
    monkeypatch.setenv("STRIPE_POLL_SECONDS", "3")
    monkeypatch.delenv("STRIPE_WEBHOOK_SECRET")

    polled = run("check", "--json")

    assert (without.exit_code, polled.exit_code) == (EX_CONFIG, 0), polled.output
    assert "`cogento endpoint create URL` makes one" in run("check").output or "endpoint" not in worst_of(
        polled
    )
    assert worst_of(polled) == {}


def test_what_is_wrong_at_stripe_stops_no_release(run: Run, stripe: SimulatedStripe) -> None:
    stripe.trouble(Fault(kind=FaultKind.UNAUTHORIZED))

    assert (run("check").exit_code, run("check", "--release").exit_code) == (EX_CONFIG, 0)


@pytest.mark.parametrize(
    ("answer", "grade", "text"),
    [
        (
            Response(301, headers={"Location": "https://www.example.com/"}),
            "bad",
            "redirects to https://www.example.com/",
        ),
        (Response(403), "bad", "wants a login"),
        (Response(404), "bad", "as no receiver does"),
        (Response(503), "bad", "answers 503"),
    ],
)
def test_an_address_that_is_no_receivers_is_found(
    run: Run, receiver: dict[str, Any], answer: Response, grade: str, text: str
) -> None:
    receiver["answer"] = answer

    ((found, said),) = graded(run("check", "--json"), "address")

    assert found == grade
    assert text in said


def test_a_host_that_dns_does_not_know_is_said_to_be_that(run: Run) -> None:
    ((_, said),) = graded(
        run("check", "--json", "--url", "https://cogento.invalid/webhooks/stripe"), "address"
    )

    assert "DNS knows no cogento.invalid" in said


def test_a_local_run_is_checked_with_its_own_secret(
    run: Run, redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("STRIPE_WEBHOOK_SECRET")
    facts = {"redis_url": redis_url, "webhook_secret": SECRET}
    (tmp_path / "run.json").write_text(json.dumps(facts))

    assert graded(run("check", "--json", "--data", str(tmp_path)), "settings") == [
        ("good", "usable by every process")
    ]


def test_a_receiver_that_polls_has_no_need_of_is_judged_all_the_same(
    run: Run, stripe: SimulatedStripe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STRIPE_POLL_SECONDS", "3")
    monkeypatch.setenv("WEB_CONCURRENCY", "many")

    assert graded(run("check", "--json"), "settings")[0][0] == "bad"


def test_without_a_key_that_is_a_warning_and_no_fault(run: Run) -> None:
    result = run("check", "--json")

    assert result.exit_code == 0
    assert worst_of(result) == {"key": "warning"}
