"""Forgetting a person: what would be erased here is shown first, and then erased for good, for a reason."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog
from flask import abort, request
from werkzeug.exceptions import BadRequest

from cogento import runtime
from cogento.console.errors import friendly_errors
from cogento.console.queue_actions import is_customer_id
from cogento.console.web.answers import show, show_message
from cogento.console.web.forms import read_reason
from cogento.console.web.login import current_user
from cogento.events.names import CustomerId
from cogento.reconcile.forget import CustomerBusyError, ReasonNamesPersonError

if TYPE_CHECKING:
    from flask import Flask, Response

    from cogento.console.customers import CustomerService
    from cogento.reconcile.forget import ForgetReport

TYPE_THE_ID = "Type the customer's id to confirm: it cannot be taken back."
NAMES_PERSON = "The reason names the person, and it is kept. Say it without; nothing was changed."
BUSY = "The tables are done. A worker holds the customer's waiting events: do it once more in a minute."

_log = structlog.get_logger()


class ForgetPage:
    """The page over one service."""

    def __init__(self, customers: CustomerService) -> None:
        self._customers = customers

    def install(self, app: Flask) -> None:
        """Put the page into an application."""
        address = "/console/customers/<customer_id>/forget"
        app.add_url_rule(address, "forget_customer", self.plan)
        app.add_url_rule(address, "forget_customer_now", self.forget, methods=["POST"])

    def plan(self, customer_id: str) -> Response:
        """Show exactly what would be erased."""
        return self._plan(_customer_id(customer_id))

    def forget(self, customer_id: str) -> Response:
        """Erase it; where that is refused, the form keeps what was typed."""
        whose = _customer_id(customer_id)
        try:
            why = read_reason("Say why.")
        except BadRequest as refusal:
            return self._plan(whose, problem=refusal.description or "")
        if request.form.get("confirm", "").strip() != whose:
            return self._plan(whose, problem=TYPE_THE_ID)
        try:
            with friendly_errors():
                report = runtime.run(self._customers.forgetting.run(whose, who=current_user().who, why=why))
        except ReasonNamesPersonError:
            return self._plan(whose, problem=NAMES_PERSON)
        except CustomerBusyError:
            return show_message("Not done yet", BUSY, status=409)
        _log.info("customer_forgotten", letters=report.rows.letters, events=report.events)
        return show("forget.html", {"report": report, "is_done": True})

    def _plan(self, customer_id: CustomerId, *, problem: str = "") -> Response:
        with friendly_errors():
            report = runtime.run(self._customers.forgetting.plan(customer_id))
        typed = {"why": request.form.get("why", ""), "confirm": request.form.get("confirm", "")}
        values = {"report": report, "is_done": False, "problem": problem}
        return show("forget.html", values, drawn=typed, status=400 if problem else _status(report))


def _status(report: ForgetReport) -> int:
    return 404 if report.is_empty else 200


def _customer_id(text: str) -> CustomerId:
    if not is_customer_id(text):
        abort(400, "That is no customer's id: it looks like cus_….")
    return CustomerId(text)
