"""Who gets in without a password of the console's, and as whom."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from cogento.console.web.access import LocalAccess, ProxyAccess
from cogento.console.web.login import ConsoleRole, User
from cogento.console.web.proxies import Proxies
from cogento.networks import read_addresses
from tests.support.fake_console import FakeDeadLetters, fake_console, kept

if TYPE_CHECKING:
    from flask.testing import FlaskClient
    from werkzeug.test import TestResponse

HEADER = "X-Forwarded-User"
PROXY = "10.0.0.5"
RETRY = "/console/letters/1/retry"


@pytest.fixture
def dead_letters() -> FakeDeadLetters:
    return FakeDeadLetters([kept()])


def client(dead_letters: FakeDeadLetters, *operators: str) -> FlaskClient:
    access = ProxyAccess(HEADER, Proxies(read_addresses(PROXY)), frozenset(operators))
    return fake_console(dead_letters=dead_letters, login=access).test_client()


def ask(
    browser: FlaskClient, path: str = "/console", *, name: str | None = "ada", peer: str = PROXY, **more: Any
) -> TestResponse:
    headers = {} if name is None else {HEADER: name}
    return browser.open(path, headers=headers, environ_overrides={"REMOTE_ADDR": peer}, **more)


def token_for(browser: FlaskClient, name: str) -> str:
    (token, *_) = re.findall(
        r'name="token" value="([^"]+)"', ask(browser, "/console/letters/1", name=name).text
    )
    return str(token)


def test_proxy_lets_in_whom_it_names(dead_letters: FakeDeadLetters) -> None:
    answer = ask(client(dead_letters))
    assert answer.status_code == 200
    assert "ada · operator" in answer.text


def test_action_is_kept_with_the_name_that_the_proxy_gave(dead_letters: FakeDeadLetters) -> None:
    browser = client(dead_letters)
    token = token_for(browser, "ada")
    assert ask(browser, RETRY, method="POST", data={"token": token, "why": "tried"}).status_code == 303
    assert [done.who for done in dead_letters.done] == ["ada (console)"]


@pytest.mark.parametrize("peer", ["203.0.113.9", "10.0.0.6", "127.0.0.1", "::1", "", "10.0.0.5.evil"])
def test_nobody_but_the_proxy_names_anybody(dead_letters: FakeDeadLetters, peer: str) -> None:
    browser = client(dead_letters)
    answer = ask(browser, peer=peer)
    assert answer.status_code == 403
    assert "ada" not in answer.text
    assert ask(browser, RETRY, method="POST", peer=peer).status_code == 403
    assert dead_letters.done == []


def test_forwarded_address_makes_nobody_the_proxy(dead_letters: FakeDeadLetters) -> None:
    answer = client(dead_letters).get(
        "/console",
        headers={HEADER: "ada", "X-Forwarded-For": PROXY, "X-Real-IP": PROXY, "Forwarded": f"for={PROXY}"},
        environ_overrides={"REMOTE_ADDR": "203.0.113.9"},
    )
    assert answer.status_code == 403


@pytest.mark.parametrize("name", [None, "", "  ", "ada,bob", "ada, bob", "x" * 65, "a\tb\x85", "\xff\xfe"])
def test_request_without_one_clear_name_is_refused(dead_letters: FakeDeadLetters, name: str | None) -> None:
    assert ask(client(dead_letters), name=name).status_code == 403


def test_name_beyond_ascii_is_read_as_utf_8(dead_letters: FakeDeadLetters) -> None:
    answer = ask(client(dead_letters), name="Jürgen".encode().decode("latin-1"))
    assert "Jürgen · operator" in answer.text


def test_named_operators_change_things_and_the_others_look(dead_letters: FakeDeadLetters) -> None:
    browser = client(dead_letters, "ada", "grace")
    assert "ada · operator" in ask(browser).text
    assert "bob · viewer" in ask(browser, name="bob").text
    refused = ask(browser, RETRY, method="POST", name="bob", data={"token": token_for(browser, "ada")})
    assert refused.status_code == 403
    assert dead_letters.done == []


def test_b81_token_of_another_user_is_refused(dead_letters: FakeDeadLetters) -> None:
    browser = client(dead_letters)
    token = token_for(browser, "bob")
    assert ask(browser, RETRY, method="POST", data={"token": token}).status_code == 403
    assert dead_letters.done == []


def test_there_is_no_login_beside_the_proxy(dead_letters: FakeDeadLetters) -> None:
    assert ask(client(dead_letters), "/console/login").status_code == 404


def test_local_user_has_a_name(dead_letters: FakeDeadLetters) -> None:
    access = LocalAccess(User("grace", ConsoleRole.OPERATOR))
    browser = fake_console(dead_letters=dead_letters, login=access).test_client()
    page = browser.get("/console/letters/1")
    assert "grace · operator" in page.text
    (token, *_) = re.findall(r'name="token" value="([^"]+)"', page.text)
    browser.post(RETRY, data={"token": token, "why": "tried"})
    assert [done.who for done in dead_letters.done] == ["grace (console)"]
