"""The simulation's own endpoints under `/_sim/`, for tests and benchmarks, beside Stripe's API.

With several accounts each has its own, `/_sim/shop2/truth` for example (accounts.py).

GET  truth (lines of JSON), history (lines of JSON), counters, lost
POST start, stop, drain, rate, happen, faults, disorder, versions, payloads, events, truth (bodies as the structs below)
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import msgspec

from cogento.local.stripe.deliveries import Disorder
from cogento.local.stripe.errors import Fault, Faults
from cogento.local.stripe.events import Payloads, event_json
from cogento.local.stripe.http_server import Request, Response
from cogento.local.stripe.shapes import DAHLIA
from cogento.local.stripe.simulation import Simulation
from cogento.local.stripe.truth import KnownEvents, truth, write_truth

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterable

PREFIX = "/_sim/"


class Rate(msgspec.Struct, forbid_unknown_fields=True):
    """How many events there are."""

    events_per_second: float


class Happen(msgspec.Struct, forbid_unknown_fields=True):
    """How many events are to happen at once."""

    events: int


class Drain(msgspec.Struct, forbid_unknown_fields=True):
    """How long to wait for outstanding deliveries."""

    timeout_seconds: float = 60.0


class Versions(msgspec.Struct, forbid_unknown_fields=True):
    """The API version of the endpoint and, during an upgrade, that of a second one."""

    api_version: str = DAHLIA
    second_version: str | None = None


class Sent(msgspec.Struct, forbid_unknown_fields=True):
    """What webhooks carry from now on."""

    payloads: Payloads = Payloads.SNAPSHOT


class Objects(msgspec.Struct, forbid_unknown_fields=True):
    """The objects whose events are asked for, in the order in which they happened; a customer's subscriptions are included."""

    objects: frozenset[str]


class AsTold(msgspec.Struct, forbid_unknown_fields=True):
    """Which events of an object are known: asks for the truth as seen by somebody who misses the others."""

    told: dict[str, tuple[str, ...]]


class Control:
    """The handler of the simulation's own endpoints, whose paths begin with `prefix`."""

    def __init__(
        self, simulation: Simulation, faults: Faults, api_requests: Counter[int], *, prefix: str
    ) -> None:
        self.prefix = prefix
        self._simulation = simulation
        self._faults = faults
        self._api_requests = api_requests

    async def answer(self, request: Request) -> Response:
        """Do what a request asks; 404 for an unknown one, 400 for a body that does not fit."""
        what, body = request.path.removeprefix(self.prefix), request.body or b"{}"
        try:
            match request.method, what:
                case "GET", _:
                    response = self._read(what)
                case "POST", "drain":
                    response = await self._drain(msgspec.json.decode(body, type=Drain))
                case "POST", "events":
                    objects = msgspec.json.decode(body, type=Objects).objects
                    response = _json_lines(
                        event_json(event, pending_webhooks=0)
                        for event in self._simulation.account.events
                        if not objects.isdisjoint((event.object_id, event.state.customer))
                    )
                case "POST", "truth":
                    response = self._truth(msgspec.json.decode(body, type=AsTold).told)
                case "POST", _:
                    response = self._change(what, body)
                case _:
                    response = _unknown(what)
        except msgspec.MsgspecError as error:
            response = _json({"error": str(error)}, status=400)
        return response

    def _read(self, what: str) -> Response:
        log = self._simulation.deliveries.log
        match what:
            case "truth":
                return self._truth({})
            case "history":
                return _json_lines(log.attempts)
            case "counters":
                return _json(self._counters())
            case "lost":
                lost = map(self._simulation.account.event, log.lost)
                return _json(sorted({event.object_id for event in lost if event}))
            case _:
                return _unknown(what)

    def _truth(self, told: KnownEvents) -> Response:
        return Response(200, write_truth(truth(self._simulation.account, told)))

    def _change(self, what: str, body: bytes) -> Response:
        match what:
            case "start" | "stop":
                self._simulation.is_running = what == "start"
            case "rate":
                rate = msgspec.json.decode(body, type=Rate)
                self._simulation.events_per_second = rate.events_per_second
            case "happen":
                self._simulation.happen(msgspec.json.decode(body, type=Happen).events)
            case "faults":
                self._faults.replace(msgspec.json.decode(body, type=tuple[Fault, ...]))
            case "disorder":
                self._simulation.deliveries.disorder = msgspec.json.decode(body, type=Disorder)
            case "versions":
                versions = msgspec.json.decode(body, type=Versions)
                self._simulation.account.api_version = versions.api_version
                self._simulation.second_version = versions.second_version
            case "payloads":
                self._simulation.payloads = msgspec.json.decode(body, type=Sent).payloads
            case _:
                return _unknown(what)
        return _json(self._counters())

    async def _drain(self, drain: Drain) -> Response:
        self._simulation.is_running = False
        try:
            async with asyncio.timeout(drain.timeout_seconds):
                await self._simulation.deliveries.drain()
        except TimeoutError:
            return _json({"drained": False, **self._counters()})
        return _json({"drained": True, **self._counters()})

    def _counters(self) -> dict[str, object]:
        account, deliveries = self._simulation.account, self._simulation.deliveries
        return {
            "is_running": self._simulation.is_running,
            "events_per_second": self._simulation.events_per_second,
            "events": len(account.events),
            "customers": len(account.live_customers),
            "subscriptions": len(account.live_subscriptions),
            "attempts": len(deliveries.log.attempts),
            "accepted_events": deliveries.log.accepted_count,
            "lost_events": len(deliveries.log.lost),
            "outstanding": deliveries.outstanding_count,
            "answers": dict(deliveries.log.answers),
            "api_requests": self._api_requests.total(),
            "api_requests_busiest_second": max(self._api_requests.values(), default=0),
        }


def _unknown(what: str) -> Response:
    return _json({"error": f"nothing is called {what} here"}, status=404)


def _json(document: object, *, status: int = 200) -> Response:
    return Response(status, msgspec.json.encode(document) + b"\n")


def _json_lines(documents: Iterable[object]) -> Response:
    return Response(200, b"".join(msgspec.json.encode(one) + b"\n" for one in documents))
