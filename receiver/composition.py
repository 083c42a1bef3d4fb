"""The receiver put together from its settings, whatever serves it."""

from __future__ import annotations

import threading
import time
from contextlib import asynccontextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, NamedTuple

from cogento import reporting
from cogento.events.fence import Fence
from cogento.queue.durability import warning_of
from cogento.queue.figures import read_figures
from cogento.queue.group_commit import GroupCommit
from cogento.queue.wakeup import BackgroundWakeup, WorkerWakeup
from cogento.reporting import ThrottledLog
from receiver.intake import AcceptPolicy, Intake
from receiver.probes import Probes
from receiver.start import open_mailboxes
from receiver.tally import FenceTally

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from cogento.queue.figures import KeptTables, QueueFigures
    from cogento.queue.mailboxes import Mailboxes
    from cogento.settings import ReceiverSettings


class ReceiverParts(NamedTuple):
    """What answers webhooks, and what answers everything else."""

    intake: Intake
    probes: Probes


class Composed:
    """The parts that settings describe, made when they are first asked for: a server may fork before that."""

    def __init__(self, settings: ReceiverSettings) -> None:
        self._settings = settings
        self._making = threading.Lock()
        self._parts: ReceiverParts | None = None

    def __call__(self) -> ReceiverParts:
        """Return them, the same ones each time."""
        with self._making:
            if self._parts is None:
                self._parts = compose(self._settings)
        return self._parts


def compose(settings: ReceiverSettings) -> ReceiverParts:
    """Make the parts that these settings describe; Redis is not needed yet."""
    policy, mailboxes = accept_policy(settings), open_mailboxes(settings)
    intake_class = Intake
    if reporting.is_tracing():
        from receiver import traced  # noqa: PLC0415 - loads OpenTelemetry

        intake_class = traced.TracedIntake
    intake = intake_class(
        policy=policy,
        mailbox=GroupCommit(mailboxes),
        wakeup=BackgroundWakeup(WorkerWakeup(settings.wakeups_url)),
        log=ThrottledLog(time.monotonic),
        tally=FenceTally(policy.fence, mailboxes.fence_notes),
        clock=time.time,
    )
    token = settings.metrics_token
    # Probes are answered on the process's loop (cogento/runtime.py); webhooks on the server's, if it has one.
    readiness = RedisReadiness(open_mailboxes(settings))
    return ReceiverParts(intake, Probes(readiness, token.get_secret_value() if token else None))


def accept_policy(settings: ReceiverSettings) -> AcceptPolicy:
    """Say whose events these settings expect; a secret that signs both kinds is tried once."""
    secrets, thin_secrets = settings.webhook_secrets, settings.thin_webhook_secrets
    return AcceptPolicy(
        secrets=tuple(secret.encode() for secret in secrets),
        thin_secrets=tuple(secret.encode() for secret in thin_secrets if secret not in secrets),
        can_ask=settings.stripe_api_key is not None,
        fence=Fence(settings.stripe_livemode, settings.stripe_account),
    )


class RedisReadiness:
    """Says whether Redis would keep an event now, as promised, over connections of its own that end with each question.

    The server is asked each time, for it may be another one or configured anew.
    """

    def __init__(self, mailboxes: Mailboxes) -> None:
        self._mailboxes = mailboxes

    async def probe(self) -> Mapping[str, str]:
        """Write to the server and return the ack level, and what has to be said of it; raises MailboxUnavailable."""
        async with self._connected() as mailboxes:
            level = (await mailboxes.ping_write()).ack
        warning = warning_of(level)
        return {"ack_durability": level} | ({"warning": warning} if warning else {})

    async def describe(self) -> Mapping[str, object]:
        """Return what the server says of itself now; raises MailboxUnavailable."""
        async with self._connected() as mailboxes:
            return asdict(await mailboxes.ping_write())

    async def figures(self) -> tuple[QueueFigures, KeptTables | None]:
        """Return what Redis knows, and what a worker kept there of Postgres; raises MailboxUnavailable."""
        async with self._connected() as mailboxes:
            return await read_figures(mailboxes), await mailboxes.tables.kept()

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[Mailboxes]:
        """Keep no connection for what is asked every few seconds, or never: small plans have few."""
        try:
            yield self._mailboxes
        finally:
            await self._mailboxes.close()
