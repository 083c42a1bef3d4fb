"""The console's web process: the server that the receiver has, around the application put together from the settings.

It reads a request to its end, within its limits, before one of the threads is given to it: whoever sends slowly
holds a connection and nothing else. Behind a password it listens to everyone; in local mode, without one, to this
machine alone, and only for requests that name this machine.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import structlog
from a2wsgi import WSGIMiddleware
from flask import request
from gunicorn.app.base import BaseApplication

from cogento import reporting, runtime
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
from cogento.console.web.accounts import mounted
from cogento.console.web.app import ConsoleServices, create_app
from cogento.console.web.frame import AccountChoice, DashboardAccount
from cogento.console.web.login import LoginViews
from cogento.console.web.overview import judged
from cogento.console.web.proxies import Proxies
from cogento.console.web.security import HEADERS, MAX_LOGIN_FORM_BYTES
from cogento.console.web.sessions import LoginLimiter, Sessions, connect_sessions
from cogento.nonblocking_output import make_output_nonblocking
from cogento.queue.rate_limiter import RateLimiter
from cogento.reconcile.reconciliation import Reconciliation
from cogento.serving.answers import refusal
from cogento.serving.connection import Connection
from cogento.serving.listening import everywhere
from cogento.serving.worker import ServingWorker
from cogento.store.activity import Action
from cogento.store.store import Store

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from flask import Flask

    from cogento.console.attention import Attention
    from cogento.console.passwords import PasswordHash
    from cogento.console.web.login import ConsoleRole, User
    from cogento.queue.mailboxes import Mailboxes
    from cogento.serving.answers import Application, HttpAnswer, Message, Receive, Scope, Send
    from cogento.settings import ConsoleSettings

LOOPBACK = "127.0.0.1"
THREADS = 8
OWN_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
RECORD_SECONDS = 2
POLL_SECONDS_OF_MANY = 5
"""Of several accounts each is polled as many seconds apart as there are accounts, and no further."""
RAW_HEADERS = tuple((name.lower().encode(), value.encode()) for name, value in HEADERS.items())

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Exposure:
    """Who gets in: whoever knows a role's password, whom a proxy names, or the local user, from this machine alone."""

    port: int
    access: Mapping[ConsoleRole, PasswordHash] | ProxyAccess | LocalAccess

    @property
    def address(self) -> str:
        """What gunicorn binds to: this machine's own address, if nobody else may ask."""
        match self.access:
            case LocalAccess() | ProxyAccess(proxies=Proxies(are_here=True)):
                return f"{LOOPBACK}:{self.port}"
            case _:  # behind a password, or for a proxy alone
                return everywhere(self.port)


class ConsoleConnection(Connection):
    """A connection to the console: what is refused before Flask sees it has the headers of every other answer."""

    def _refuse_with(self, answer: HttpAnswer, *headers: tuple[bytes, bytes]) -> None:
        super()._refuse_with(answer, *headers, *RAW_HEADERS)


class ConsoleWorker(ServingWorker):
    """The process that serves, under gunicorn's first."""

    connection = ConsoleConnection


