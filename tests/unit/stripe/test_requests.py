"""A request by itself: the second that its answer gets."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from cogento.retries import FailureClass
from cogento.stripe.errors import StripeApiError
from cogento.stripe.requests import DatedAnswer, RawResponse, Requests, Unlimited

if TYPE_CHECKING:
    from collections.abc import Mapping

DATE = {"date": "Sat, 01 Nov 2025 12:00:00 GMT"}
SENT_AT = 1_761_998_400


class SlowStripe:
    """Answers one attempt after the other after so many seconds each, by a clock of its own; all but the last one fail."""

    def __init__(self, *seconds: float) -> None:
        self._seconds = [*seconds]
        self.clock = 0.0

    async def send(self, _method: str, _path: str, _parameters: Mapping[str, Any]) -> RawResponse:
        self.clock += self._seconds.pop(0)
        if self._seconds:
            raise StripeApiError("Stripe answered 500", failure=FailureClass.TRANSIENT, status=500)
        return RawResponse(b"{}", DATE)


def answer_after(*seconds: float) -> DatedAnswer:
    stripe = SlowStripe(*seconds)
    requests = Requests(stripe.send, Unlimited(), jitter=lambda: 0, clock=lambda: stripe.clock)
    return asyncio.run(requests.get("/v1/customers/cus_1"))


@pytest.mark.parametrize(("seconds", "earlier"), [(0.2, 0), (0.9, 0), (1.0, 1), (4.3, 4)])
def test_an_answer_is_as_old_as_its_request_took(seconds: float, earlier: int) -> None:
    answer = answer_after(seconds)

    assert (answer.at, answer.sent_at) == (SENT_AT - earlier, SENT_AT)


def test_attempts_that_failed_make_an_answer_no_older(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cogento.stripe.requests.next_delay", lambda *_, **__: 0)

    assert answer_after(20, 3).at == SENT_AT - 3
