"""Logging in and out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cogento.console.passwords import PasswordHash, hash_password
from cogento.console.web.login import LOGIN_COOKIE, MAX_NAME_LENGTH, SESSION_COOKIE, ConsoleRole
from cogento.console.web.sessions import MAX_SESSION_SECONDS, Sessions, connect_sessions
from cogento.local.ports import free_port
from tests.support.console_login import (
    CHEAP,
    HTTPS,
    PASSWORD,
    RETRY,
    VIEWERS_PASSWORD,
    Browser,
    console_with_login,
    is_in,
    log_in,
    token_of,
)
from tests.support.fake_console import FakeDeadLetters

if TYPE_CHECKING:
    from redis import Redis


def test_stranger_is_sent_to_the_login(browser: Browser) -> None:
    answer = browser().get("/console", base_url=HTTPS)
    assert (answer.status_code, answer.location) == (302, "/console/login")


def test_stranger_sees_no_live_part(browser: Browser) -> None:
    assert browser().get("/console/live", base_url=HTTPS).status_code == 401


def test_password_lets_in(browser: Browser) -> None:
    client = browser()
    assert log_in(client).status_code == 303
    assert is_in(client)


def test_wrong_password_does_not(browser: Browser) -> None:
    client = browser()
    assert log_in(client, "correct horse batterY").status_code == 401
    assert not is_in(client)


def test_each_login_has_a_session_of_its_own(browser: Browser) -> None:
    client = browser()
    log_in(client)
    first = client.get_cookie(SESSION_COOKIE)
    log_in(client)
    assert client.get_cookie(SESSION_COOKIE) != first


def test_b83_session_that_was_fixed_beforehand_is_worth_nothing(browser: Browser) -> None:
    client = browser()
    client.set_cookie(SESSION_COOKIE, "chosen-by-the-attacker", secure=True)
    log_in(client)
    thief = browser()
    thief.set_cookie(SESSION_COOKIE, "chosen-by-the-attacker", secure=True)
    assert not is_in(thief)


def test_redis_holds_no_session_id_that_could_be_used(browser: Browser, redis: Redis) -> None:
    client = browser()
    log_in(client)
    cookie = client.get_cookie(SESSION_COOKIE)
    assert cookie is not None
    assert cookie.value not in repr(list(redis.scan_iter()))


def test_b83_logged_out_session_is_over_for_everyone_who_has_it(browser: Browser) -> None:
    client, copy = browser(), browser()
    log_in(client)
    cookie = client.get_cookie(SESSION_COOKIE)
    assert cookie is not None
    copy.set_cookie(SESSION_COOKIE, cookie.value, secure=True)
    token = token_of(client.get("/console", base_url=HTTPS))
    client.post("/console/logout", base_url=HTTPS, data={"token": token})
    assert not is_in(copy)


def test_user_is_shown_by_name_and_role(browser: Browser) -> None:
    client = browser()
    log_in(client, VIEWERS_PASSWORD, name="  Ada   Lovelace ")
    assert "Ada Lovelace · viewer" in client.get("/console", base_url=HTTPS).text


@pytest.mark.parametrize("name", ["", "   ", "x" * (MAX_NAME_LENGTH + 1), "a\0b", "a\u202eb"])
def test_name_is_needed_and_of_letters(browser: Browser, name: str) -> None:
    client = browser()
    assert log_in(client, name=name).status_code == 400
    assert not is_in(client)


def test_viewer_sees_every_page_and_no_button(browser: Browser) -> None:
    client = browser()
    log_in(client, VIEWERS_PASSWORD)
    page = client.get("/console/letters/1", base_url=HTTPS)
    assert page.status_code == 200
    assert "Retry" not in page.text
    assert "Discard" not in page.text


def test_viewer_logs_out(browser: Browser) -> None:
    client = browser()
    log_in(client, VIEWERS_PASSWORD)
    token = token_of(client.get("/console", base_url=HTTPS))
    assert client.post("/console/logout", base_url=HTTPS, data={"token": token}).status_code == 302
    assert not is_in(client)


def test_changed_password_ends_the_sessions_of_the_old_one(
    browser: Browser, passwords: dict[ConsoleRole, PasswordHash], redis: Redis
) -> None:
    client = browser()
    log_in(client)
    cookie = client.get_cookie(SESSION_COOKIE)
    assert cookie is not None
    changed = passwords | {ConsoleRole.OPERATOR: hash_password("another horse battery", hasher=CHEAP)}
    restarted = console_with_login(redis, changed).test_client()
    restarted.set_cookie(SESSION_COOKIE, cookie.value, secure=True)
    assert not is_in(restarted)
    assert is_in(client)


def test_session_of_a_release_without_names_is_none(redis: Redis) -> None:
    sessions = Sessions(redis)
    session = sessions.begin(name="ops-1", credential="1")
    (key,) = redis.scan_iter()
    redis.hdel(key, "name", "credential")
    assert sessions.find(session.id) is None


def test_new_login_ends_the_session_before(browser: Browser) -> None:
    client, copy = browser(), browser()
    log_in(client)
    cookie = client.get_cookie(SESSION_COOKIE)
    assert cookie is not None
    copy.set_cookie(SESSION_COOKIE, cookie.value, secure=True)
    log_in(client)
    assert not is_in(copy)


def test_letter_is_retried_by_who_is_logged_in(browser: Browser, dead_letters: FakeDeadLetters) -> None:
    client = browser()
    log_in(client)
    token = token_of(client.get("/console/letters/1", base_url=HTTPS))
    assert client.post(RETRY, base_url=HTTPS, data={"token": token, "why": "tried"}).status_code == 303
    assert [(done.action, done.who) for done in dead_letters.done] == [("retry", "ops-1 (console)")]


def test_login_without_the_form_s_token_is_refused(browser: Browser) -> None:
    client = browser()
    client.set_cookie(LOGIN_COOKIE, "a", secure=True)
    answer = client.post("/console/login", base_url=HTTPS, data={"password": PASSWORD, "token": "b"})
    assert answer.status_code == 403


def test_idle_session_ends_by_itself(redis: Redis) -> None:
    Sessions(redis).begin(name="ops-1", credential="1")
    (key,) = redis.scan_iter()
    assert 0 < redis.ttl(key) <= 1800


def test_session_ends_after_a_working_day_however_busy(redis: Redis) -> None:
    began = Sessions(redis, clock=lambda: 1_000_000).begin(name="ops-1", credential="1")
    assert Sessions(redis, clock=lambda: 1_000_000 + MAX_SESSION_SECONDS - 1).find(began.id) == began
    assert Sessions(redis, clock=lambda: 1_000_000 + MAX_SESSION_SECONDS).find(began.id) is None


def test_nobody_gets_in_while_redis_is_away(passwords: dict[ConsoleRole, PasswordHash]) -> None:
    away = connect_sessions(f"redis://127.0.0.1:{free_port()}/0")
    client = console_with_login(away, passwords).test_client()
    client.set_cookie(SESSION_COOKIE, "any", secure=True)
    answers = {client.get("/console", base_url=HTTPS).status_code, log_in(client).status_code}
    assert answers == {503}


def test_metrics_need_no_session_but_their_own_guard(browser: Browser) -> None:
    here = browser().get("/metrics", base_url=HTTPS)
    elsewhere = browser().get("/metrics", base_url=HTTPS, environ_overrides={"REMOTE_ADDR": "10.0.0.1"})
    assert (here.status_code, elsewhere.status_code) == (200, 404)


def test_health_needs_no_session(browser: Browser) -> None:
    assert browser().get("/healthz", base_url=HTTPS).status_code == 200
