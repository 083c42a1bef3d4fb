"""A console behind passwords, in this process, and browsers that log in to it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from argon2 import PasswordHasher
from argon2.profiles import CHEAPEST
from flask.testing import FlaskClient

from cogento.console.passwords import PasswordHash, hash_password
from cogento.console.web.login import ConsoleRole, LoginViews
from cogento.console.web.proxies import Proxies
from cogento.console.web.sessions import LoginLimiter, Sessions
from tests.support.fake_console import FakeDeadLetters, fake_console

if TYPE_CHECKING:
    from flask import Flask
    from redis import Redis
    from werkzeug.test import TestResponse

CHEAP = PasswordHasher.from_parameters(CHEAPEST)
PASSWORD = "correct horse battery"
VIEWERS_PASSWORD = "staple correct horse"
WRONG = "wrong wrong wrong"
HTTPS = "https://localhost"
RETRY = "/console/letters/1/retry"
DISCARD = "/console/letters/1/discard"

Browser = Callable[[], FlaskClient]


def cheap_passwords() -> dict[ConsoleRole, PasswordHash]:
    """Return a password hash for each role, cheap to check."""
    return {
        ConsoleRole.OPERATOR: hash_password(PASSWORD, hasher=CHEAP),
        ConsoleRole.VIEWER: hash_password(VIEWERS_PASSWORD, hasher=CHEAP),
    }


def console_with_login(
    redis: Redis,
    passwords: Mapping[ConsoleRole, PasswordHash],
    *,
    dead_letters: FakeDeadLetters | None = None,
    proxies: Proxies | None = None,
) -> Flask:
    """Make the application."""
    login = LoginViews(passwords, Sessions(redis), LoginLimiter(redis), proxies=proxies)
    letters = dead_letters or FakeDeadLetters()
    return fake_console(dead_letters=letters, login=login, proxies=proxies)


def token_of(page: TestResponse) -> str:
    """The token of the first form on a page."""
    token: str = re.findall(r'name="token" value="([^"]+)"', page.text)[0]
    return token


def log_in(
    client: FlaskClient,
    password: str = PASSWORD,
    *,
    name: str = "ops-1",
    address: str = "10.0.0.1",
    headers: Mapping[str, str] | None = None,
    more: Mapping[str, str] | None = None,
) -> TestResponse:
    """Ask for the form, and send it; `more` are the fields that it carries along."""
    token = token_of(client.get("/console/login", base_url=HTTPS))
    return client.post(
        "/console/login",
        base_url=HTTPS,
        data={"name": name, "password": password, "token": token, **(more or {})},
        environ_overrides={"REMOTE_ADDR": address},
        headers=headers,
    )


def is_in(client: FlaskClient) -> bool:
    """Whether the browser is shown the overview."""
    return client.get("/console", base_url=HTTPS).status_code == 200


def fields_of(page: TestResponse, form: str) -> dict[str, str]:
    """What the hidden inputs of a page's form hold; `form` is its action."""
    (inside,) = re.findall(
        rf'<form[^>]* action="{re.escape(form)}"[^>]*>(.*?)</form>', page.text, flags=re.DOTALL
    )
    return dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', inside))
