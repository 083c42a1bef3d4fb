"""F51 to F55: Stripe's API says "too many", fails, hangs, refuses the key, does not know an object, or lags."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from cogento.events.kinds import CUSTOMER
from cogento.events.names import ObjectId
from cogento.local.stripe.errors import Fault, FaultKind
from cogento.local.stripe.http_server import Request, Response
from cogento.retries import REQUEST, FailureClass
from cogento.stripe.api import StripeApi
from cogento.stripe.errors import BY_STATUS, StripeApiError, classify
from cogento.stripe.requests import StripeAnswer
from tests.support.stripe_asking import Asking, asked
from tests.support.stripe_histories import lived

if TYPE_CHECKING:
    from cogento.local.stripe.account import Account


@pytest.fixture(scope="module")
def account() -> Account:
    return lived(steps=60, population=10)


@pytest.fixture
def asking(account: Account) -> Asking:
    return Asking(account)


@pytest.fixture
def customer_id(account: Account) -> ObjectId:
    return ObjectId(next(iter(account.live_customers)))


def failing(asking: Asking, customer_id: ObjectId, *troubles: Fault, **limits: float) -> StripeApiError:
    with pytest.raises(StripeApiError) as raised:
        asking.run(lambda api: api.fetch(CUSTOMER, customer_id), *troubles, **limits)
    return raised.value


def fetched(asking: Asking, customer_id: ObjectId, *troubles: Fault, **limits: float) -> StripeAnswer:
    return asking.run(lambda api: api.fetch(CUSTOMER, customer_id), *troubles, **limits)


async def fetch_one(api: StripeApi) -> StripeAnswer:
    return await api.fetch(CUSTOMER, ObjectId("cus_1"))


def test_f51_too_many_is_asked_again_when_stripe_says_and_slows_everybody_down(
    asking: Asking, customer_id: ObjectId
) -> None:
    began = time.monotonic()

    fetched(asking, customer_id, Fault(kind=FaultKind.RATE_LIMITED, times=1))

    assert time.monotonic() - began >= 1  # the simulated Retry-After
    assert asking.rate_limit.slowed == [1]
    assert asking.rate_limit.taken == 2


def test_f51_a_429_without_a_word_is_asked_again_too(asking: Asking, customer_id: ObjectId) -> None:
    fetched(asking, customer_id, Fault(kind=FaultKind.CONCURRENCY_LIMITED, times=2))

    assert asking.rate_limit.slowed == [REQUEST.slow_down_seconds] * 2
    assert asking.rate_limit.taken == 3


def test_f51_who_is_told_too_many_again_and_again_gives_up_for_now(
    asking: Asking, customer_id: ObjectId
) -> None:
    error = failing(asking, customer_id, Fault(kind=FaultKind.CONCURRENCY_LIMITED))

    assert classify(error) is FailureClass.TRANSIENT
    assert asking.rate_limit.taken == REQUEST.attempts_limit


@pytest.mark.parametrize(("said", "asked_times"), [("false", 1), ("true", REQUEST.attempts_limit)])
def test_f51_whether_to_try_again_is_stripes_word_where_it_gives_one(said: str, asked_times: int) -> None:
    requests: list[Request] = []

    async def conflict(request: Request) -> Response:
        requests.append(request)
        return Response(400, b'{"error": {}}', {"Stripe-Should-Retry": said})

    with pytest.raises(StripeApiError):
        asked(conflict, fetch_one)

    assert len(requests) == asked_times


def test_f51_who_is_told_to_come_back_in_an_hour_does_not_wait_for_it() -> None:
    async def later(_request: Request) -> Response:
        return Response(429, b'{"error": {}}', {"Retry-After": "3600"})

    with pytest.raises(StripeApiError) as raised:
        asked(later, fetch_one)

    assert raised.value.retry_after_seconds == 3600


@pytest.mark.parametrize("kind", [FaultKind.SERVER_ERROR, FaultKind.UNAVAILABLE, FaultKind.RESET])
def test_f52_trouble_that_passes_is_not_noticed(
    kind: FaultKind, asking: Asking, customer_id: ObjectId
) -> None:
    fetched(asking, customer_id, Fault(kind=kind, times=REQUEST.attempts_limit - 1))

    assert asking.rate_limit.taken == REQUEST.attempts_limit


@pytest.mark.parametrize("kind", [FaultKind.SERVER_ERROR, FaultKind.UNAVAILABLE, FaultKind.RESET])
def test_f52_trouble_that_stays_is_for_another_time(
    kind: FaultKind, asking: Asking, customer_id: ObjectId
) -> None:
    error = failing(asking, customer_id, Fault(kind=kind))

    assert classify(error) is FailureClass.TRANSIENT
    assert asking.rate_limit.taken == REQUEST.attempts_limit


def test_f52_an_answer_that_does_not_come_is_waited_for_no_longer_than_the_time_out(
    asking: Asking, customer_id: ObjectId
) -> None:
    fetched(asking, customer_id, Fault(kind=FaultKind.SILENCE, times=1), timeout_seconds=1)

    assert asking.rate_limit.taken >= 2  # more where a busy machine takes a second for the answer that comes


def test_f52_an_answer_that_is_no_json_came_from_something_in_between() -> None:
    async def proxy(_request: Request) -> Response:
        return Response(200, b"<html>")

    with pytest.raises(StripeApiError) as raised:
        asked(proxy, fetch_one)

    assert classify(raised.value) is FailureClass.TRANSIENT


@pytest.mark.parametrize("kind", [FaultKind.UNAUTHORIZED, FaultKind.FORBIDDEN])
def test_f53_a_refused_key_is_not_tried_again_and_nobody_asks_any_more(
    kind: FaultKind, asking: Asking, customer_id: ObjectId
) -> None:
    error = failing(asking, customer_id, Fault(kind=kind))
    later = failing(asking, customer_id)

    assert classify(error) is classify(later) is FailureClass.INFRASTRUCTURE
    assert asking.rate_limit.shut_for == [REQUEST.refused_seconds]
    assert later.status is None  # Stripe was not asked


def test_f54_what_is_not_there_is_not_asked_for_again(asking: Asking, customer_id: ObjectId) -> None:
    error = failing(asking, customer_id, Fault(kind=FaultKind.MISSING))

    assert error.is_missing
    assert classify(error) is FailureClass.PERMANENT
    assert asking.rate_limit.taken == 1


@pytest.mark.parametrize(("status", "failure"), BY_STATUS.items())
def test_each_status_is_classified_as_the_table_says(status: int, failure: FailureClass) -> None:
    async def refuse(_request: Request) -> Response:
        return Response(status, b'{"error": {}}', {"Stripe-Should-Retry": "false"})

    with pytest.raises(StripeApiError) as raised:
        asked(refuse, fetch_one)

    assert classify(raised.value) is failure


def test_an_unforeseen_status_is_a_bug_of_ours() -> None:
    async def teapot(_request: Request) -> Response:
        return Response(418, b'{"error": {}}')

    with pytest.raises(StripeApiError) as raised:
        asked(teapot, fetch_one)

    assert classify(raised.value) is FailureClass.BUG


def test_errors_never_quote_what_was_answered() -> None:
    async def refuse(_request: Request) -> Response:
        return Response(400, b'{"error": {"message": "ada@example.com"}}')

    with pytest.raises(StripeApiError) as raised:
        asked(refuse, fetch_one)

    assert str(raised.value) == "Stripe answered 400"
