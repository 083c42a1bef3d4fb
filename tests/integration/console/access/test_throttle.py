"""Guessing the password is slow for the guesser, and for nobody else."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from cogento.console.passwords import PasswordHash
from cogento.console.web.browsers import BROWSER_COOKIE
from cogento.console.web.login import MAX_PASSWORD_CHECKS, ConsoleRole
from cogento.console.web.proxies import Proxies
from cogento.console.web.sessions import MAX_LOGIN_ATTEMPTS, TRIES_KEY, LoginLimiter, whose
from cogento.networks import read_networks
from tests.support.console_login import (
    HTTPS,
    PASSWORD,
    VIEWERS_PASSWORD,
    WRONG,
    Browser,
    cheap_passwords,
    console_with_login,
    is_in,
    log_in,
    token_of,
)
from tests.support.servers import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask.testing import FlaskClient
    from redis import Redis


def test_guesser_has_to_wait_even_with_the_right_password(browser: Browser) -> None:
    client = browser()
    wrong = [log_in(client, WRONG).status_code for _ in range(MAX_LOGIN_ATTEMPTS)]
    assert wrong == [401] * MAX_LOGIN_ATTEMPTS
    assert log_in(client).status_code == 429


def test_a8_wrong_passwords_lock_out_their_own_address_and_no_other(browser: Browser) -> None:
    guesser = browser()
    wrong = [log_in(guesser, WRONG, address="10.0.0.9").status_code for _ in range(25)]
    assert wrong == [401] * MAX_LOGIN_ATTEMPTS + [429] * (25 - MAX_LOGIN_ATTEMPTS)
    assert log_in(browser(), address="10.0.0.1").status_code == 303
    assert log_in(browser(), address="10.0.0.9").status_code == 429


def test_a8_guessing_from_many_addresses_locks_out_nobody_else(browser: Browser, redis: Redis) -> None:
    tries = LoginLimiter(redis)
    assert all(tries.allow(f"10.0.{n // 200}.{n % 200}") for n in range(1000))
    assert log_in(browser(), address="10.9.9.9").status_code == 303


@pytest.mark.parametrize(
    ("one", "other", "are_one"),
    [
        pytest.param("2001:db8:0:1::1", "2001:db8:0:1:ffff::2", True, id="one-network"),
        pytest.param("2001:db8:0:1::1", "2001:db8:0:2::1", False, id="two-networks"),
        pytest.param("::ffff:10.0.0.1", "::ffff:10.0.0.2", False, id="two-of-ipv4"),
        pytest.param("10.0.0.1", "10.0.0.2", False, id="neighbours-of-ipv4"),
    ],
)
def test_a8_who_owns_a_network_of_ipv6_has_the_tries_of_one(
    redis: Redis, one: str, other: str, *, are_one: bool
) -> None:
    tries = LoginLimiter(redis)
    assert [tries.allow(whose(one)) for _ in range(MAX_LOGIN_ATTEMPTS + 1)][-1] is False
    assert tries.allow(whose(other)) is not are_one


class SlowPassword:
    """A password whose check takes as long as the test wants."""

    def __init__(self) -> None:
        self.fingerprint = "slow"
        self.looks = 0
        self.go_on = threading.Event()

    def matches(self, _password: str) -> bool:
        self.looks += 1
        return self.go_on.wait(30)


def test_a8_a_flood_of_tries_leaves_threads_for_the_pages_and_counts_against_nobody(redis: Redis) -> None:
    slow = SlowPassword()
    app = console_with_login(redis, {ConsoleRole.OPERATOR: slow})  # type: ignore[dict-item]
    with ThreadPoolExecutor(MAX_PASSWORD_CHECKS) as pool:
        flood = [
            pool.submit(log_in, app.test_client(), "x", address=f"10.0.1.{n}")
            for n in range(MAX_PASSWORD_CHECKS)
        ]
        wait_until(
            lambda: len(list(redis.scan_iter())) == MAX_PASSWORD_CHECKS, what="the flood to wait for its turn"
        )
        late = [log_in(app.test_client(), address="10.0.0.1").status_code for _ in range(10)]
        slow.go_on.set()
    assert late == [503] * 10
    assert slow.looks == MAX_PASSWORD_CHECKS
    assert [each.result().status_code for each in flood] == [303] * MAX_PASSWORD_CHECKS
    assert log_in(app.test_client(), address="10.0.0.1").status_code == 303


def test_forwarded_address_is_not_believed(browser: Browser, redis: Redis) -> None:
    tries = LoginLimiter(redis)
    assert [tries.allow("127.0.0.1") for _ in range(MAX_LOGIN_ATTEMPTS + 1)][-1] is False
    client = browser()
    token = token_of(client.get("/console/login", base_url=HTTPS))
    answer = client.post(
        "/console/login",
        base_url=HTTPS,
        data={"name": "ops-1", "password": PASSWORD, "token": token},
        headers={"X-Forwarded-For": "10.9.9.9"},
    )
    assert answer.status_code == 429


def test_window_of_tries_ends_by_itself(redis: Redis) -> None:
    LoginLimiter(redis).allow("10.0.0.1")
    lives = [redis.ttl(key) for key in redis.scan_iter()]
    assert len(lives) == 1
    assert 0 < min(lives) <= max(lives) <= 900


def test_right_passwords_do_not_count(browser: Browser) -> None:
    answers = [log_in(browser()).status_code for _ in range(2 * MAX_LOGIN_ATTEMPTS)]
    assert answers == [303] * 2 * MAX_LOGIN_ATTEMPTS


def test_viewer_cannot_guess_on_at_the_operators_password_between_logins(browser: Browser) -> None:
    wrong = [log_in(browser(), WRONG).status_code for _ in range(MAX_LOGIN_ATTEMPTS - 1)]
    assert wrong == [401] * (MAX_LOGIN_ATTEMPTS - 1)
    assert log_in(browser(), VIEWERS_PASSWORD).status_code == 303
    assert [log_in(browser(), WRONG).status_code for _ in range(2)] == [401, 429]


PROXY = Proxies(read_networks("10.0.0.5"))


@pytest.fixture
def behind_proxy(redis: Redis, passwords: dict[ConsoleRole, PasswordHash]) -> Browser:
    """A new browser at a console behind a proxy, whose address is 10.0.0.5."""
    return console_with_login(redis, passwords, proxies=PROXY).test_client


def through_proxy(client: FlaskClient, password: str, client_address: str, said: str = "") -> int:
    """Log in through the proxy, which appends the client's address to what the client said."""
    forwarded = ", ".join(filter(None, [said, client_address]))
    headers = {"X-Forwarded-For": forwarded}
    return log_in(client, password, address="10.0.0.5", headers=headers).status_code


