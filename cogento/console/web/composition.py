"""The console put together from the settings: who gets in, and each account's pages over its part of both servers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import structlog
from flask import request

from cogento import runtime
from cogento.accounts import console_prefix
from cogento.console.alerting import Alerts, AlertWebhook, keep_alerting
from cogento.console.attention import judge
from cogento.console.connections import CONNECTIONS, connect
from cogento.console.customers import CustomerService
from cogento.console.dead_letters import DeadLetterService
from cogento.console.errors import Failure, friendly_errors
from cogento.console.poller import StatusPoller
from cogento.console.sweeping import SweepRunner
from cogento.console.system import SystemService
from cogento.console.web.access import LocalAccess, ProxyAccess
from cogento.console.web.app import ConsoleServices, create_app
from cogento.console.web.frame import AccountChoice, DashboardAccount
from cogento.console.web.login import LoginViews
from cogento.console.web.overview import judged
from cogento.console.web.proxies import Proxies
from cogento.console.web.sessions import LoginLimiter, Sessions, connect_sessions
from cogento.queue.rate_limiter import RateLimiter
from cogento.reconcile.reconciliation import Reconciliation
from cogento.serving.listening import every_address
from cogento.store.activity import Action
from cogento.store.store import Store

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from flask import Flask

    from cogento.console.attention import Attention
    from cogento.console.passwords import PasswordHash
    from cogento.console.web.login import ConsoleRole, User
    from cogento.queue.mailboxes import Mailboxes
    from cogento.settings import ConsoleSettings

LOOPBACK = "127.0.0.1"
OWN_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
RECORD_SECONDS = 2
POLL_SECONDS_OF_MANY = 5
"""With n accounts each is polled every n seconds, up to this many."""

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Exposure:
    """Who gets in: users with a role's password, users whom a proxy names, or the local user, from this machine only."""

    port: int
    access: Mapping[ConsoleRole, PasswordHash] | ProxyAccess | LocalAccess

    @property
    def host(self) -> str:
        """The address to listen at: the loopback address, if only this machine may connect."""
        match self.access:
            case LocalAccess() | ProxyAccess(proxies=Proxies(are_here=True)):
                return LOOPBACK
            case _:  # behind a password, or for a proxy alone
                return every_address()


@dataclass(frozen=True, slots=True)
class RecordedLogins:
    """Records logins as activity of the account whose pages were asked for, by the prefix of their paths.

    A login also succeeds while Postgres is away, unrecorded.
    """

    stores: Mapping[str, Store]

    def __call__(self, user: User, address: str) -> None:
        """Record who has logged in, and from where."""
        details = {"role": user.role, "address": address}
        store = self.stores[request.script_root]
        record = store.activity.record(who=user.who, action=Action.LOGIN, details=details)
        try:
            with friendly_errors():
                runtime.run(record, timeout_seconds=RECORD_SECONDS)
        except Failure as failure:
            _log.warning("login_not_recorded", error=failure.message)


def _attention(poller: StatusPoller) -> Sequence[Attention] | None:
    """What needs attention now; None before the first poll."""
    seen = poller.overview()
    return judge(judged(seen)).lines if seen.second else None


class Connected(Protocol):
    """Something that holds connections."""

    async def close(self) -> None:
        """Close them."""


@dataclass(frozen=True, slots=True)
class AccountConsole:
    """One account's pages, and the poller that keeps them up to date."""

    settings: ConsoleSettings
    app: Flask
    mailboxes: Mailboxes
    poller: StatusPoller
    connections: Sequence[Connected]

    def begin(self) -> None:
        """Begin to poll the account's part of both servers, and to send its alerts where they are wanted."""
        self.poller.start()
        if self.settings.alert_webhook_url:
            alerts = Alerts(
                AlertWebhook(self.settings.alert_webhook_url.get_secret_value()),
                self.mailboxes.sent_alerts,
                deployment=self.settings.deployment,
            )
            keep_alerting(alerts, lambda: _attention(self.poller))

    async def close(self) -> None:
        """Close the connections of its pages and its poller, which several accounts share."""
        for connected in self.connections:
            await connected.close()


