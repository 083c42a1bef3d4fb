"""Alerts that page, sent to ALERT_WEBHOOK_URL: each once when it begins and once when it is over.

For those who have no Prometheus. The console looks every few seconds, and `cogento status --check` once. What was sent is kept
in Redis, so that several of them, or one that restarts, send nothing twice; while Redis is away, each keeps it for itself. An
alert that cannot be delivered counts as not sent, and is tried again at the next look.
"""

from __future__ import annotations

import http.client
import json
import threading
import time
from contextlib import closing, suppress
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import quote

import structlog

from cogento import runtime
from cogento.queue.errors import MailboxUnavailable
from cogento.urls import host_and_port, http_url

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping, Sequence

    from cogento.console.attention import Attention
    from cogento.queue.alerts import SentAlerts

HOLD_SECONDS = 60
"""How long a problem must last, or be over, before an alert says so: a short one pages nobody."""
LOOK_SECONDS = 5
POST_SECONDS = 5
PAUSES_SECONDS = (1.0, 5.0)
"""The pauses between tries to deliver; after the last one the next look tries again."""
SERVERS = frozenset({"Redis", "PostgreSQL"})

_log = structlog.get_logger()


class AlertWebhook:
    """An address that takes alerts."""

    def __init__(self, url: str, *, sleep: Callable[[float], object] = time.sleep) -> None:
        self._url = http_url(url)
        self._sleep = sleep

    def deliver(self, message: Mapping[str, str]) -> bool:
        """Send a message, in a few tries; False when none was taken. The log says why, and names no address."""
        body = json.dumps(message).encode()
        problem = ""
        for pause in (0.0, *PAUSES_SECONDS):
            self._sleep(pause)
            try:
                status = self._post(body)
            except (OSError, http.client.HTTPException) as error:
                problem = type(error).__name__
            else:
                if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
                    return True
                problem = f"HTTP {status}"
        _log.error("alert_not_sent", alert=message["alert"], problem=problem)
        return False

    def _post(self, body: bytes) -> int:
        host, port = host_and_port(self._url.hosts)
        kind = http.client.HTTPSConnection if self._url.scheme == "https" else http.client.HTTPConnection
        target = quote(self._url.path or "/") + (f"?{self._url.query}" if self._url.query else "")
        with closing(kind(host, port, timeout=POST_SECONDS)) as connection:
            connection.request("POST", target, body, {"Content-Type": "application/json"})
            return connection.getresponse().status


class Alerts:
    """Compares what needs attention now with what was sent, and sends what has changed; for one thread."""

    def __init__(
        self,
        webhook: AlertWebhook,
        sent: SentAlerts,
        *,
        deployment: str,
        hold_seconds: float = HOLD_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._webhook = webhook
        self._sent = sent
        self._deployment = deployment
        self._hold_seconds = hold_seconds
        self._clock = clock
        self._known: frozenset[str] = frozenset()  # as Redis last told
        self._alone: set[str] = set()  # names sent while Redis was away
        self._since: dict[tuple[str, bool], float] = {}  # since when a name is, or is not, among the lines

    def update(self, lines: Sequence[Attention]) -> None:
        """Send what is new among the lines that page, and withdraw what is over."""
        paging = {line.name: line for line in lines if line.pages}
        known = self._sent_names()
        now = self._clock()
        changed = {(name, True) for name in paging.keys() - known}
        # While a server is away, a problem that only it could report does not count as over.
        over = known - paging.keys()
        changed |= {(name, False) for name in (over & SERVERS if SERVERS & paging.keys() else over)}
        self._since = {change: self._since.get(change, now) for change in changed}
        for name, begins in sorted(changed):
            if now - self._since[name, begins] < self._hold_seconds:
                continue
            if begins and self._begin(name) and not self._deliver(name, paging[name].text, "firing"):
                self._end(name)
            if not begins and self._end(name):
                self._deliver(name, "It is over.", "resolved")

    def _sent_names(self) -> frozenset[str]:
        with suppress(MailboxUnavailable):
            self._known = runtime.run(self._sent.names())
        return self._known | self._alone

    def _begin(self, name: str) -> bool:
        is_first = self._change(self._sent.begin(name))
        if is_first is None:
            self._alone.add(name)
        else:
            self._known |= {name}
        return is_first is not False

    def _end(self, name: str) -> bool:
        was_alone = name in self._alone
        self._alone.discard(name)
        self._known -= {name}
        return self._change(self._sent.end(name)) is True or was_alone

    def _change(self, change: Coroutine[object, object, bool]) -> bool | None:
        """Make a change in Redis; None while it is away."""
        try:
            return runtime.run(change)
        except MailboxUnavailable:
            return None

    def _deliver(self, name: str, text: str, state: str) -> bool:
        """Deliver an alert, in the form that Slack and compatible services take; the other fields are for programs."""
        mark = "resolved" if state == "resolved" else "needs attention"
        message = {
            "text": f"{self._deployment}, {name} ({mark}): {text}",
            "alert": name,
            "status": state,
            "summary": text,
            "deployment": self._deployment,
        }
        return self._webhook.deliver(message)


def keep_alerting(alerts: Alerts, lines: Callable[[], Sequence[Attention] | None]) -> None:
    """Look every few seconds from now on, in a thread of this process; `lines` are None while nothing is known."""

    def repeat() -> None:
        while True:
            try:
                if (now := lines()) is not None:
                    alerts.update(now)
            except Exception as error:  # noqa: BLE001 - a mistake in one look must not end the thread
                _log.error("alerts_failed", exc_info=error)
            time.sleep(LOOK_SECONDS)

    threading.Thread(target=repeat, name="alerts", daemon=True).start()