class ConsoleServer(BaseApplication):  # type: ignore[misc] # gunicorn carries no types
    """gunicorn, configured here: one process, because its memory is the picture."""

    def __init__(self, each: Sequence[ConsoleSettings], exposure: Exposure) -> None:
        self._each = each
        self._exposure = exposure
        make_output_nonblocking()  # before gunicorn's logger asks for standard error
        super().__init__()

    def load_config(self) -> None:
        """Set what gunicorn is to do."""
        options: dict[str, Any] = {
            "bind": self._exposure.address,
            "worker_class": "cogento.console.web.server.ConsoleWorker",
            "workers": 1,
            "timeout": 30,
            "graceful_timeout": 5,
            "loglevel": "warning",
            "proc_name": "cogento-console",
            "control_socket_disable": True,
        }
        for name, value in options.items():
            self.cfg.set(name, value)

    def load(self) -> Buffered:
        """Put the application together, in the process that will serve it."""
        pages = mounted(dict(zip(_accounts(self._each), compose(self._each, self._exposure), strict=True)))
        return Buffered(cast("Application", WSGIMiddleware(pages, workers=THREADS)))  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class Buffered:
    """Hands a request over when it is all here: a thread waits for no client."""

    application: Application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Read the body, or refuse it."""
        # X_Forwarded_User would become the same variable of WSGI as X-Forwarded-User, past the proxy that sets this one.
        scope = {**scope, "headers": [header for header in scope["headers"] if b"_" not in header[0]]}
        headers = dict(scope["headers"])
        if b"transfer-encoding" in headers:
            await _refuse("length_required", send)
            return
        if int(headers.get(b"content-length", b"0")) > MAX_LOGIN_FORM_BYTES:
            await _refuse("body_too_large", send)
            return

        body = bytearray()
        message: Message = {"type": "http.request", "more_body": True}
        try:
            while message.get("more_body"):
                message = await receive()
                body += message.get("body", b"")
        except TimeoutError:
            await _refuse("body_too_slow", send)
            return

        async def whole() -> Message:
            return {"type": "http.request", "body": bytes(body), "more_body": False}

        if message["type"] == "http.request":  # else the client has gone
            await self.application(scope, whole, send)


async def _refuse(code: str, send: Send) -> None:
    refused = refusal(code)
    await send(
        {
            "type": "http.response.start",
            "status": refused.http_status,
            "headers": [*refused.headers, *RAW_HEADERS],
        }
    )
    await send({"type": "http.response.body", "body": refused.body})


@dataclass(frozen=True, slots=True)
class RecordedLogins:
    """Writes logins down as activity of the account whose pages were asked for, by the prefix of their paths.

    Somebody gets in while Postgres is away, too.
    """

    stores: Mapping[str, Store]

    def __call__(self, user: User, address: str) -> None:
        """Write down who has logged in, from where."""
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


def compose(each: Sequence[ConsoleSettings], exposure: Exposure) -> list[Flask]:
    """Open both servers, begin to poll each account's part of them, and make an application for each."""
    settings = each[0]
    dsn = settings.sentry_dsn.get_secret_value() if settings.sentry_dsn else None
    reporting.configure(
        "console", level=settings.log_level, sentry_dsn=dsn, sentry_environment=settings.sentry_environment
    )
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
    apps = []
    for one, boxes, store, asks, poller in zip(each, mailboxes, stores, asking, pollers, strict=True):
        _begin(one, boxes, poller)
        services = _services(one, boxes, store, asks, poller)
        apps.append(
            create_app(
                services,
                hosts=_host_names(settings, exposure),
                login=access,
                metrics_token=settings.metrics_token.get_secret_value() if settings.metrics_token else None,
                metrics_of=dict(zip(labels, pollers, strict=True)),
                proxies=_proxies(settings),
                account=DashboardAccount(one.stripe_livemode, one.stripe_account),
                choice=AccountChoice(one.account, names) if names else None,
            )
        )
    return apps


def _accounts(each: Sequence[ConsoleSettings]) -> list[str]:
    return [one.account for one in each]


def _prefixes(each: Sequence[ConsoleSettings]) -> list[str]:
    return [console_prefix(one.account) for one in each]


def _open_stores(each: Sequence[ConsoleSettings], name: str, *, pool_size: int) -> list[Store]:
    """Return each account's store, over as many connections as one account has."""
    url = each[0].database_url.get_secret_value()
    opening = Store.open(url, pool_size=pool_size, application_name=name, schemas=len(each))
    first = runtime.run(opening)
    return [first, *(first.in_schema(one.database_schema) for one in each[1:])]


def _begin(settings: ConsoleSettings, mailboxes: Mailboxes, poller: StatusPoller) -> None:
    """Begin to poll an account, and to send its alerts where they are wanted."""
    poller.start()
    if settings.alert_webhook_url:
        alerts = Alerts(
            AlertWebhook(settings.alert_webhook_url.get_secret_value()),
            mailboxes.sent_alerts,
            deployment=settings.deployment,
        )
        keep_alerting(alerts, lambda: _attention(poller))


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
    settings: ConsoleSettings, mailboxes: Mailboxes, store: Store, asks: Store, poller: StatusPoller
) -> ConsoleServices:
    """Put together what one account's pages ask."""
    limiter = RateLimiter.connect(
        settings.redis_url.get_secret_value(),
        requests_per_second=settings.stripe_requests_per_second,
        account=settings.account,
    )
    return ConsoleServices(
        poller=poller,
        mailboxes=mailboxes,
        dead_letters=DeadLetterService(mailboxes, store),
        customers=CustomerService(mailboxes, store, Reconciliation.of(settings, mailboxes, asks)),
        activity=store.activity,
        system=SystemService(settings, mailboxes, store, limiter),
        sweeps=SweepRunner(settings, mailboxes, store),
    )
