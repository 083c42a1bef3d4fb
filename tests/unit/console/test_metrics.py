"""The console's /metrics: that it shows what its poller saw, and to whom."""

from __future__ import annotations

import pytest

from tests.support.fake_console import fake_console
from tests.unit.console.test_pages import AWAY, BUSY

TOKEN = "t" * 32
HERE = {"REMOTE_ADDR": "127.0.0.1"}
ELSEWHERE = {"REMOTE_ADDR": "10.0.0.7"}


def status(environ: dict[str, str], *, token: str | None = None, **headers: str) -> int:
    app = fake_console(BUSY, metrics_token=token)
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    return app.test_client().get("/metrics", environ_overrides=environ, headers=sent).status_code


def test_shows_what_the_watch_saw_of_both_servers() -> None:
    client = fake_console(BUSY).test_client()
    lines = client.get("/metrics").text.splitlines()
    assert {"cogento_queue_events 10.0", "cogento_ambiguous_rows 1.0"} <= set(lines)
    assert {'cogento_up{dependency="redis"} 1.0', 'cogento_up{dependency="postgres"} 1.0'} <= set(lines)


def test_shows_that_servers_are_away() -> None:
    client = fake_console(AWAY).test_client()
    lines = [line for line in client.get("/metrics").text.splitlines() if not line.startswith("#")]
    assert lines == ['cogento_up{dependency="redis"} 0.0', 'cogento_up{dependency="postgres"} 0.0']


def test_says_in_which_format_it_speaks() -> None:
    client = fake_console(BUSY).test_client()
    assert client.get("/metrics").content_type.startswith("text/plain; version=")


def test_without_a_token_this_machine_may_ask() -> None:
    assert status(HERE) == 200


def test_without_a_token_nobody_else_may() -> None:
    assert status(ELSEWHERE) == 404


@pytest.mark.parametrize("header", ["X_Forwarded_For", "Forwarded", "Via"])
def test_forwarded_request_is_not_this_machine_s(header: str) -> None:
    assert status(HERE, **{header: "127.0.0.1"}) == 404


def test_with_a_token_whoever_bears_it_may_ask() -> None:
    assert status(ELSEWHERE, token=TOKEN, Authorization=f"Bearer {TOKEN}") == 200


@pytest.mark.parametrize("offered", ["", "Bearer ", f"Bearer {TOKEN}x", TOKEN, "Bearer \xe9"])
def test_with_a_token_nothing_else_will_do(offered: str) -> None:
    assert status(HERE, token=TOKEN, Authorization=offered) == 404
