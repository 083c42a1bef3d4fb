"""One customer: what matters first, what it has, and everything that happened to it on one timeline.

Found by any id or e-mail address. Pages are shown by GET, and the URL says what is shown; it holds nothing personal.
"""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

import structlog
from flask import abort, redirect, request, url_for

from cogento.console.customers import TimelinePart
from cogento.console.errors import friendly_errors
from cogento.console.explain import AmbiguousQuery, NothingFound, PartialExplanation
from cogento.console.messages import COMPARISONS
from cogento.console.queue_actions import QueueAction, is_customer_id
from cogento.console.web.answers import show
from cogento.console.web.forms import answer_form, read_reason
from cogento.console.web.login import current_user
from cogento.events.names import CustomerId, EventId, ObjectId
from cogento.reconcile.verify_customer import ComparisonState
from cogento.store.letter_records import UNRESOLVED

if TYPE_CHECKING:
    from flask import Flask, Response
    from werkzeug.wrappers import Response as AnyResponse

    from cogento.console.customers import CustomerService
    from cogento.console.explain import Explanation
    from cogento.store.letter_records import Letter

MAX_ID_LENGTH = 255
FILTERS = ("object", "changes", "event", "below")
EVENT, CUSTOMER = "evt_", "cus_"
TONES_OF_COMPARISON = {
    ComparisonState.EQUAL: "good",
    ComparisonState.REPAIRED: "good",
    ComparisonState.DIFFERS: "bad",
}

_log = structlog.get_logger()


class CustomerPages:
    """Pages over one service."""

    def __init__(self, customers: CustomerService) -> None:
        self._customers = customers

    def install(self, app: Flask) -> None:
        """Put the pages into an application."""
        app.add_url_rule("/console/explain", "explain", self.explain)
        app.add_url_rule("/console/search", "search", self.search, methods=["POST"])
        one = "/console/customers/<customer_id>"
        app.add_url_rule(one, "customer", self.show)
        app.add_url_rule(
            f"{one}/<any(pause, resume, 'try-now'):action>",
            "change_customer",
            self.change,
            methods=["POST"],
        )
        app.add_url_rule(f"{one}/compare", "compare_customer", self.compare, methods=["POST"])
        app.add_url_rule(f"{one}/repair", "repair_customer", self.repair, methods=["POST"])

    def explain(self) -> AnyResponse:
        """Go to the customer that an id is about, for links."""
        return self._find(request.args.get("id", "").strip())

    def search(self) -> AnyResponse:
        """Go to the customer of whatever was typed: an address or a name must not get into a URL, so it is a form."""
        return self._find(request.form.get("id", "").strip())

    def _find(self, asked: str) -> AnyResponse:
        if not asked or len(asked) > MAX_ID_LENGTH:
            abort(400, "Enter a customer, subscription or event id, or an e-mail address.")
        with friendly_errors():
            found = self._customers.find(asked)
        if isinstance(found, NothingFound):
            return show("unknown.html", {"asked": asked, "sentences": found.sentences}, status=404)
        if isinstance(found, AmbiguousQuery):
            return show("several.html", {"asked": asked, "found": found})
        customer_id = (found.explanation if isinstance(found, PartialExplanation) else found).customer_id
        chosen: dict[str, Any] = {}
        if asked.startswith(EVENT):
            chosen = {"event": asked}
        elif "@" not in asked and not asked.startswith(CUSTOMER):
            chosen = {"object": asked}
        return redirect(url_for("customer", customer_id=customer_id, **chosen), code=303)

    def show(self, customer_id: str) -> Response:
        """Show one customer."""
        given = {name: request.args.get(name, "").strip() for name in FILTERS}
        if any(len(word) > MAX_ID_LENGTH for word in (customer_id, *given.values())):
            abort(400, f"An id has at most {MAX_ID_LENGTH} characters.")
        chosen = {name: word for name, word in given.items() if word}
        part = TimelinePart(
            object_id=ObjectId(given["object"]) if given["object"] else None,
            changes_only=bool(given["changes"]),
            below=EventId(given["below"]) if given["below"] else None,
        )
        event_id = EventId(given["event"]) if given["event"] else None
        with friendly_errors():
            view = self._customers.view(CustomerId(customer_id), part, event_id=event_id)
        if view is None:
            return show("unknown.html", {"asked": customer_id}, status=404)

        def link(**changed: Any) -> str:
            terms: dict[str, Any] = {
                name: word for name, word in chosen.items() if name not in {"below", "event"}
            }
            return url_for("customer", customer_id=customer_id, **(terms | changed))

        values = {**_told(view.explanation), "timeline": view.timeline, "older": view.older}
        drawn = {
            "view": view,
            "part": part,
            "event_id": event_id,
            "open_letters": _open_letters(view.explanation),
            "link": link,
            "can_ask_stripe": self._customers.can_ask_stripe,
        }
        return show("customer.html", values, drawn=drawn, status=503 if view.error else 200)

    def change(self, customer_id: str, action: str) -> AnyResponse:
        """Pause or resume a customer's events, or have them tried now, for a reason."""
        whose = _customer_id(customer_id)
        back = url_for("customer", customer_id=customer_id)
        return answer_form(self._customers.queue, QueueAction(action), whose, back=back)

    def compare(self, customer_id: str) -> Response:
        """Show a customer's rows beside what Stripe says."""
        return self._compare(customer_id, why="", repair=False)

    def repair(self, customer_id: str) -> Response:
        """Write what Stripe says into the rows that differ, for a reason, and show both."""
        return self._compare(customer_id, why=read_reason("Say why the rows are to be written."), repair=True)

    def _compare(self, customer_id: str, *, why: str, repair: bool) -> Response:
        whose = _customer_id(customer_id)
        with friendly_errors():
            found = self._customers.compare(whose, who=current_user().who, why=why, repair=repair)
        _log.info("customer_compared", repair=repair, objects=len(found.objects))
        differs = found.count(ComparisonState.DIFFERS)
        drawn = {"words": COMPARISONS, "tones": TONES_OF_COMPARISON, "differs": differs, "is_repair": repair}
        return show("compare.html", {"comparison": found}, drawn=drawn)


def _customer_id(text: str) -> CustomerId:
    if not is_customer_id(text):
        abort(400, "That is no customer's id: it looks like cus_….")
    return CustomerId(text)


def _told(found: Explanation) -> dict[str, object]:
    """Return everything that is known of a customer, each kind of object under its table's name, as `cogento explain --json` does."""
    known: dict[str, object] = {field.name: getattr(found, field.name) for field in fields(found)}
    if found.records is not None:
        records = {field.name: getattr(found.records, field.name) for field in fields(found.records)}
        objects = {kind.table: [one.row for one in rows] for kind, rows in records.pop("objects").items()}
        known["records"] = {**records, **objects}
    return known


def _open_letters(found: Explanation) -> list[Letter]:
    return (
        [letter for letter in found.records.letters if letter.status in UNRESOLVED] if found.records else []
    )
