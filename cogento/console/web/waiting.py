"""The page of waiting customers: by state, why, since when, what comes next; and what an operator can do about it.

Pages are shown by GET, and the URL says what is shown. Each change is a POST with its reason.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from flask import abort, request, url_for

from cogento import runtime
from cogento.console.errors import friendly_errors
from cogento.console.queue_actions import QueueAction, is_customer_id
from cogento.console.queue_messages import describe_pause
from cogento.console.waiting import STATES, describe_unlisted, describe_waiting
from cogento.console.web.answers import show
from cogento.console.web.forms import answer_form
from cogento.console.web.frame import Tab, overview_seen
from cogento.events.names import CustomerId
from cogento.queue.waiting import WaitingState

if TYPE_CHECKING:
    from flask import Flask
    from werkzeug.wrappers import Response as AnyResponse

    from cogento.console.poller import StatusPoller
    from cogento.console.queue_actions import QueueActions
    from cogento.queue.mailboxes import Mailboxes
    from cogento.queue.waiting import WaitingPage

LISTED_OF_EACH = 20
LISTED_OF_ONE = 100
"""How many customers of a single state are listed. Redis does nothing else while it answers: for five milliseconds at most (docs/benchmarks.md)."""
MAX_ID_LENGTH = 255


@dataclass(frozen=True, slots=True)
class WaitingQuery:
    """What the query asks for: one state or all, one customer or all."""

    state: WaitingState | None
    customer: CustomerId | None


class WaitingPages:
    """The list of waiting customers, and the forms on it."""

    def __init__(self, poller: StatusPoller, mailboxes: Mailboxes, actions: QueueActions) -> None:
        self._poller = poller
        self._mailboxes = mailboxes
        self._actions = actions

    def install(self, app: Flask) -> None:
        """Put the pages into an application."""
        app.add_url_rule("/console/waiting", "waiting", self.list)
        app.add_url_rule(
            "/console/waiting/<any(pause, resume, 'try-now'):action>",
            "act_on_waiting",
            self.act,
            methods=["POST"],
        )

    def list(self) -> AnyResponse:
        """Show who waits, in the state or of the customer that the query asks for."""
        asked = _read_query()
        limit = LISTED_OF_EACH if asked.state is None else LISTED_OF_ONE
        with friendly_errors():
            page = runtime.run(self._mailboxes.waiting(asked.state, customer=asked.customer, limit=limit))
        states = () if asked.customer else tuple(WaitingState) if asked.state is None else (asked.state,)
        queue = overview_seen(self._poller).queue
        values = {
            "customers": page.customers,
            "everything_paused": page.everything,
            "rows": page.rows,
            "unlisted": {state.value: page.unlisted(state) for state in states},
            "now_ms": page.now_ms,
        }
        drawn = {
            "asked": asked,
            "lines": describe_waiting(page),
            "more": describe_unlisted(page, states),
            "listed_of_one": LISTED_OF_ONE,
            "tabs": _tabs(page, asked),
            "events": None if queue is None else queue.waiting + queue.parked,
            "everything": page.everything and describe_pause(page.everything, page.now_ms),
        }
        return show("waiting.html", values, drawn=drawn)

    def act(self, action: str) -> AnyResponse:
        """Do as the form says, to one customer or to all, and redirect to the page it was on."""
        doing, state = QueueAction(action), request.form.get("state", "")
        back = url_for("waiting", state=state if state in set(WaitingState) else None)
        return answer_form(self._actions, doing, self._whose(doing), back=back)

    def _whose(self, action: QueueAction) -> CustomerId | None:
        """Read which customer the form is about; None for all of them, which takes a field of its own."""
        customer = request.form.get("customer", "").strip()
        everything = request.form.get("everything") == "1"
        if everything and not customer and action is not QueueAction.TRY_NOW:
            return None
        if everything or not _may_be_customer(customer):
            abort(400, "Name one customer by its id, which begins with cus_.")
        # An earlier release let people pause ids that are no customer's; these can still be resumed.
        if not is_customer_id(customer):
            with friendly_errors():
                is_paused = runtime.run(self._mailboxes.view(CustomerId(customer))).pause is not None
            if action is not QueueAction.RESUME or not is_paused:
                abort(400, f"{customer} is not a customer id, which begins with cus_.")
        return CustomerId(customer)


def _may_be_customer(text: str) -> bool:
    return 0 < len(text) <= MAX_ID_LENGTH and text.isprintable()


def _read_query() -> WaitingQuery:
    state, customer = request.args.get("state", ""), request.args.get("customer", "").strip()
    if state and state not in set(WaitingState):
        abort(400, f"A state is one of {', '.join(WaitingState)}.")
    if customer and not is_customer_id(customer):
        abort(400, "A customer's id begins with cus_. The search finds the customer of anything else.")
    return WaitingQuery(WaitingState(state) if state else None, CustomerId(customer) if customer else None)


def _tabs(page: WaitingPage, asked: WaitingQuery) -> list[Tab]:
    everybody = url_for("waiting", customer=asked.customer)
    return [
        Tab("All", everybody, is_chosen=asked.state is None, count=sum(page.customers.values())),
        *(
            Tab(
                STATES[state].capitalize(),
                url_for("waiting", state=state, customer=asked.customer),
                is_chosen=asked.state is state,
                count=page.customers[state],
            )
            for state in WaitingState
        ),
    ]
