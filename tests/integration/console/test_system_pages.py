"""Activity and System over real servers: what was done, and what the servers are; and with one of them away."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import SecretStr

from cogento import runtime
from cogento.console.poller import StatusPoller
from cogento.console.sweeping import SweepRunner
from cogento.console.system import SystemService, newest_revision
from cogento.console.web.activity import LISTED
from cogento.local.ports import free_port
from cogento.queue.durability import AckDurability
from cogento.queue.worker_registry import Heartbeat
from cogento.settings import ConsoleSettings
from cogento.store.activity import Action
from cogento.store.store import Store
from tests.support.fake_console import fake_console
from tests.support.looped import LoopedMailboxes
from tests.support.servers import wait_until

if TYPE_CHECKING:
    from flask.testing import FlaskClient

SCRIPT = "<script>alert(1)</script>"
SECRET = "sk_test_canary"
JSON = {"Accept": "application/json"}


def settings_of(database_url: str, redis_url: str, **more: Any) -> ConsoleSettings:
    return ConsoleSettings(database_url=SecretStr(database_url), redis_url=SecretStr(redis_url), **more)


def browser(store: Store, mailboxes: LoopedMailboxes, settings: ConsoleSettings) -> FlaskClient:
    poller = StatusPoller(mailboxes.looped, store)
    poller.poll()
    limiter = mailboxes.looped.rate_limiter(requests_per_second=settings.stripe_requests_per_second)
    return fake_console(
        poller=poller,
        activity=store.activity,
        system=SystemService(settings, mailboxes.looped, store, limiter),
        sweeps=SweepRunner(settings, mailboxes.looped, store),
    ).test_client()


@pytest.fixture
def settings(database_url: str, redis_url: str) -> ConsoleSettings:
    return settings_of(database_url, redis_url, stripe_requests_per_second=7)


@pytest.fixture
def client(store: Store, mailboxes: LoopedMailboxes, settings: ConsoleSettings) -> FlaskClient:
    mailboxes.workers.beat(Heartbeat("host:1", "0.1.0", mailboxes.now_ms() - 60_000, None), {})
    return browser(store, mailboxes, settings)


def record(store: Store, who: str = "ops-1", why: str = "INC-7", *, about: str = "cus_a") -> None:
    details = {"letter": 7, "note": SCRIPT}
    done = store.activity.record(who=who, action=Action.PAUSE, about=about, why=why, details=details)
    runtime.run(done)


def test_activity_tells_who_did_what_when_and_why(store: Store, client: FlaskClient) -> None:
    record(store)
    record(store, "ops-2", about="cus_b")
    page = client.get("/console/activity").text
    assert ("ops-1" in page, "ops-2" in page, "INC-7" in page) == (True, True, True)
    assert '<a href="/console/letters/7">letter 7</a>' in page
    mine = client.get("/console/activity?who=ops-2&action=pause&about=cus_b").text
    assert ("cus_a" in mine, "cus_b" in mine) == (False, True)
    assert "Nothing like this was done." in client.get("/console/activity?action=forget").text


def test_activity_is_paged_by_keyset(store: Store, client: FlaskClient) -> None:
    for number in range(LISTED + 2):
        record(store, why=f"reason {number}.")
    first = client.get("/console/activity?who=ops-1").text
    (older,) = re.findall(r'href="([^"]+)">Older →', first)
    assert (f"reason {LISTED + 1}." in first, "reason 1." in first) == (True, False)
    second = client.get(older.replace("&amp;", "&")).text
    assert ("reason 1." in second, "reason 0." in second, "Older →" in second) == (True, True, False)
    found = json.loads(client.get("/console/activity", headers=JSON).text)
    assert (len(found["entries"]), found["entries"][-1]["id"]) == (LISTED, found["older"])


def test_what_operators_typed_is_shown_as_text(store: Store, client: FlaskClient) -> None:
    record(store, SCRIPT, SCRIPT, about=SCRIPT)
    page = client.get("/console/activity", query_string={"who": SCRIPT, "about": SCRIPT}).text
    assert "&lt;script&gt;" in page
    assert SCRIPT not in page


@pytest.mark.parametrize("query", ["below=-1", "below=x", f"below={2**63}", "who=%00", f"about={'x' * 256}"])
def test_an_address_that_asks_for_nothing_is_refused(client: FlaskClient, query: str) -> None:
    assert client.get(f"/console/activity?{query}").status_code == 400


def test_the_system_tells_what_its_servers_are(client: FlaskClient) -> None:
    page = client.get("/console/system").text
    assert f"{newest_revision()} (current)" in page
    assert "noeviction" in page
    assert "redis_fsync" in page or "redis (" in page
    assert "at most 7.0 requests a second now" in page
    assert "host:1" in page
    assert "never asked by the console" in page


def test_the_system_as_json_has_the_same_values(client: FlaskClient) -> None:
    found = json.loads(client.get("/console/system", headers=JSON).text)
    assert found["postgres"]["revision"] == found["release"]["revision"] == newest_revision()
    assert found["redis"]["answer_seconds"] > 0
    assert found["workers"][0]["worker"] == "host:1"


def test_no_secret_is_shown(
    store: Store, mailboxes: LoopedMailboxes, database_url: str, redis_url: str
) -> None:
    settings = settings_of(
        database_url, redis_url, stripe_api_key=SecretStr(SECRET), metrics_token=SecretStr("canary" * 6)
    )
    client = browser(store, mailboxes, settings)
    for_people = client.get("/console/system").text
    for_programs = client.get("/console/system", headers=JSON).text
    assert "STRIPE_API_KEY" in for_people
    assert "canary" not in for_people + for_programs
    assert database_url not in for_people + for_programs
    assert redis_url not in for_people + for_programs


def test_a_worker_that_vanished_is_told(
    store: Store, mailboxes: LoopedMailboxes, settings: ConsoleSettings
) -> None:
    vanished_ms = mailboxes.now_ms() - 60_000
    runtime.run(
        mailboxes.looped._server.ask("HSET", "{cogento:0}:workers", "0", f"{vanished_ms} host:9 1 0 0.1.0")
    )
    page = browser(store, mailboxes, settings).get("/console/system").text
    assert re.search(r'host:9.*?<i class="bad">vanished</i>', page, flags=re.DOTALL)


def test_postgres_away_leaves_redis_to_be_shown(mailboxes: LoopedMailboxes, redis_url: str) -> None:
    url = f"postgresql://cogento@127.0.0.1:{free_port()}/cogento"
    store = runtime.run(Store.open(url, pool_size=1, application_name="test"))
    answer = browser(store, mailboxes, settings_of(url, redis_url)).get("/console/system")
    assert answer.status_code == 200
    assert "PostgreSQL is unreachable" in answer.text
    assert "noeviction" in answer.text


def test_redis_away_leaves_postgres_to_be_shown(store: Store, database_url: str) -> None:
    url = f"redis://127.0.0.1:{free_port()}/0"
    away = LoopedMailboxes.connect(url, ack=AckDurability.REDIS)
    answer = browser(store, away, settings_of(database_url, url)).get("/console/system")
    assert answer.status_code == 200
    assert "Redis is not reachable, or refuses the command" in answer.text
    assert "(current)" in answer.text


def press(client: FlaskClient, **fields: str) -> int:
    token = re.findall(r'name="token" value="([^"]+)"', client.get("/console/system").text)
    return client.post(
        "/console/system/sweep", data={"token": token[0] if token else "", **fields}
    ).status_code


def test_a_sweep_without_a_key_is_not_offered(client: FlaskClient) -> None:
    assert "Run now" not in client.get("/console/system").text


def test_a_sweep_that_is_asked_for_is_recorded_and_says_how_it_ended(
    store: Store, mailboxes: LoopedMailboxes, database_url: str, redis_url: str
) -> None:
    nowhere = f"http://127.0.0.1:{free_port()}"
    settings = settings_of(database_url, redis_url, stripe_api_key=SecretStr(SECRET), stripe_api_base=nowhere)
    client = browser(store, mailboxes, settings)
    assert press(client) == 400
    assert press(client, why="INC-7") == 303
    wait_until(
        lambda: "stopped" in client.get("/console/system").text, what="the sweep to give up", seconds=60
    )
    (done,) = runtime.run(store.activity.page(action=Action.SWEEP))
    assert (done.who, done.why) == ("local (console)", "INC-7")
