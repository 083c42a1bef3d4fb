"""The simulated API as Stripe's own SDK sees it."""

from __future__ import annotations

import asyncio
from random import Random
from typing import TYPE_CHECKING, Any, TypeVar

import pytest
import stripe

from cogento.local.stripe.api import Api
from cogento.local.stripe.errors import Fault, FaultKind, Faults
from cogento.local.stripe.http_server import serving
from cogento.local.stripe.objects import Customer
from cogento.local.stripe.shapes import LEGACY
from tests.support.stripe_histories import START, STEPS_A_SECOND, lived

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from cogento.local.stripe.account import Account

    Ask = Callable[..., Any]

KEY = "sk_test_simulated"
STEPS = 900
NOW = START + STEPS // STEPS_A_SECOND

T = TypeVar("T")
E = TypeVar("E", bound=stripe.StripeError)


class _Delivered:
    """A record in which the first event is still to be delivered and the second was lost."""

    def __init__(self, account: Account) -> None:
        self._pending, self._lost = (event.id for event in account.events[:2])

    def is_pending(self, event_id: str) -> bool:
        return event_id == self._pending

    def has_failed(self, event_id: str) -> bool:
        return event_id == self._lost


@pytest.fixture(scope="module")
def account() -> Account:
    return lived(steps=STEPS, population=150)


@pytest.fixture
def faults() -> Faults:
    return Faults(Random(1))


@pytest.fixture
def ask(account: Account, faults: Faults) -> Ask:
    """Run a coroutine function with a client of the SDK; `key` and `now` may be given."""

    def run(
        work: Callable[[stripe.StripeClient], Awaitable[T]], *, key: str = KEY, now: int = NOW, **options: Any
    ) -> T:
        async def asked() -> T:
            api = Api(account, _Delivered(account), faults, api_key=KEY, now=lambda: now)
            http = stripe.HTTPXClient(timeout=options.pop("timeout_seconds", 5))
            try:
                async with serving(api.answer) as url:
                    client = stripe.StripeClient(
                        key, base_addresses={"api": url}, http_client=http, max_network_retries=0, **options
                    )
                    return await work(client)
            finally:
                await http.close_async()  # type: ignore[no-untyped-call]

        return asyncio.run(asked())

    return run


async def _ids(listing: Awaitable[Any]) -> list[str]:
    return [one.id async for one in (await listing).auto_paging_iter()]


def _live_ids(account: Account) -> set[str]:
    return {one.id for one in account.customers.values() if not one.deleted}


def _error(ask: Ask, work: Callable[..., Any], kind: type[E], **options: Any) -> E:
    with pytest.raises(kind) as raised:
        ask(work, **options)
    return raised.value


def test_the_sdk_pages_through_every_live_customer_newest_first(ask: Ask, account: Account) -> None:
    ids = ask(lambda client: _ids(client.v1.customers.list_async({"limit": 7})))
    created = [account.customers[an_id].created for an_id in ids]
    assert set(ids) == _live_ids(account)
    assert len(set(ids)) == len(ids)
    assert created == sorted(created, reverse=True)


def test_the_sdk_pages_backwards_too(ask: Ask, account: Account) -> None:
    oldest = next(iter(account.customers))
    query = {"limit": 7, "ending_before": oldest}
    ids = ask(lambda client: _ids(client.v1.customers.list_async(query)))
    assert set(ids) == _live_ids(account) - {oldest}


def test_a_customer_is_retrieved_as_it_is_now(ask: Ask, account: Account) -> None:
    expected = account.customers[next(iter(account.live_customers))]
    found = ask(lambda client: client.v1.customers.retrieve_async(expected.id))
    assert (found.email, found.name, found.metadata.to_dict()) == (
        expected.email,
        expected.name,
        expected.metadata,
    )


def test_a_deleted_customer_is_a_stub(ask: Ask, account: Account) -> None:
    gone = next(one for one in account.customers.values() if one.deleted)
    found = ask(lambda client: client.v1.customers.retrieve_async(gone.id))
    assert found.to_dict() == {"id": gone.id, "object": "customer", "deleted": True}


def test_subscriptions_leave_out_the_canceled_unless_all_are_asked_for(ask: Ask, account: Account) -> None:
    subscriptions = account.subscriptions.values()
    usual = ask(lambda client: _ids(client.v1.subscriptions.list_async({"limit": 100})))
    everyone = ask(lambda client: _ids(client.v1.subscriptions.list_async({"limit": 100, "status": "all"})))
    assert set(usual) == {one.id for one in subscriptions if one.status != "canceled"}
    assert set(everyone) == set(account.subscriptions)


def test_subscriptions_can_be_asked_for_by_stretch_of_seconds(ask: Ask, account: Account) -> None:
    query = {"status": "all", "limit": 100, "created": {"gte": START + 10, "lt": START + 20}}
    ids = ask(lambda client: _ids(client.v1.subscriptions.list_async(query)))
    assert set(ids) == {
        one.id for one in account.subscriptions.values() if START + 10 <= one.created < START + 20
    }
    assert ids


def test_subscriptions_can_be_asked_for_by_customer(ask: Ask, account: Account) -> None:
    customer = next(one.customer for one in account.subscriptions.values())
    query = {"status": "all", "customer": customer}
    ids = ask(lambda client: _ids(client.v1.subscriptions.list_async(query)))
    assert set(ids) == {one.id for one in account.subscriptions_of(customer)}


