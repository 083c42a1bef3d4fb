"""The 18 histories, sent to each of the three one event at a time: how many end with a wrong row?

Everything has happened at Stripe before the first webhook comes; whoever asks Stripe gets the final state.
"""

from __future__ import annotations

import http.client
import sys
import time
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from random import Random
from typing import TYPE_CHECKING, Any

from bench.compared.databases import databases
from bench.compared.histories import HISTORIES, Story
from bench.compared.judging import found_in, wanted_of, wrong_rows
from bench.compared.setups import NAMES, running_setup
from cogento import runtime
from cogento.accounts import WEBHOOK_PATH
from cogento.local.ports import LOCALHOST
from cogento.local.services import SIMULATED_KEY
from cogento.local.stripe.account import Account
from cogento.local.stripe.api import Api
from cogento.local.stripe.errors import Faults
from cogento.local.stripe.http_server import serving
from cogento.local.stripe.truth import truth
from tests.support.builders import SECRET, signed_header
from tests.support.stripe_asking import EverythingDelivered

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from bench.compared.databases import Databases
    from bench.compared.histories import Deliveries
    from bench.compared.judging import Found, Shown
    from bench.compared.setups import Setup

ACCEPTED = 200
POST_SECONDS = 30


@dataclass(frozen=True, slots=True)
class Case:
    """One history: its description, its webhooks as they come, and its customer and subscription."""

    says: str
    deliveries: Deliveries
    ids: tuple[str, str]


@dataclass(frozen=True, slots=True)
class Judged:
    """How a history ended: what is wrong (empty: nothing), and whether every wrong row is marked unsure."""

    says: str
    wrong: Sequence[str]
    says_so: bool


def told(account: Account) -> list[Case]:
    """Have all 18 happen in an account."""
    cases = []
    for number, history in enumerate(HISTORIES, start=1):
        story = Story(account, number)
        says = str(history.__doc__)
        cases.append(Case(says, history(story), (story.customer.id, story.subscription.id)))
    return cases


def measured() -> dict[str, Any]:
    """Run every history for each of the three, by default and with asking Stripe; returns what came out wrong."""
    account = Account(Random(1))
    cases, wanted = told(account), wanted_of(truth(account))
    with databases() as made, asked(account) as api:
        return {
            name: {
                "default": _one(made, name, cases, wanted),
                "asking": _one(made, name, cases, wanted, api=api),
            }
            for name in NAMES
        }


def _one(
    made: Databases,
    name: str,
    cases: Sequence[Case],
    wanted: Mapping[str, Shown],
    *,
    api: Asked | None = None,
) -> dict[str, Any]:
    before = api.requests if api else 0
    with (
        made.one_for(name) as database_url,
        running_setup(name, made.servers, database_url, stripe_url=api.url if api else None) as setup,
    ):
        for case in cases:
            deliver(setup, case.deliveries)
        judged = [judge(case, wanted, found_in(name, database_url)) for case in cases]
    wrong = [one for one in judged if one.wrong]
    print(f"cases: {name}{' asking' if api else ''}: {len(wrong)} of {len(cases)} wrong", file=sys.stderr)
    return {
        "cases": len(cases),
        "wrong": len(wrong),
        "wrong_and_says_so": sum(one.says_so for one in wrong),
        "requests": api.requests - before if api else 0,
        "by_case": [asdict(one) for one in judged],
    }


def deliver(setup: Setup, deliveries: Deliveries) -> None:
    """Send one webhook after the other, each once the previous one is in the tables."""
    for body in deliveries:
        status = post(setup.port, body)
        if status != ACCEPTED:
            print(f"answered {status}: {body[:60]!r}", file=sys.stderr)
        setup.settle()


def post(port: int, body: bytes) -> int:
    """Send one webhook, signed now; the status of the answer."""
    connection = http.client.HTTPConnection(LOCALHOST, port, timeout=POST_SECONDS)
    try:
        header = signed_header(body, timestamp=int(time.time()), secret=SECRET)
        connection.request(
            "POST", WEBHOOK_PATH, body, {"Content-Type": "application/json", "Stripe-Signature": header}
        )
        return connection.getresponse().status
    finally:
        connection.close()


def judge(case: Case, wanted: Mapping[str, Shown], found: Found) -> Judged:
    """Say what is wrong with the rows of one history."""
    its_own = wrong_rows(
        {one: wanted[one] for one in case.ids if one in wanted},
        found.only(case.ids),
    )
    return Judged(case.says, [str(one) for one in its_own], all(one.says_so for one in its_own))


@dataclass(frozen=True, slots=True)
class Asked:
    """An account's Stripe API over HTTP, and a count of its requests."""

    url: str
    api: Api

    @property
    def requests(self) -> int:
        """How many came."""
        return self.api.requests.total()


@contextmanager
def asked(account: Account) -> Iterator[Asked]:
    """Serve it for the length of the block."""
    api = Api(
        account, EverythingDelivered(), Faults(Random(1)), api_key=SIMULATED_KEY, now=lambda: int(time.time())
    )
    server = serving(api.answer)
    url = runtime.run(server.__aenter__())
    try:
        yield Asked(url, api)
    finally:
        runtime.run(server.__aexit__(None, None, None))
