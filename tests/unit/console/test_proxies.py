"""Which client a request comes from: as far as trusted proxies say, and no further."""

from __future__ import annotations

import pytest
from flask import Flask

from cogento.console.web.proxies import Proxies
from cogento.networks import read_networks
from tests.support.fake_console import fake_console

PROXIES = Proxies(read_networks("10.0.0.5,10.0.1.0/24,2001:db8::5"))
NONE = Proxies()


def client_of(proxies: Proxies, peer: str, forwarded: str | None) -> str:
    headers = {} if forwarded is None else {"X-Forwarded-For": forwarded}
    with Flask(__name__).test_request_context("/", headers=headers, environ_base={"REMOTE_ADDR": peer}):
        return proxies.client()


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        pytest.param("10.0.0.5", "203.0.113.7", "203.0.113.7", id="one-proxy"),
        pytest.param(
            "10.0.0.5", "198.51.100.1, 203.0.113.7", "203.0.113.7", id="what-the-client-said-before"
        ),
        pytest.param("10.0.0.5", "203.0.113.7, 10.0.1.9", "203.0.113.7", id="two-proxies"),
        pytest.param(
            "10.0.0.5", "1.1.1.1, 203.0.113.7, 10.0.1.9", "203.0.113.7", id="two-proxies-and-a-liar"
        ),
        pytest.param("10.0.0.5", "203.0.113.7,10.0.2.9", "10.0.2.9", id="a-proxy-that-is-not-listed"),
        pytest.param("10.0.0.5", None, "10.0.0.5", id="the-proxy-itself"),
        pytest.param("10.0.0.5", "", "10.0.0.5", id="empty"),
        pytest.param("10.0.0.5", "unknown", "10.0.0.5", id="no-address"),
        pytest.param("10.0.0.5", "203.0.113.7, <script>", "10.0.0.5", id="rubbish-is-not-skipped"),
        pytest.param("10.0.0.5", "203.0.113.7:61234", "203.0.113.7", id="with-a-port"),
        pytest.param("10.0.0.5", "[2001:db8::7]:61234", "2001:db8::7", id="ipv6-with-a-port"),
        pytest.param("10.0.0.5", "2001:db8::7", "2001:db8::7", id="ipv6"),
        pytest.param("::ffff:10.0.0.5", "203.0.113.7", "203.0.113.7", id="peer-as-ipv6"),
        pytest.param("10.0.0.5", "::ffff:203.0.113.7", "203.0.113.7", id="client-as-ipv6"),
        pytest.param("2001:db8::5", "203.0.113.7", "203.0.113.7", id="proxy-of-ipv6"),
        pytest.param("203.0.113.9", "198.51.100.1", "203.0.113.9", id="a-stranger-forges"),
        pytest.param("10.0.0.5", "10.0.1.1, 10.0.1.2", "10.0.1.1", id="proxies-all-the-way"),
        pytest.param("", "198.51.100.1", "", id="no-peer"),
    ],
)
def test_client_is_the_nearest_that_is_no_trusted_proxy(
    peer: str, forwarded: str | None, client: str
) -> None:
    assert client_of(PROXIES, peer, forwarded) == client


def test_b22_without_trusted_proxies_no_header_counts() -> None:
    assert client_of(NONE, "127.0.0.1", "198.51.100.1") == "127.0.0.1"


@pytest.fixture
def console() -> Flask:
    return fake_console(proxies=PROXIES)


def test_page_asked_for_without_encryption_is_answered_by_the_way_to_https(console: Flask) -> None:
    answer = console.test_client().get(
        "/console/letters?fingerprint=f00d",
        headers={"X-Forwarded-Proto": "http"},
        environ_overrides={"REMOTE_ADDR": "10.0.0.5"},
    )
    assert (answer.status_code, answer.location) == (
        308,
        "https://localhost/console/letters?fingerprint=f00d",
    )


def test_form_sent_without_encryption_is_refused(console: Flask) -> None:
    answer = console.test_client().post(
        "/console/letters/1/retry",
        headers={"X-Forwarded-Proto": "http"},
        environ_overrides={"REMOTE_ADDR": "10.0.0.5"},
    )
    assert answer.status_code == 403
    assert "https" in answer.text


@pytest.mark.parametrize(
    ("peer", "scheme", "path"),
    [
        pytest.param("10.0.0.5", "https", "/console", id="encrypted"),
        pytest.param("10.0.0.5", "http, https", "/console", id="encrypted-on-the-last-stretch"),
        pytest.param("10.0.0.5", "http", "/healthz", id="probe"),
        pytest.param("203.0.113.9", "http", "/console", id="a-stranger-says-so"),
    ],
)
def test_other_requests_are_answered(console: Flask, peer: str, scheme: str, path: str) -> None:
    answer = console.test_client().get(
        path, headers={"X-Forwarded-Proto": scheme}, environ_overrides={"REMOTE_ADDR": peer}
    )
    assert answer.status_code == 200


@pytest.mark.parametrize(("listed", "peer"), [("127.0.0.1", "::1"), ("::1", "127.0.0.1")])
def test_a_proxy_on_this_machine_may_call_by_either_loopback_address(listed: str, peer: str) -> None:
    assert client_of(Proxies(read_networks(listed)), peer, "203.0.113.7") == "203.0.113.7"
    assert client_of(Proxies(read_networks("10.0.0.5")), peer, "203.0.113.7") == peer
