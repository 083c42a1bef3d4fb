"""What every page of the console shows: the section, how much waits and is dead, the account, and the user.

It comes from the poller's memory and costs the servers nothing, so that an error page has it, too.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple, cast

from flask import g, request, url_for

from cogento.accounts import console_prefix
from cogento.console.attention import Tone
from cogento.events.kinds import KINDS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flask import Flask

    from cogento.console.poller import Overview, StatusPoller

DASHBOARD = "https://dashboard.stripe.com"
DASHBOARD_PAGES = {kind.id_prefix: kind.plural for kind in KINDS} | {"evt_": "events", "prod_": "products"}
"""Prefixes of ids, and the section of Stripe's dashboard that shows objects with them."""
_ID = re.compile(f"({'|'.join(DASHBOARD_PAGES)})[A-Za-z0-9]+")


class Section(StrEnum):
    """The pages of the navigation, by the endpoints that they are installed under."""

    OVERVIEW = "overview"
    WAITING = "waiting"
    LETTERS = "letters"
    ACTIVITY = "activity"
    SYSTEM = "system"


LABELS = {
    Section.OVERVIEW: "Overview",
    Section.WAITING: "Waiting",
    Section.LETTERS: "Dead letters",
    Section.ACTIVITY: "Activity",
    Section.SYSTEM: "System",
}


@dataclass(frozen=True, slots=True)
class DashboardAccount:
    """The account whose events are ours, for links into Stripe's dashboard: live or test, the configured one or else the key's own."""

    livemode: bool = False
    account: str | None = None

    def dashboard_url(self, id_: str | None) -> str | None:
        """Return the URL where Stripe's dashboard shows an object or event; None where it does not show it.

        It does not show `evt_fetched_…`, our ids for answers of Stripe.
        """
        found = _ID.fullmatch(id_ or "")
        if found is None:
            return None
        mode = () if self.livemode else ("test",)
        return "/".join(
            [DASHBOARD, *filter(None, [self.account]), *mode, DASHBOARD_PAGES[found[1]], found[0]]
        )


class AccountLink(NamedTuple):
    """A link to an account's pages."""

    name: str
    url: str
    is_current: bool


@dataclass(frozen=True, slots=True)
class AccountChoice:
    """The account whose pages these are, and all that there are to choose from."""

    name: str
    names: tuple[str, ...]

    def links(self) -> list[AccountLink]:
        """Return a link for each account, to the same page where every account has it."""
        path = request.path if request.endpoint in set(Section) else "/console"
        return [AccountLink(name, console_prefix(name) + path, name == self.name) for name in self.names]


@dataclass(frozen=True, slots=True)
class NavigationItem:
    """One link of the navigation; `current` is the value of aria-current, empty for other pages."""

    label: str
    url: str
    count: int | None
    tone: str
    current: str


@dataclass(frozen=True, slots=True)
class Tab:
    """One of several views of a page (see `tabs` in macros.html); `count` is how much it would show."""

    label: str
    url: str
    is_chosen: bool
    count: int | None = None


def overview_seen(poller: StatusPoller) -> Overview:
    """Return what the poller has seen, the same throughout a request, so that a page and its frame show the same figures."""
    if "overview_seen" not in g:
        g.overview_seen = poller.overview()
    return cast("Overview", g.overview_seen)


def install_frame(
    app: Flask, poller: StatusPoller, account: DashboardAccount, choice: AccountChoice | None = None
) -> None:
    """Give every template of the application what its frame shows."""

    def frame() -> dict[str, object]:
        user = g.get("user")  # None on public pages
        items = list(_navigation(overview_seen(poller))) if user else []
        return {"navigation": items, "stripe_account": account, "user": user, "choice": choice}

    app.context_processor(frame)
    app.jinja_env.filters["dashboard_url"] = account.dashboard_url


def _navigation(seen: Overview) -> Iterator[NavigationItem]:
    counts = {Section.WAITING: _waiting(seen), Section.LETTERS: _dead(seen)}
    for section in Section:
        url = url_for(section)
        count, tone = counts.get(section, (None, ""))
        path = request.script_root + request.path
        is_here = path == url
        is_below = section is not Section.OVERVIEW and path.startswith(f"{url}/")
        current = "page" if is_here else "true" if is_below else ""
        yield NavigationItem(LABELS[section], url, count, tone, current)


def _waiting(seen: Overview) -> tuple[int | None, str]:
    """Count the events that wait; amber where some of them wait for more than their turn."""
    if seen.queue is None:
        return None, ""
    queue = seen.queue
    is_held = queue.everything_paused or queue.paused or queue.sleeping or queue.parked
    return queue.waiting + queue.parked, Tone.BUSY if is_held else ""


def _dead(seen: Overview) -> tuple[int | None, str]:
    return (None, "") if seen.tables is None else (seen.tables.dead, Tone.BAD)