def compose(each: Sequence[ConsoleSettings], exposure: Exposure) -> list[AccountConsole]:
    """Open both servers, and make an application for each account's part of them."""
    settings = each[0]
    stores = _open_stores(each, "cogento console", pool_size=CONNECTIONS + 2)
    asking = _open_stores(each, "cogento console", pool_size=CONNECTIONS)
    first = connect(settings)
    mailboxes = [first, *(first.of_account(one.account) for one in each[1:])]
    pollers = [
        StatusPoller(boxes, store, every_seconds=min(len(each), POLL_SECONDS_OF_MANY))
        for boxes, store in zip(mailboxes, stores, strict=True)
    ]
    access = _access(settings, exposure, stores=dict(zip(_prefixes(each), stores, strict=True)))
    labels = [one.account_label for one in each]
    names = tuple(label for label in labels if label is not None)
    consoles = []
    for one, boxes, store, asks, poller in zip(each, mailboxes, stores, asking, pollers, strict=True):
        limiter = boxes.rate_limiter(requests_per_second=one.stripe_requests_per_second)
        app = create_app(
            _services(one, boxes, store=store, asks=asks, poller=poller, limiter=limiter),
            hosts=_host_names(settings, exposure),
            login=access,
            metrics_token=settings.metrics_token.get_secret_value() if settings.metrics_token else None,
            metrics_of=dict(zip(labels, pollers, strict=True)),
            proxies=_proxies(settings),
            account=DashboardAccount(one.stripe_livemode, one.stripe_account),
            choice=AccountChoice(one.account, names) if names else None,
        )
        consoles.append(AccountConsole(one, app, boxes, poller, (store, asks, boxes)))
    return consoles


def _prefixes(each: Sequence[ConsoleSettings]) -> list[str]:
    return [console_prefix(one.account) for one in each]


def _open_stores(each: Sequence[ConsoleSettings], name: str, *, pool_size: int) -> list[Store]:
    """Return each account's store, over as many connections as one account has."""
    url = each[0].database_url.get_secret_value()
    opening = Store.open(url, pool_size=pool_size, application_name=name, schemas=len(each))
    first = runtime.run(opening)
    return [first, *(first.in_schema(one.database_schema) for one in each[1:])]


def _host_names(settings: ConsoleSettings, exposure: Exposure) -> frozenset[str]:
    return OWN_NAMES if isinstance(exposure.access, LocalAccess) else OWN_NAMES | settings.host_names


def _proxies(settings: ConsoleSettings) -> Proxies:
    return Proxies(settings.trusted_proxies + settings.console_trusted_proxy)


def _access(
    settings: ConsoleSettings, exposure: Exposure, *, stores: Mapping[str, Store]
) -> LoginViews | ProxyAccess | LocalAccess:
    """Say how people get in: one login is for the pages of all accounts."""
    if isinstance(exposure.access, LocalAccess | ProxyAccess):
        return exposure.access
    redis = connect_sessions(settings.wakeups_url)
    return LoginViews(
        exposure.access,
        Sessions(redis),
        LoginLimiter(redis),
        proxies=_proxies(settings),
        on_login=RecordedLogins(stores),
    )


def _services(
    settings: ConsoleSettings,
    mailboxes: Mailboxes,
    *,
    store: Store,
    asks: Store,
    poller: StatusPoller,
    limiter: RateLimiter,
) -> ConsoleServices:
    """Put together the services that one account's pages use."""
    return ConsoleServices(
        poller=poller,
        mailboxes=mailboxes,
        dead_letters=DeadLetterService(mailboxes, store),
        customers=CustomerService(mailboxes, store, Reconciliation.of(settings, mailboxes, asks)),
        activity=store.activity,
        system=SystemService(settings, mailboxes, store, limiter),
        sweeps=SweepRunner(settings, mailboxes, store),
    )
