"""`cogento endpoint` beside a simulated Stripe, through the SDK as it is."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner, Result

from cogento.cli.main import main
from cogento.local.stripe.endpoints import Endpoints
from cogento.local.stripe.errors import Fault, FaultKind, trouble_at_stripe
from cogento.reconcile.sweep import TYPES
from cogento.settings import EX_CONFIG
from cogento.stripe.api import API_VERSION
from tests.support.simulated_stripe import SimulatedStripe
from tests.support.stripe_asking import KEY

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from cogento.local.stripe.http_server import Request

# The SDK's own way of posting with httpx.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")

HOST = "https://hooks.example.com"
ADDRESS = f"{HOST}/webhooks/stripe"


@pytest.fixture
def stripe(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[SimulatedStripe]:
    """An account without endpoints, that this process's settings name, and no server of ours."""
    simulated = SimulatedStripe()
    before = dict(os.environ)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STRIPE_API_KEY", KEY)
    monkeypatch.setenv("STRIPE_API_BASE", simulated.url)
    yield simulated
    simulated.close()
    os.environ.clear()
    os.environ.update(before)


def run(*words: str) -> Result:
    return CliRunner().invoke(main, ["endpoint", *words], prog_name="cogento")


def existing(stripe: SimulatedStripe, **changed: object) -> None:
    """Give the account an endpoint as somebody made it by hand."""
    made = {
        "id": f"we_{len(stripe.api.endpoints.made)}",
        "object": "webhook_endpoint",
        "api_version": API_VERSION,
        "enabled_events": [*TYPES],
        "livemode": False,
        "status": "enabled",
        "url": ADDRESS,
    }
    stripe.api.endpoints.made.insert(0, made | changed)


def graded(result: Result) -> dict[str, str]:
    """What `show --json` says of the first endpoint."""
    return {one["subject"]: one["grade"] for one in json.loads(result.stdout)[0]["findings"]}


def test_an_endpoint_is_made_for_exactly_our_types_in_a_pinned_version(stripe: SimulatedStripe) -> None:
    result = run("create", HOST)

    (made,) = stripe.api.endpoints.made
    assert result.exit_code == 0, result.output
    assert (made["url"], made["api_version"]) == (ADDRESS, API_VERSION)
    assert tuple(made["enabled_events"]) == TYPES


def test_its_secret_is_printed_once_and_shown_by_nothing_later(stripe: SimulatedStripe) -> None:
    told = json.loads(run("create", ADDRESS, "--json").stdout)

    assert told["secret"].startswith("whsec_")
    assert len(told["secret"]) >= 32
    assert told["secret"] not in run("show").output + run("show", "--json").output


def test_for_a_person_the_secret_is_the_line_to_set(stripe: SimulatedStripe) -> None:
    printed = run("create", HOST).output

    assert printed.count("whsec_") == 1
    assert "\nSTRIPE_WEBHOOK_SECRET=whsec_" in printed


def test_one_that_was_made_is_found_good(stripe: SimulatedStripe) -> None:
    run("create", HOST)

    shown = run("show", "--json")

    assert shown.exit_code == 0
    assert set(graded(shown).values()) == {"good"}


def test_no_second_one_is_made_for_an_address(stripe: SimulatedStripe) -> None:
    existing(stripe, status="disabled")

    result = run("create", HOST)

    assert (result.exit_code, len(stripe.api.endpoints.made)) == (1, 1)
    assert "we_0 has this address already" in result.output


def test_other_endpoints_stay_as_they_were(stripe: SimulatedStripe) -> None:
    existing(stripe, url="https://other.example.com/hooks", enabled_events=["charge.failed"])
    before = json.dumps(stripe.api.endpoints.made)

    run("create", HOST)

    assert json.dumps(stripe.api.endpoints.made[1:]) == before


