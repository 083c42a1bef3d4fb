"""What we ask of Stripe, against the simulated one and the SDK as it is."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from cogento.events.event import read_event
from cogento.events.fetched import fetched_event_body
from cogento.events.kinds import CUSTOMER, SUBSCRIPTION
from cogento.events.kinds.kind import Parts
from cogento.events.names import ObjectId
from cogento.local.services import ROOT
from cogento.local.stripe.http_server import Request, Response
from cogento.retries import FailureClass
from cogento.stripe.api import API_VERSION, StripeApi
from cogento.stripe.errors import StripeApiError
from tests.support import builders
from tests.support.stripe_asking import NOW, Asking, asked
from tests.support.stripe_histories import START, lived

if TYPE_CHECKING:
    from pathlib import Path

    from cogento.local.stripe.account import Account

DATE = {"Date": "Sat, 01 Nov 2025 12:00:00 GMT"}


@pytest.fixture(scope="module")
def account() -> Account:
    return lived(steps=900, population=150)


@pytest.fixture
def asking(account: Account) -> Asking:
    return Asking(account)


def test_a_fetched_customer_is_stripes_own_bytes_and_second(asking: Asking, account: Account) -> None:
    customer_id = ObjectId(next(iter(account.live_customers)))

    answer = asking.run(lambda api: api.fetch(CUSTOMER, customer_id))

    event = read_event(fetched_event_body(answer.body, fetched_at=answer.at, api_version=API_VERSION))
    assert (event.object_id, event.created) == (customer_id, NOW)
    assert asking.rate_limit.taken == 1


def test_a_deleted_customer_is_fetched_as_its_stub(asking: Asking, account: Account) -> None:
    gone = next(one.id for one in account.customers.values() if one.deleted)

    answer = asking.run(lambda api: api.fetch(CUSTOMER, ObjectId(gone)))

    assert json.loads(answer.body) == builders.deleted_customer(gone)


def test_what_stripe_does_not_know_is_missing_and_not_deleted(asking: Asking) -> None:
    with pytest.raises(StripeApiError) as raised:
        asking.run(lambda api: api.fetch(CUSTOMER, ObjectId("cus_unheard_of")))

    assert raised.value.is_missing
    assert asking.rate_limit.taken == 1


@pytest.mark.parametrize("strange", ["../events", "cus_1?limit=1", "cus_1/sources", "%2e%2e/events"])
def test_an_id_with_other_characters_asks_for_nothing_else(asking: Asking, strange: str) -> None:
    with pytest.raises(StripeApiError) as refused:
        asking.run(lambda api: api.fetch(CUSTOMER, ObjectId(strange)))

    assert refused.value.is_missing


def test_several_who_want_one_object_at_once_cost_one_request(asking: Asking, account: Account) -> None:
    customer_id = ObjectId(next(iter(account.live_customers)))

    async def at_once(api: StripeApi) -> list[bytes]:
        wanted = (api.fetch(CUSTOMER, customer_id) for _ in range(20))
        return [answer.body for answer in await asyncio.gather(*wanted)]

    bodies = asking.run(at_once)

    assert len(set(bodies)) == 1
    assert asking.rate_limit.taken == 1


def test_an_answer_is_not_kept_for_who_asks_later(asking: Asking, account: Account) -> None:
    customer_id = ObjectId(next(iter(account.live_customers)))

    async def one_after_the_other(api: StripeApi) -> None:
        await api.fetch(CUSTOMER, customer_id)
        await api.fetch(CUSTOMER, customer_id)

    asking.run(one_after_the_other)

    assert asking.rate_limit.taken == 2


def test_events_are_listed_by_type_and_second_a_page_at_a_time(asking: Asking, account: Account) -> None:
    types = ("customer.created", "customer.updated")
    wanted = [e.id for e in account.events if e.type in types and START + 10 <= e.created < START + 150]

    async def pages(api: StripeApi) -> list[str]:
        ids: list[str] = []
        after, has_more = None, True
        while has_more:
            page = await api.events(types, since=START + 10, before=START + 150, after_id=after)
            after, has_more = page.last_id, page.has_more
            ids += [json.loads(one)["id"] for one in page.objects]
        return ids

    listed = asking.run(pages)

    assert sorted(listed) == sorted(wanted)
    assert asking.rate_limit.taken == -(-len(wanted) // 100) > 1


def test_a_listed_event_is_what_its_webhook_carried(asking: Asking, account: Account) -> None:
    page = asking.run(lambda api: api.events(["customer.updated"], since=START, before=NOW))

    event = read_event(page.objects[0])

    told = account.event(event.id)
    assert told is not None
    assert (told.type, told.created, told.state.id) == (event.type, event.created, event.object_id)


def test_a_list_may_be_empty(asking: Asking) -> None:
    page = asking.run(lambda api: api.events(["customer.updated"], since=NOW - 1000, before=NOW - 999))

    assert (page.objects, page.last_id, page.has_more, page.at) == ((), None, False, NOW)


def test_canceled_subscriptions_are_listed_too(asking: Asking) -> None:
    page = asking.run(lambda api: api.objects(SUBSCRIPTION))

    assert "canceled" in {json.loads(one)["status"] for one in page.objects}


def test_a_subscription_that_does_not_carry_all_its_items_is_completed() -> None:
    whole = [builders.item(f"si_{n}") for n in range(3)]
    cut = builders.subscription("sub_1", items=whole[:1])
    cut["items"]["has_more"] = True

    async def answer(request: Request) -> Response:
        after = dict(request.query).get("starting_after")
        items = {None: whole[:2], "si_1": whole[2:]}[after]
        document = cut if request.path.endswith("sub_1") else {"data": items, "has_more": after is None}
        return Response(200, json.dumps(document).encode(), DATE)

    fetched = asked(answer, lambda api: api.fetch(SUBSCRIPTION, ObjectId("sub_1")))

    event = read_event(fetched_event_body(fetched.body, fetched_at=fetched.at, api_version=API_VERSION))
    assert not event.version.partial
    assert [row["id"] for row in json.loads(fetched.body)["items"]["data"]] == ["si_0", "si_1", "si_2"]


def test_parts_that_lie_below_their_object_are_asked_for_there() -> None:
    kind = replace(SUBSCRIPTION, parts=Parts("items", "/v1/subscriptions/{id}/items"))
    cut = builders.subscription("sub_1", items=[builders.item("si_0")])
    cut["items"]["has_more"] = True
    whole = {"data": [builders.item("si_0"), builders.item("si_1")], "has_more": False}

    async def answer(request: Request) -> Response:
        document = {"/v1/subscriptions/sub_1": cut, "/v1/subscriptions/sub_1/items": whole}[request.path]
        return Response(200, json.dumps(document).encode(), DATE)

    fetched = asked(answer, lambda api: api.fetch(kind, ObjectId("sub_1")))

    assert [row["id"] for row in json.loads(fetched.body)["items"]["data"]] == ["si_0", "si_1"]


def test_an_answer_without_a_date_has_no_place_in_order_and_is_none() -> None:
    async def answer(_request: Request) -> Response:
        return Response(200, json.dumps(builders.customer()).encode())

    with pytest.raises(StripeApiError, match="no date"):
        asked(answer, lambda api: api.fetch(CUSTOMER, ObjectId("cus_1")))


@pytest.mark.parametrize(
    "body", [b"", b"<html>in between</html>", b'{"id": "cus_1"', b'{"name": "\xff"}', b"[" * 5000]
)
def test_an_answer_that_is_no_json_is_none_and_may_be_asked_for_again(body: bytes) -> None:
    async def answer(_request: Request) -> Response:
        return Response(200, body, DATE)

    with pytest.raises(StripeApiError) as refused:
        asked(answer, lambda api: api.fetch(CUSTOMER, ObjectId("cus_1")))

    assert refused.value.failure is FailureClass.TRANSIENT


def test_stripe_is_told_nothing_of_the_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    told: list[Request] = []

    async def answer(request: Request) -> Response:
        told.append(request)
        return Response(200, json.dumps(builders.customer()).encode(), DATE)

    async def twice(api: StripeApi) -> None:
        await api.fetch(CUSTOMER, ObjectId("cus_1"))
        await api.fetch(CUSTOMER, ObjectId("cus_1"))

    asked(answer, twice)

    assert "x-stripe-client-telemetry" not in told[1].headers
    assert "platform" not in json.loads(told[1].headers["x-stripe-client-user-agent"])
    assert list(tmp_path.iterdir()) == []


def test_who_has_no_key_does_not_load_the_sdk() -> None:
    look = "import sys, worker.process, cogento.console.errors; print('stripe' in sys.modules)"

    said = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True, cwd=ROOT)

    assert said.stdout == "False\n"
