"""A page or command that cannot reach one server says so and shows what the other one knows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cogento import runtime
from cogento.console.customers import CustomerService
from cogento.console.dead_letters import DeadLetterService
from cogento.local.ports import free_port
from cogento.queue.durability import AckDurability
from tests.support import builders
from tests.support.fake_console import fake_console
from tests.support.looped import LoopedMailboxes
from tests.support.store_letters import letter

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flask.testing import FlaskClient

    from cogento.store.store import Store
    from tests.integration.console.conftest import Run
    from tests.support.stores import Happened

ADA = builders.customer("cus_ada", email="ada@example.com", name="Ada")


@pytest.fixture
def nowhere() -> str:
    """Where no Redis answers."""
    return f"redis://127.0.0.1:{free_port()}/0"


@pytest.fixture
def browser(nowhere: str, store: Store, applied: Happened) -> Iterator[FlaskClient]:
    """At a console that reaches the tables alone; in them are a customer and its dead letter."""
    applied("customer.created", ADA, id_="evt_ada")
    runtime.run(store.insert_dead_letters([letter("1", customer_id="cus_ada", object_id="cus_ada")]))
    away = LoopedMailboxes.connect(nowhere, ack=AckDurability.REDIS)
    letters, customers = DeadLetterService(away.looped, store), CustomerService(away.looped, store)
    yield fake_console(mailboxes=away.looped, dead_letters=letters, customers=customers).test_client()
    away.close()


def number_of(store: Store) -> int:
    return runtime.run(store.letters.page())[0].id


def test_customer_shows_rows_and_events_while_redis_is_away(browser: FlaskClient) -> None:
    answer = browser.get("/console/customers/cus_ada?event=evt_ada")
    assert answer.status_code == 503
    assert "Redis could not be read: nothing is told of what waits" in answer.text
    assert "<li>evt_ada: applied: first event of this object" in answer.text
    assert "Timeline, newest first" in answer.text
    assert "ada@example.com" in answer.text
    assert ">Pause</button>" not in answer.text


def test_letter_on_its_way_back_is_shown_while_redis_is_away(browser: FlaskClient, store: Store) -> None:
    number = number_of(store)
    runtime.run(store.letters.retry([number], who="ada", why="fixed"))
    answer = browser.get(f"/console/letters/{number}")
    assert answer.status_code == 200
    assert "Redis could not be read, so it is not known where its event is now." in answer.text


@pytest.mark.parametrize(
    ("action", "said"), [("retry", "nothing can be retried until it"), ("discard", "how many")]
)
def test_confirmation_counts_while_redis_is_away(browser: FlaskClient, action: str, said: str) -> None:
    answer = browser.get(f"/console/letters/{action}")
    assert answer.status_code == 200
    assert "1 dead letter of 1 customer?" in answer.text
    assert f"Redis could not be read: {said}" in answer.text


def test_what_takes_redis_says_so_while_it_is_away(browser: FlaskClient) -> None:
    answer = browser.get("/console/customers/cus_ada/forget")
    assert (answer.status_code, "Redis is not reachable, or refuses the command" in answer.text) == (
        503,
        True,
    )


@pytest.mark.usefixtures("browser")
def test_explain_tells_what_the_tables_know_while_redis_is_away(
    run: Run, nowhere: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REDIS_URL", nowhere)
    told = run("explain", "cus_ada")
    assert told.exit_code == 1
    assert "Redis could not be read: nothing is told of what waits" in told.stdout
    assert "evt_ada" in told.stdout
    assert "Redis is not reachable, or refuses the command" in told.stderr
