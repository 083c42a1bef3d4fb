"""That an answer is as durable as promised, for as long as the server stays the one that was checked."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mailboxes.checks import ServerFacts, check_server
from mailboxes.durability import AckDurability, AckMeans
from mailboxes.errors import MailboxRefused, MailboxUnavailable

if TYPE_CHECKING:
    from mailboxes.server import Call, Reply, Server

TIMEOUT_SECONDS = 0.6
"""How long one answer of Redis may take: a caller may wait for two, and the receiver says 503 in about 1 s."""

WAITAOF_MS = 2000
"""An `everysec` file reaches the disk within a second, and the disk takes its time."""

PATIENT_SECONDS = TIMEOUT_SECONDS + WAITAOF_MS / 1000


KNOWN_SECONDS = 5.0
"""After this the server is asked again, for CONFIG SET changes its durability without a word to anybody."""


@dataclass(frozen=True, slots=True)
class _Known:
    facts: ServerFacts
    eras: tuple[int, int]
    until: float


class Acknowledgement:
    """Runs what must be durable, by the means that the server has.

    `patient` is the same server with time-outs of PATIENT_SECONDS. After a reconnection (an era) the
    server may be another one, or configured anew: it is asked again before anything is acknowledged.
    """

    def __init__(self, server: Server, patient: Server, ack: AckDurability) -> None:
        self._server = server
        self._patient = patient
        self._ack = ack
        self._known: _Known | None = None

    def facts(self) -> ServerFacts:
        """Return what the server gives, asking unless it told so lately, over the same connections."""
        eras, now = (self._server.era, self._patient.era), time.monotonic()
        known = self._known
        if known is None or known.eras != eras or known.until < now:
            known = self._known = _Known(check_server(self._server, self._ack), eras, now + KNOWN_SECONDS)
        return known.facts

    def check(self) -> ServerFacts:
        """Ask the server now; raises MailboxRefused when it cannot keep the promise."""
        self._known = None
        return self.facts()

    def means(self) -> AckMeans:
        """Return how the level is given; raises MailboxUnavailable where it is not, or not any more."""
        try:
            return self.facts().ack_means
        except MailboxRefused as refused:
            raise MailboxUnavailable(str(refused)) from refused

    def longest_seconds(self) -> float:
        """Return how long `run` may take, as far as is known yet."""
        waits = self._known is not None and self._known.facts.ack_means is AckMeans.WAITAOF
        return PATIENT_SECONDS if waits else TIMEOUT_SECONDS

    def run(self, calls: list[Call]) -> list[Reply]:
        """Run scripts; when this returns, what they wrote is as durable as promised.

        The means are looked at before and after: a server that was exchanged in between did not give them.
        """
        if self._ack is AckDurability.REDIS:
            return self._server.run(*calls)
        means = self.means()
        replies = self._run_by(means, calls)
        if self.means() is not means:
            raise MailboxUnavailable("the server changed its durability during a put")
        return replies

    def close(self) -> None:
        """Close the connections."""
        self._server.close()
        self._patient.close()

    def _run_by(self, means: AckMeans, calls: list[Call]) -> list[Reply]:
        if means is not AckMeans.WAITAOF:
            return self._server.run(*calls)
        replies, files = self._patient.run_and_wait(*calls, wait_ms=WAITAOF_MS)
        if files < 1:
            raise MailboxUnavailable(f"not in the append-only file within {WAITAOF_MS} ms")
        return replies