def test_a8_stranger_behind_the_same_proxy_locks_out_nobody(behind_proxy: Browser) -> None:
    wrong = [through_proxy(behind_proxy(), WRONG, "203.0.113.9") for _ in range(MAX_LOGIN_ATTEMPTS + 1)]
    assert wrong[-1] == 429
    assert through_proxy(behind_proxy(), PASSWORD, "203.0.113.1") == 303


def test_a8_stranger_behind_a_proxy_gets_no_more_tries_by_forging_addresses(behind_proxy: Browser) -> None:
    tries = [
        through_proxy(behind_proxy(), WRONG, "203.0.113.9", f"198.51.100.{n}")
        for n in range(MAX_LOGIN_ATTEMPTS + 1)
    ]
    assert tries[-1] == 429


def test_a8_browser_that_logged_in_before_is_not_locked_out_by_others_at_its_address(
    browser: Browser,
) -> None:
    known = browser()
    assert log_in(known).status_code == 303
    wrong = [log_in(browser(), WRONG).status_code for _ in range(MAX_LOGIN_ATTEMPTS + 1)]
    assert wrong[-1] == 429
    assert log_in(browser()).status_code == 429
    assert log_in(known).status_code == 303


def test_a8_browser_that_logged_in_before_has_the_tries_of_one(browser: Browser) -> None:
    known = browser()
    log_in(known)
    wrong = [log_in(known, WRONG, address=f"10.0.2.{n}").status_code for n in range(MAX_LOGIN_ATTEMPTS + 1)]
    assert wrong == [401] * MAX_LOGIN_ATTEMPTS + [429]
    assert log_in(browser()).status_code == 303  # others at its address go on


@pytest.mark.parametrize(
    "forge", [lambda cookie: cookie[1:], lambda cookie: cookie[:-1], lambda cookie: f"a{cookie}"]
)
def test_a8_forged_cookie_makes_no_known_browser(browser: Browser, forge: Callable[[str], str]) -> None:
    known, forger = browser(), browser()
    log_in(known)
    cookie = known.get_cookie(BROWSER_COOKIE)
    assert cookie is not None
    forger.set_cookie(BROWSER_COOKIE, forge(cookie.value), secure=True)
    tries = [log_in(forger, WRONG).status_code for _ in range(MAX_LOGIN_ATTEMPTS)]
    assert tries == [401] * MAX_LOGIN_ATTEMPTS
    assert log_in(browser(), WRONG).status_code == 429  # it counted as its address


def test_a8_new_passwords_know_no_browser(browser: Browser, redis: Redis) -> None:
    known = browser()
    log_in(known)
    cookie = known.get_cookie(BROWSER_COOKIE)
    assert cookie is not None
    changed = console_with_login(redis, cheap_passwords()).test_client
    late = changed()
    late.set_cookie(BROWSER_COOKIE, cookie.value, secure=True)
    assert [log_in(changed(), WRONG).status_code for _ in range(MAX_LOGIN_ATTEMPTS)][-1] == 401
    assert log_in(late).status_code == 429


def test_a8_cookie_of_a_known_browser_lets_nobody_in(browser: Browser) -> None:
    known, thief = browser(), browser()
    log_in(known)
    cookie = known.get_cookie(BROWSER_COOKIE)
    assert cookie is not None
    assert cookie.max_age == 90 * 24 * 60 * 60
    thief.set_cookie(BROWSER_COOKIE, cookie.value, secure=True)
    assert not is_in(thief)


def test_a8_a_flood_of_strangers_holds_up_no_browser_that_logged_in_before(redis: Redis) -> None:
    slow = SlowPassword()
    slow.go_on.set()
    app = console_with_login(redis, {ConsoleRole.OPERATOR: slow})  # type: ignore[dict-item]
    known = app.test_client()
    log_in(known)
    slow.go_on.clear()
    with ThreadPoolExecutor(MAX_PASSWORD_CHECKS + 1) as pool:
        for n in range(MAX_PASSWORD_CHECKS):
            pool.submit(log_in, app.test_client(), "x", address=f"10.0.1.{n}")
        wait_until(
            lambda: len(list(redis.scan_iter(TRIES_KEY.format("*")))) == 1 + MAX_PASSWORD_CHECKS,
            what="the flood to take every place of strangers",
        )
        assert log_in(app.test_client()).status_code == 503
        late = pool.submit(log_in, known)
        slow.go_on.set()
    assert late.result().status_code == 303
