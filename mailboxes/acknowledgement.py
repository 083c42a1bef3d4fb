"""That an answer is as durable as promised, for as long as the server stays the one that was checked."""

from __future__ import annotations

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
"""An `everysec` file reaches the disk within 0.1 s (Valkey 9.1) to 1 s, and the disk takes its time."""

PATIENT_SECONDS = TIMEOUT_SECONDS + WAITAOF_MS / 1000


@dataclass(frozen=True, slots=True)
class _Known:
    facts: ServerFacts
    eras: tuple[int, int]


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
        """Return what the server gives, asking unless it is the same connection as before."""
        eras = (self._server.era, self._patient.era)
        known = self._known
        if known is None or known.eras != eras:
            known = self._known = _Known(check_server(self._server, self._ack), eras)
        return known.facts

    def check(self) -> ServerFacts:
        """Ask the server now; raises MailboxRefused when it cannot keep the promise."""
        self._known = None
        return self.facts()

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
        means = self._means()
        replies = self._run_by(means, calls)
        if self._means() is not means:
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

    def _means(self) -> AckMeans:
        try:
            return self.facts().ack_means
        except MailboxRefused as refused:
            raise MailboxUnavailable(str(refused)) from refused
