"""The receiver put together from its settings, for any server."""

from __future__ import annotations

import threading
import time
from contextlib import asynccontextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, NamedTuple

from cogento import reporting
from cogento.accounts import webhook_path
from cogento.events.fence import Fence
from cogento.queue.durability import warning_of
from cogento.queue.figures import read_figures
from cogento.queue.group_commit import GroupCommit
from cogento.queue.wakeup import BackgroundWakeup, WorkerWakeup
from cogento.reporting import ThrottledLog
from receiver import metrics
from receiver.intake import AcceptPolicy, Intake
from receiver.probes import Probes
from receiver.start import open_mailboxes
from receiver.tally import FenceTally

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from cogento.queue.figures import KeptTables, QueueFigures
    from cogento.queue.mailboxes import Mailboxes
    from cogento.settings import ReceiverSettings


class ReceiverParts(NamedTuple):
    """The parts that answer webhooks, by their account's path, and those that answer everything else."""

    intakes: Mapping[str, Intake]
    probes: Probes


class Composed:
    """The parts that settings describe, made when they are first asked for: a server may fork before that."""

    def __init__(self, each: Sequence[ReceiverSettings]) -> None:
        self._each = each
        self._making = threading.Lock()
        self._parts: ReceiverParts | None = None

    def __call__(self) -> ReceiverParts:
        """Return the parts, the same ones each time."""
        with self._making:
            if self._parts is None:
                self._parts = compose(self._each)
        return self._parts


def compose(each: Sequence[ReceiverSettings]) -> ReceiverParts:
    """Make the parts from each account's settings; Redis is not needed yet."""
    accounts = open_mailboxes(each)
    together = GroupCommit(accounts[0])
    wakeup = BackgroundWakeup(WorkerWakeup(each[0].wakeups_url))
    intakes = {
        webhook_path(settings.account): _intake(settings, mailboxes, together.beside(mailboxes), wakeup)
        for settings, mailboxes in zip(each, accounts, strict=True)
    }
    token = each[0].metrics_token
    # Probes are answered on the process's loop (cogento/runtime.py); webhooks on the server's, if it has one.
    labels = [settings.account_label for settings in each]
    readiness = RedisReadiness(dict(zip(labels, open_mailboxes(each), strict=True)))
    return ReceiverParts(intakes, Probes(readiness, token.get_secret_value() if token else None))


def _intake(
    settings: ReceiverSettings, mailboxes: Mailboxes, mailbox: GroupCommit, wakeup: BackgroundWakeup
) -> Intake:
    policy, label = accept_policy(settings), settings.account_label
    metrics.prepare(label)
    intake_class = Intake
    if reporting.is_tracing():
        from receiver import traced  # noqa: PLC0415 - loads OpenTelemetry

        intake_class = traced.TracedIntake
    return intake_class(
        policy=policy,
        mailbox=mailbox,
        wakeup=wakeup,
        log=ThrottledLog(time.monotonic, **({"account_name": label} if label else {})),
        tally=FenceTally(policy.fence, mailboxes.fence_notes),
        clock=time.time,
        account=label,
    )


def accept_policy(settings: ReceiverSettings) -> AcceptPolicy:
    """Return which events these settings accept; a secret that signs both kinds is tried once."""
    secrets, thin_secrets = settings.webhook_secrets, settings.thin_webhook_secrets
    return AcceptPolicy(
        secrets=tuple(secret.encode() for secret in secrets),
        thin_secrets=tuple(secret.encode() for secret in thin_secrets if secret not in secrets),
        can_ask=settings.stripe_api_key is not None,
        fence=Fence(settings.stripe_livemode, settings.stripe_account),
    )


class RedisReadiness:
    """Tells whether Redis would keep an event now, as promised, over connections of its own that are closed after each check.

    The server is asked each time, because it may be another one or have another configuration. All accounts share it.
    """

    def __init__(self, accounts: Mapping[str | None, Mailboxes]) -> None:
        self._accounts = accounts
        self._mailboxes = next(iter(accounts.values()))

    async def probe(self) -> Mapping[str, str]:
        """Write to the server and return the ack level, and its warning if there is one; raises MailboxUnavailable."""
        async with self._connected() as mailboxes:
            level = (await mailboxes.ping_write()).ack
        warning = warning_of(level)
        return {"ack_durability": level} | ({"warning": warning} if warning else {})

    async def describe(self) -> Mapping[str, object]:
        """Return the facts that the server reports now; raises MailboxUnavailable."""
        async with self._connected() as mailboxes:
            return asdict(await mailboxes.ping_write())

    async def figures(self) -> Mapping[str | None, tuple[QueueFigures, KeptTables | None]]:
        """Return each account's figures from Redis, and those of Postgres that a worker kept there; raises MailboxUnavailable."""
        async with self._connected():
            return {
                label: (await read_figures(mailboxes), await mailboxes.tables.kept())
                for label, mailboxes in self._accounts.items()
            }

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[Mailboxes]:
        """Connect for one check: it comes every few seconds or never, and small hosting plans allow few connections."""
        try:
            yield self._mailboxes
        finally:
            await self._mailboxes.close()