def test_an_answer_that_is_lost_makes_no_second_endpoint(
    stripe: SimulatedStripe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cogento.stripe.requests.next_delay", lambda *_, **__: 0)
    create, asked = Endpoints._create, []

    def create_and_fail(endpoints: Endpoints, request: Request, *, now: int) -> dict[str, Any]:
        asked.append(request.headers["idempotency-key"])
        made = create(endpoints, request, now=now)
        if len(asked) == 1:
            raise trouble_at_stripe(500)
        return made

    monkeypatch.setattr(Endpoints, "_create", create_and_fail)

    result = run("create", HOST)

    assert result.exit_code == 0, result.output
    assert len(asked) == 2
    assert len(stripe.api.endpoints.made) == 1


@pytest.mark.parametrize(
    ("changed", "subject", "grade"),
    [
        ({"status": "disabled"}, "status", "bad"),
        ({"enabled_events": [*TYPES[1:]]}, "events", "bad"),
        ({"enabled_events": ["*"]}, "events", "good"),
        ({"enabled_events": [*TYPES, "charge.failed"]}, "events", "good"),
        ({"api_version": None}, "version", "warning"),
        ({"api_version": "2019-12-03"}, "version", "good"),
        ({"api_version": "2031-01-01.later"}, "version", "warning"),
        ({"url": "https://hooks.example.com/"}, "address", "bad"),
        ({"url": "http://hooks.example.com/webhooks/stripe"}, "address", "warning"),
        ({"url": "http://hooks.example.com/webhooks/stripe", "livemode": True}, "address", "bad"),
    ],
)
def test_show_says_what_is_wrong_with_an_existing_one(
    stripe: SimulatedStripe, changed: dict[str, object], subject: str, grade: str
) -> None:
    existing(stripe, **changed)

    shown = run("show", "--json")

    assert graded(shown) == {"status": "good", "address": "good", "events": "good", "version": "good"} | {
        subject: grade
    }
    assert shown.exit_code == (1 if grade == "bad" else 0)


def test_show_names_the_types_that_are_not_ticked(stripe: SimulatedStripe) -> None:
    existing(stripe, enabled_events=[*TYPES[2:]])

    assert f"{TYPES[0]}, {TYPES[1]} not sent" in " ".join(run("show").output.split())


def test_endpoints_of_other_programs_are_shown_only_when_named(stripe: SimulatedStripe) -> None:
    existing(stripe, url="https://other.example.com/hooks", enabled_events=["charge.failed"])

    assert "No endpoint in test mode sends events of ours" in run("show").output
    assert "other.example.com" in run("show", "we_0").output
    assert "other.example.com" in run("show", "other.example.com").output


def test_more_endpoints_than_a_page_are_all_found(
    stripe: SimulatedStripe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cogento.stripe.account.PAGE", 2)
    for number in range(5):
        existing(stripe, url=f"https://h{number}.example.com/webhooks/stripe")

    assert len(json.loads(run("show", "--json").stdout)) == 5


@pytest.mark.parametrize(
    ("words", "status", "sentence"),
    [
        (("create", HOST), FaultKind.FORBIDDEN, "may not make webhook endpoints"),
        (("show",), FaultKind.FORBIDDEN, "may not read webhook endpoints"),
        (("show",), FaultKind.UNAUTHORIZED, "Stripe refuses STRIPE_API_KEY"),
    ],
)
def test_a_key_without_the_right_is_one_sentence(
    stripe: SimulatedStripe, words: tuple[str, ...], status: FaultKind, sentence: str
) -> None:
    stripe.trouble(Fault(kind=status))

    result = run(*words)

    assert result.exit_code == EX_CONFIG
    assert sentence in result.output
    assert len(result.output.splitlines()) == 1


def test_a_seventeenth_endpoint_is_refused_in_words(stripe: SimulatedStripe) -> None:
    for number in range(16):
        existing(stripe, url=f"https://h{number}.example.com/webhooks/stripe")

    result = run("create", HOST)

    assert result.exit_code == 1
    assert "at most 16 endpoints" in result.output


@pytest.mark.parametrize(
    "url",
    [
        "hooks.example.com",
        "https://h.example.com/other",
        "https://h.example.com/webhooks/stripe?a=b",
        "https://",
    ],
)
def test_an_address_that_no_receiver_has_is_not_understood(stripe: SimulatedStripe, url: str) -> None:
    result = run("create", url)

    assert (result.exit_code, stripe.requests) == (2, 0)


def test_without_a_key_nothing_is_asked(stripe: SimulatedStripe, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STRIPE_API_KEY")

    result = run("show")

    assert (result.exit_code, stripe.requests) == (EX_CONFIG, 0)
    assert "set STRIPE_API_KEY" in result.output