def test_objects_take_the_shape_of_the_version_asked_for(ask: Ask, account: Account) -> None:
    an_id = next(iter(account.live_subscriptions))
    found = ask(lambda client: client.v1.subscriptions.retrieve_async(an_id), stripe_version=LEGACY)
    assert found.current_period_start == account.subscriptions[an_id].period_start


def test_events_can_be_asked_for_by_type_and_time(ask: Ask, account: Account) -> None:
    types = ["customer.created", "customer.deleted"]
    query = {"types": types, "created": {"gte": START + 5}, "limit": 100}
    ids = ask(lambda client: _ids(client.v1.events.list_async(query)))
    expected = {one.id for one in account.events if one.type in types and one.created >= START + 5}
    assert set(ids) == expected


@pytest.mark.parametrize(("succeeded", "which"), [("false", slice(0, 2)), ("true", slice(2, None))])
def test_events_can_be_asked_for_by_what_became_of_them(
    ask: Ask, account: Account, succeeded: str, which: slice
) -> None:
    query = {"delivery_success": succeeded == "true", "limit": 100}
    ids = ask(lambda client: _ids(client.v1.events.list_async(query)))
    assert set(ids) == {one.id for one in account.events[which]}


def test_an_event_is_retrieved_with_what_its_webhook_said(ask: Ask, account: Account) -> None:
    expected = next(one for one in account.events if one.before is not None)
    found = ask(lambda client: client.v1.events.retrieve_async(expected.id))
    assert (found.type, found.created, found.data.object["id"]) == (
        expected.type,
        expected.created,
        expected.object_id,
    )
    assert found.data.previous_attributes


def test_events_older_than_thirty_days_are_gone(ask: Ask) -> None:
    month_later = NOW + 31 * 86_400
    assert ask(lambda client: _ids(client.v1.events.list_async({})), now=month_later) == []


@pytest.mark.parametrize("service", ["customers", "subscriptions", "events"])
def test_what_does_not_exist_is_missing(ask: Ask, service: str) -> None:
    error = _error(
        ask, lambda client: getattr(client.v1, service).retrieve_async("nobody"), stripe.InvalidRequestError
    )
    assert (error.http_status, error.code, error.param) == (404, "resource_missing", "id")


def test_an_unknown_cursor_is_a_bad_request(ask: Ask) -> None:
    error = _error(
        ask,
        lambda client: client.v1.customers.list_async({"starting_after": "cus_none"}),
        stripe.InvalidRequestError,
    )
    assert (error.http_status, error.param) == (400, "starting_after")


def test_another_key_is_refused(ask: Ask) -> None:
    error = _error(
        ask, lambda client: client.v1.customers.list_async(), stripe.AuthenticationError, key="sk_test_other"
    )
    assert error.http_status == 401


@pytest.mark.parametrize(
    ("kind", "raised"),
    [
        (FaultKind.RATE_LIMITED, stripe.RateLimitError),
        (FaultKind.SERVER_ERROR, stripe.APIError),
        (FaultKind.UNAVAILABLE, stripe.APIError),
        (FaultKind.UNAUTHORIZED, stripe.AuthenticationError),
        (FaultKind.FORBIDDEN, stripe.PermissionError),
        (FaultKind.MISSING, stripe.InvalidRequestError),
        (FaultKind.RESET, stripe.APIConnectionError),
        (FaultKind.SILENCE, stripe.APIConnectionError),
    ],
)
def test_trouble_on_request_reaches_the_sdk_as_its_own_error(
    ask: Ask, faults: Faults, kind: FaultKind, raised: type[stripe.StripeError]
) -> None:
    faults.replace([Fault(kind=kind, times=1, seconds=0.01)])
    _error(ask, lambda client: client.v1.customers.list_async(), raised)
    assert ask(lambda client: client.v1.customers.list_async()).data


def test_a_rate_limit_says_when_to_come_back(ask: Ask, faults: Faults) -> None:
    faults.replace([Fault(kind=FaultKind.RATE_LIMITED)])
    error = _error(ask, lambda client: client.v1.customers.list_async(), stripe.RateLimitError)
    assert error.headers is not None
    assert error.headers["retry-after"] == "1"


def test_a_stale_read_shows_an_object_as_it_was_one_event_ago(
    ask: Ask, faults: Faults, account: Account
) -> None:
    changed = next(one for one in reversed(account.events) if one.type == "customer.updated")
    faults.replace([Fault(kind=FaultKind.STALE, path="/v1/customers/")])
    earlier = account.earlier_state(changed.object_id)
    assert isinstance(earlier, Customer)
    found = ask(lambda client: client.v1.customers.retrieve_async(changed.object_id))
    assert (found.name, found.next_invoice_sequence, found.metadata.to_dict()) == (
        earlier.name,
        earlier.next_invoice_sequence,
        earlier.metadata,
    )


def test_a_fault_strikes_its_paths_only(ask: Ask, faults: Faults) -> None:
    faults.replace([Fault(kind=FaultKind.SERVER_ERROR, path="/v1/events")])
    assert ask(lambda client: client.v1.customers.list_async()).data
